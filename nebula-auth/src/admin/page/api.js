// Asking the server. The token lives as long as the tab.

import { t } from './words.js';

const KEY = 'nebula-access-token';
const base = new URL('.', new URL(document.location.href));

export const hasToken = () => sessionStorage.getItem(KEY) !== null;
export const keepToken = (token) => sessionStorage.setItem(KEY, token);
export const forgetToken = () => sessionStorage.removeItem(KEY);

/** In the words of this page, if it has some for the kind of refusal; else as the server words it. */
function reason(problem) {
  const known = problem?.code && t(`refused.${problem.code}`);
  const own = problem?.detail ?? problem?.title;
  if (!known || known === `refused.${problem.code}`) return own;
  return own ? `${known} (${own})` : known;
}

/** A refusal. */
export class Refused extends Error {
  constructor(status, problem) {
    super(reason(problem) ?? t('The server answered {status}.', { status }));
    this.status = status;
    this.code = problem?.code;
    this.reason = problem?.reason;
  }
}

async function send(address, options) {
  let response;
  try {
    response = await fetch(address, { cache: 'no-store', signal: AbortSignal.timeout(20_000), ...options });
  } catch {
    throw new Error(t('There is no answer from the server.'));
  }
  const text = await response.text();
  let answer = null;
  try {
    answer = text ? JSON.parse(text) : null;
  } catch {
    // Not from the application: a proxy, perhaps.
  }
  if (!response.ok) throw new Refused(response.status, answer);
  return answer;
}

/** Gets a fresh proof of who it is, or `false`. */
let stepUp = null;
export const onStepUp = (run) => { stepUp = run; };

/** Whether showing a second factor helps: as this page's own server words it, or the application's. */
const needsProof = ({ code, reason }) => ['step_up_required', 'step-up-required'].includes(code) && reason !== 'session';

/** `parts` are the segments of a path, of whatever they consist. What asks for a fresh proof is asked again when somebody gave it. */
export async function ask(method, parts, options = {}) {
  try {
    return await once(method, parts, options);
  } catch (error) {
    if (!needsProof(error) || !stepUp || !await stepUp()) throw error;
    return once(method, parts, options);
  }
}

function once(method, parts, { query = {}, body }) {
  // A browser would take these for steps in the path, whatever stands for their dots.
  if (parts.some((part) => part === '.' || part === '..')) throw new Error(t('A name of dots alone cannot be asked about here.'));
  const address = new URL(parts.map(encodeURIComponent).join('/'), base);
  for (const [key, value] of Object.entries(query)) if (value) address.searchParams.set(key, value);
  const headers = { Authorization: `Bearer ${sessionStorage.getItem(KEY)}` };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  return send(address, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
}

export const get = (...parts) => ask('GET', parts);

/** Every part of a list. */
export async function all(...parts) {
  const items = [];
  let after = null;
  do {
    const page = await ask('GET', parts, { query: { after, limit: 200 } });
    items.push(...page.items);
    after = page.next;
  } while (after);
  return items;
}

/** How people sign in here, or null. */
export const signIn = () => send(new URL('page/sign-in.json', base), {});

/** What a JSON pointer points at, if that is a text. */
function textAt(answer, pointer) {
  const found = pointer.split('/').slice(1).reduce((value, key) => value?.[key], answer);
  return typeof found === 'string' ? found : null;
}

/** What the application's own sign-in answers: a token, or the challenge of its second step. */
async function step(how, path, body) {
  const answer = await send(new URL(path, document.location.href), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  const token = textAt(answer, how.token);
  const challenge = token === null && how.second ? textAt(answer, how.second.challenge) : null;
  if (token === null && challenge === null) throw new Error(t('The answer has no access token in it.'));
  return { token, challenge };
}

export const firstStep = (how, identifier, password) => step(how, how.path, { [how.identifier]: identifier, password });
/** Shows the second factor: the token says so from now on. */
export async function prove(how, code) {
  const answer = await send(new URL(how.step_up.path, document.location.href), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${sessionStorage.getItem(KEY)}` },
    body: JSON.stringify({ code }),
  });
  const token = textAt(answer, how.step_up.token);
  if (token === null) throw new Error(t('The answer has no access token in it.'));
  keepToken(token);
}

export const secondStep = (how, challenge, code) => step(how, how.second.path, { challenge, code });
