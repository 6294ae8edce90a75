// Who is signed in, and the tokens. They live in localStorage and go out in one header, never in an address.

import { device } from './device.js';
import { NO_ANSWER, NO_NETWORK, Problem, problemOf } from './problem.js';
import { keepObject, keptObject } from './store.js';

const TOKENS = 'nebula.tokens';
const USER = 'nebula.user';
const REFRESH = '/api/v1/auth/refresh';
/** Tokens are renewed a little early, so that none expires on its way. */
const EARLY_MS = 5000;

const tokens = () => keptObject(TOKENS);

function keepTokens({ access_token, refresh_token, expires_in }) {
  keepObject(TOKENS, { access_token, refresh_token, until: Date.now() + expires_in * 1000 });
}

export const user = () => (tokens() ? keptObject(USER) : null);
export const refreshToken = () => tokens()?.refresh_token ?? null;

export function signedIn({ user, tokens }) {
  keepTokens(tokens);
  keepObject(USER, user);
}

/** The same sign-in with a token that says more of it. */
export function stronger(access_token) {
  const current = tokens();
  if (current) keepObject(TOKENS, { ...current, access_token });
}

/** The account is another than it was. */
export const changed = (user) => keepObject(USER, user);

export function forget() {
  keepObject(TOKENS, null);
  keepObject(USER, null);
}

/** An access token that is good as far as known here, or null for nobody. */
export async function accessToken() {
  const current = tokens();
  if (!current) return null;
  return Date.now() < current.until - EARLY_MS ? current.access_token : renew(current.access_token);
}

let renewal = null;

/**
 * Exchanges the refresh token. All callers of this page share one exchange, and pages in other tabs wait for it under a
 * lock of the browser: a refresh token works once, and its second use would sign the visitor out.
 */
export function renew(stale) {
  renewal ??= exclusive(() => exchange(stale)).finally(() => { renewal = null; });
  return renewal;
}

const exclusive = (run) => (navigator.locks ? navigator.locks.request(REFRESH, run) : run());

async function exchange(stale) {
  const current = tokens();
  if (!current) return null;
  if (current.access_token !== stale) return current.access_token; // another tab was faster
  let response;
  try {
    response = await fetch(REFRESH, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Accept: 'application/json', 'Device-Id': device() },
      body: JSON.stringify({ refresh_token: current.refresh_token }),
      signal: AbortSignal.timeout(15_000),
    });
  } catch (error) {
    throw new Problem(error.name === 'TimeoutError' ? NO_ANSWER : NO_NETWORK);
  }
  if (!response.ok) {
    const problem = await problemOf(response);
    // Only a clear refusal signs out: a server in trouble must not.
    if (problem.status === 401) {
      const latest = tokens();
      if (latest && latest.refresh_token !== current.refresh_token) return latest.access_token;
      forget();
    }
    throw problem;
  }
  const { tokens: fresh } = await response.json();
  keepTokens(fresh);
  return fresh.access_token;
}

/** The address of the sign-in page that comes back here. */
export const signInAddress = (page = 'login') =>
  `/${page}?next=${encodeURIComponent(location.pathname + location.search + location.hash)}`;

export const goSignIn = () => location.assign(signInAddress());

/** Where to go after signing in: a path of this site and nothing else. */
export function nextAddress() {
  const next = new URLSearchParams(location.search).get('next') ?? '/';
  try {
    const url = new URL(next, location.origin);
    return url.origin === location.origin ? url.pathname + url.search + url.hash : '/';
  } catch {
    return '/';
  }
}
