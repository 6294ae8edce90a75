// Server-sent events for those who sign in: a browser's EventSource cannot send the header that says who asks.

import { accessToken, renew } from './account.js';
import { NO_NETWORK, Problem, problemOf } from './problem.js';

const LONGEST_PAUSE_MS = 15_000;
/** The server says something every 15 seconds: after this silence the connection is dead. */
const SILENCE_MS = 45_000;

const pause = (milliseconds) => new Promise((done) => { setTimeout(done, milliseconds); });

/** `{ name, data }` of a block of lines, or null for a comment. */
function eventOf(block) {
  const event = { name: 'message', data: [] };
  for (const line of block.split(/\r?\n/)) {
    const [, field, value] = /^(event|data): ?(.*)$/.exec(line) ?? [];
    if (field === 'event') event.name = value;
    if (field === 'data') event.data.push(value);
  }
  return event.data.length ? { name: event.name, data: event.data.join('\n') } : null;
}

/** The events of one answer, until it ends. Calls `alive` for everything that comes. */
async function* eventsOf(response, alive) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    alive();
    const blocks = (rest + value).split(/\r?\n\r?\n/);
    rest = blocks.pop();
    for (const event of blocks.map(eventOf)) if (event) yield event;
  }
}

async function open(path, signal) {
  for (let renewed = false; ; renewed = true) {
    const token = await accessToken();
    const response = await fetch(`/api/v1${path}`, { cache: 'no-store', signal, headers: { Accept: 'text/event-stream', Authorization: `Bearer ${token}` } });
    if (response.ok) return response;
    const problem = await problemOf(response);
    if (problem.code !== 'token-expired' || renewed) throw problem;
    await renew(token);
  }
}

/**
 * Follows a stream for ever: one that ends or breaks is opened again, after a growing pause where it broke. Calls
 * `onEvent(name, data)` and `onState('live' | 'reconnecting')`. Throws the `Problem` when the server clearly refuses. Gives up
 * quietly when `signal` is aborted.
 */
export async function followSigned(path, { onEvent, onState, signal }) {
  for (let failures = 0; !signal.aborted;) {
    const connection = new AbortController();
    const end = () => connection.abort();
    signal.addEventListener('abort', end);
    let silence = setTimeout(end, SILENCE_MS);
    const alive = () => { clearTimeout(silence); silence = setTimeout(end, SILENCE_MS); };
    try {
      const response = await open(path, connection.signal);
      onState('live');
      for await (const { name, data } of eventsOf(response, alive)) {
        failures = 0;
        onEvent(name, JSON.parse(data));
      }
    } catch (error) {
      const problem = error instanceof Problem ? error : new Problem(NO_NETWORK);
      if (problem.needsSignIn || [403, 404].includes(problem.status)) throw problem;
      if (signal.aborted) return;
      failures += 1;
      onState('reconnecting');
      await pause(Math.min(LONGEST_PAUSE_MS, 500 * 2 ** failures) * (0.75 + Math.random() / 2));
    } finally {
      clearTimeout(silence);
      signal.removeEventListener('abort', end);
    }
  }
}
