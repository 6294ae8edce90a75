// Placing an order so that it is placed once. The key of an attempt is kept with what it asks for: when the answer is lost,
// the same request goes out with the same key, and the server gives the order that it already made.
//
// Of people nothing is kept, so that no name and no document's number outlives the page. Whoever asks again after a reload names
// them anew: if they are others, the server says that the key was used, and no second order comes of it.

import { post } from './api.js';
import { passHeaders } from './pass.js';
import { Problem } from './problem.js';
import { freshKey } from './random.js';
import { keepObject, keptObject } from './store.js';

const REPEATS = 3;

/** The parts of a wish that are about nobody. */
const PLAIN = ['session_id', 'seats', 'best', 'coupon', 'expected_total'];
const plain = (body) => JSON.stringify(PLAIN.map((part) => body[part] ?? null));

/** Sends an order once, however often it is asked; `name` is what the attempt is kept as. Throws a `Problem`. */
export async function attempt(name, path, body, headers = {}) {
  // A page that learns only from the refusal that people are to be named must not end the attempt that names them.
  const stored = `nebula.attempt.${name}${body.attendees ? '.named' : ''}`;
  const asked = plain(body);
  const before = keptObject(stored, 'sessionStorage');
  const key = before?.asked === asked ? before.key : freshKey();
  keepObject(stored, { asked, key }, 'sessionStorage');
  try {
    const order = await post(path, body, { signed: true, repeats: REPEATS, headers: { 'Idempotency-Key': key, ...headers } });
    keepObject(stored, null, 'sessionStorage');
    return order;
  } catch (problem) {
    // A clear refusal ends the attempt: asking for the same seats later is a new wish. After no answer, and while signing in,
    // the key stays.
    const open = !(problem instanceof Problem) || problem.passing || problem.needsSignIn;
    if (!open) keepObject(stored, null, 'sessionStorage');
    throw problem;
  }
}

/** Creates the order of `{ seats }` or of the `{ best }` for a buyer, and gives it. Throws a `Problem`. */
export function placeOrder(sessionId, places, expectedTotal, coupon, attendees) {
  const people = attendees && { attendees };
  const body = { session_id: sessionId, ...(places.seats ? sorted(places.seats, attendees) : { ...places, ...people }),
    ...(expectedTotal && { expected_total: expectedTotal }), ...(coupon && { coupon }) };
  return attempt(sessionId, '/orders', body, passHeaders(sessionId));
}

/** In one order, whichever seat was chosen first: people stay with their seats. */
function sorted(seats, attendees) {
  const pairs = seats.map((seat, index) => [seat, attendees?.[index]]).sort(([a], [b]) => (a < b ? -1 : 1));
  const people = attendees?.length === seats.length ? pairs.map(([, attendee]) => attendee) : attendees;
  return { seats: pairs.map(([seat]) => seat), ...(people && { attendees: people }) };
}
