// What the visitor has earned on the way to a sale: tokens of the waiting room, of a reservation, of a solved challenge.
// They are bound to the account and the sale, and go out in headers with the order.

import { device } from './device.js';
import { keepObject, keptObject } from './store.js';

const place = (session) => `nebula.pass.${session}`;

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
