// Placing an order so that it is placed once. The key of an attempt is kept with what it asks for: when the answer is lost,
// the same request goes out with the same key, and the server gives the order that it already made.

import { post } from './api.js';
import { passHeaders } from './pass.js';
import { Problem } from './problem.js';
import { freshKey } from './random.js';
import { keepObject, keptObject } from './store.js';

const REPEATS = 3;

/** Creates the order and gives it. Throws a `Problem`. */
export async function placeOrder(sessionId, seats, expectedTotal, coupon) {
  const stored = `nebula.attempt.${sessionId}`;
  const body = { session_id: sessionId, seats: [...seats].sort(), ...(expectedTotal && { expected_total: expectedTotal }), ...(coupon && { coupon }) };
  const asked = JSON.stringify(body);
  const before = keptObject(stored, 'sessionStorage');
  const key = before?.asked === asked ? before.key : freshKey();
  keepObject(stored, { asked, key }, 'sessionStorage');
  try {
    const order = await post('/orders', body, { signed: true, repeats: REPEATS, headers: { 'Idempotency-Key': key, ...passHeaders(sessionId) } });
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
