// Fresh keys. `crypto.randomUUID` exists only on https and localhost, and a phone in the same network uses neither.

export function freshKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
