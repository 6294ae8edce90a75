// What can go wrong between the page and the server, in one shape, and what to tell people about it.

import { has, locale, t } from './i18n.js';
import { moment, price } from './format.js';

/** Codes of our own, beside those of the server: no answer at all. */
export const NO_NETWORK = 'no-network';
export const NO_ANSWER = 'no-answer';

export class Problem extends Error {
  constructor(code, { status = 0, title = '', detail = '', members = {}, retryAfter = null } = {}) {
    super(`${code}: ${detail || title}`);
    Object.assign(this, { code, status, title, detail, members, retryAfter });
  }

  /** True when the same request may succeed a little later; it carries an idempotency key or changes nothing. */
  get passing() {
    return this.status >= 500 ? this.code !== 'internal' : this.status === 0;
  }

  /** True when signing in is the cure. */
  get needsSignIn() {
    return this.status === 401 && this.code !== 'wrong-credentials';
  }
}

/** Reads an RFC 9457 body; anything else still becomes a problem. */
export async function problemOf(response) {
  const body = await response.json().catch(() => ({}));
  const { code = `http-${response.status}`, title = response.statusText, detail = '', ...members } = body ?? {};
  const retryAfter = Number(response.headers.get('Retry-After')) || null;
  return new Problem(code, { status: response.status, title, detail, members, retryAfter });
}

/** The message in the visitor's language; for a code from a newer server, the server's own title. */
export function friendly(problem) {
  if (!(problem instanceof Problem)) return t('problem.defect');
  const general = `problem.${problem.code}`;
  // Some say why in a word of their own.
  const why = `${general}.${problem.members.reason}`;
  const key = has(why) ? why : general;
  if (!has(key)) return problem.title || t('problem.defect');
  const { opens_at, total, amount, minimum, left, together, limit, least } = problem.members;
  return t(key, {
    seconds: problem.retryAfter ?? '',
    left: left ?? '',
    together: together ?? '',
    limit: limit?.toLocaleString(locale) ?? '',
    least: least ?? '',
    time: opens_at ? moment(opens_at) : '',
    total: total?.amount ? price(total) : '',
    amount: amount?.amount ? price(amount) : '',
    minimum: minimum?.amount ? price(minimum) : '',
  }).trim();
}
