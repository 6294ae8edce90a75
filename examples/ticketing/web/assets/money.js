// Decimal amounts as exact integers of their smallest unit; never as binary fractions.

const scaleOf = (amount) => (amount.split('.')[1] ?? '').length;

function units(amount, scale) {
  const [whole, fraction = ''] = amount.split('.');
  return BigInt(whole + fraction.padEnd(scale, '0'));
}

function written(value, scale) {
  const digits = String(value < 0n ? -value : value).padStart(scale + 1, '0');
  const amount = scale ? `${digits.slice(0, -scale)}.${digits.slice(-scale)}` : digits;
  return value < 0n ? `-${amount}` : amount;
}

/** The sum of money of one currency, or null of nothing. */
export function sum(amounts) {
  if (amounts.length === 0) return null;
  const scale = Math.max(...amounts.map(({ amount }) => scaleOf(amount)));
  const total = amounts.reduce((soFar, { amount }) => soFar + units(amount, scale), 0n);
  return { amount: written(total, scale), currency: amounts[0].currency };
}

/** What is left of one amount when another of the same currency is taken away; less than nothing begins with a minus. */
export function difference(from, taken) {
  const scale = Math.max(scaleOf(from.amount), scaleOf(taken.amount));
  return { amount: written(units(from.amount, scale) - units(taken.amount, scale), scale), currency: from.currency };
}

/** So many times the same money. */
export const product = (amount, times) => sum(Array.from({ length: times }, () => amount));
