// What the visitor has earned on the way to a sale: tokens of the waiting room, of a reservation, of a solved challenge.
// They are bound to the account and the sale, and go out in headers with the order.

import { freshKey } from './random.js';
import { keep, keepObject, kept, keptObject } from './store.js';

const DEVICE = 'nebula.device';
const place = (session) => `nebula.pass.${session}`;

/** The same device calls itself the same over visits. */
function device() {
  const known = kept(DEVICE);
  if (known) return known;
  const fresh = freshKey();
  keep(DEVICE, fresh);
  return fresh;
}

/** Keeps a token of this kind: `Admission`, `Qualification`, `Challenge`. `null` forgets it. */
export function keepPass(session, kind, token) {
  keepObject(place(session), { ...keptObject(place(session)), [kind]: token });
}

/** The headers that an order of this sale is sent with. */
export function passHeaders(session) {
  const tokens = Object.entries(keptObject(place(session)) ?? {}).filter(([, token]) => token);
  return { 'Device-Id': device(), ...Object.fromEntries(tokens.map(([kind, token]) => [`${kind}-Token`, token])) };
}

export const waitingAddress = (session) => `/waiting/${encodeURIComponent(session)}`;
