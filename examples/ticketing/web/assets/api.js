// One way to ask the server: JSON in and out, problems as `Problem`, tokens renewed on the way.

import { accessToken, forget, renew } from './account.js';
import { observe } from './clock.js';
import { device } from './device.js';
import { NO_ANSWER, NO_NETWORK, Problem, problemOf } from './problem.js';
import { sendFile } from './upload.js';

const SIGN_IN = /^\/api\/v1\/(auth|me\/second-factor|me\/devices)\b/;

/** Gets a fresh proof of who it is, or `false`. */
let stepUp = null;
export const onStepUp = (run) => { stepUp = run; };

const pause = (milliseconds) => new Promise((done) => { setTimeout(done, milliseconds); });

const serverTimeOf = (answer) => [answer, answer?.order, answer?.sessions?.[0], answer?.shows?.[0]?.sessions?.[0]]
  .find((part) => part?.server_time)?.server_time;

async function once(method, address, { body, file, progress, headers, token, timeout = 20_000, cache = 'no-store' }) {
  const sentAt = performance.now();
  let response;
  let answer;
  try {
    response = await (file ? sendFile : fetch)(address, {
      method,
      cache,
      headers: {
        Accept: 'application/json',
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
        ...(file && { 'Content-Type': 'application/octet-stream' }),
        ...(token && { Authorization: `Bearer ${token}` }),
        // What begins a sign-in or says more of one is the device's.
        ...(SIGN_IN.test(address) && { 'Device-Id': device() }),
        ...headers,
      },
      body: file ?? (body === undefined ? undefined : JSON.stringify(body)),
      signal: AbortSignal.timeout(timeout),
      ...(file && { progress }),
    });
    if (response.ok) {
      const text = await response.text();
      answer = text ? JSON.parse(text) : null;
    }
  } catch (error) {
    throw new Problem(error.name === 'TimeoutError' ? NO_ANSWER : NO_NETWORK);
  }
  if (!response.ok) throw await problemOf(response);
  const serverTime = serverTimeOf(answer);
  if (serverTime) observe(serverTime, sentAt, performance.now());
  return answer;
}

/**
 * Asks and gives the answer's JSON, or throws a `Problem`.
 *
 * `signed` sends the access token; one that has expired is renewed and the request repeated, once; so is what asks for a fresh proof,
 * when somebody gives it. `repeats` is how often a
 * passing failure (busy, no network) is tried again: only for requests that may be repeated. `cache` lets the browser keep
 * answers (by their ETag); all others are always fresh, or an old `server_time` would set the clock back. A `file` is sent as it is
 * instead of a `body`, and `progress` told how much of it is there.
 */
export async function ask(method, path, { signed = false, repeats = 0, ...options } = {}) {
  const address = /^\/(pay|dev)\//.test(path) ? path : `/api/v1${path}`;
  let renewed = false;
  let proven = false;
  for (let attempt = 0; ; attempt += 1) {
    const token = signed ? await accessToken() : null;
    try {
      return await once(method, address, { ...options, token });
    } catch (problem) {
      if (problem.code === 'token-expired' && !renewed) {
        renewed = true;
        await renew(token);
      } else if (problem.code === 'step-up-required' && problem.members?.reason !== 'session' && stepUp && !proven && await stepUp()) {
        proven = true;
      } else if (problem.passing && attempt < repeats) {
        const wait = problem.retryAfter ? problem.retryAfter * 1000 : 400 * 2 ** attempt;
        // Many pages are told the same second: do not come back in step.
        await pause(Math.min(wait, 8000) * (0.75 + Math.random() / 2));
      } else {
        // What was signed with is worth nothing any more: the sign-in page shall not believe in it.
        if (signed && problem.needsSignIn) forget();
        throw problem;
      }
    }
  }
}

export const get = (path, options) => ask('GET', path, { repeats: 2, ...options });
export const post = (path, body, options) => ask('POST', path, { body: body ?? {}, ...options });
