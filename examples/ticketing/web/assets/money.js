// Decimal amounts as exact integers of their smallest unit; never as binary fractions.

const scaleOf = (amount) => (amount.split('.')[1] ?? '').length;

function units(amount, scale) {
  const [whole, fraction = ''] = amount.split('.');
  return BigInt(whole + fraction.padEnd(scale, '0'));
}

/** The sum of money of one currency, or null of nothing. */
export function sum(amounts) {
  if (amounts.length === 0) return null;
  const scale = Math.max(...amounts.map(({ amount }) => scaleOf(amount)));
  const total = amounts.reduce((soFar, { amount }) => soFar + units(amount, scale), 0n);
  const digits = String(total).padStart(scale + 1, '0');
  const amount = scale ? `${digits.slice(0, -scale)}.${digits.slice(-scale)}` : digits;
  return { amount, currency: amounts[0].currency };
}
