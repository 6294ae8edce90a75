// The live stream of seat changes: a snapshot, then server-sent events from its cursor on, for ever.
//
// The browser reconnects by itself and names the last event it saw. Where it gives up (a refusal, a proxy's error page), a
// new stream is opened after a growing pause, from the last cursor. `reset` means that the server no longer knows what was
// missed: the snapshot is fetched again.

import { get } from './api.js';

const LONGEST_PAUSE_MS = 15_000;

/**
 * Follows a session. `snapshot` is the answer of `/seats` to start from. Calls `onSnapshot(answer)`, `onChange(data)` and
 * `onState('live' | 'reconnecting')`. Returns `{ resync, close }`.
 */
export function follow(sessionId, snapshot, { onSnapshot, onChange, onState }) {
  const base = `/sessions/${encodeURIComponent(sessionId)}`;
  let { cursor } = snapshot;
  let source = null;
  let timer = 0;
  let failures = 0;
  let over = false;

  function open() {
    clearTimeout(timer);
    source?.close();
    if (over) return;
    source = new EventSource(`/api/v1${base}/events?after=${encodeURIComponent(cursor)}`);
    source.addEventListener('open', () => {
      failures = 0;
      onState('live');
    });
    source.addEventListener('seats', (event) => {
      cursor = event.lastEventId || cursor;
      onChange(JSON.parse(event.data));
    });
    source.addEventListener('reset', resync);
    source.addEventListener('error', () => {
      onState('reconnecting');
      // Refused, perhaps for as long as there is too much to do: the seats are asked for in the meantime.
      if (source.readyState === EventSource.CLOSED) later(resync);
    });
  }

  function later(run) {
    clearTimeout(timer);
    const pause = Math.min(LONGEST_PAUSE_MS, 500 * 2 ** failures);
    failures += 1;
    timer = setTimeout(run, pause * (0.75 + Math.random() / 2));
  }

  async function resync() {
    source?.close();
    clearTimeout(timer);
    try {
      const answer = await get(`${base}/seats`);
      ({ cursor } = answer);
      onSnapshot(answer);
      open();
    } catch {
      onState('reconnecting');
      later(resync);
    }
  }

  // A network that comes back is often another one: the old connection would only be found dead much later.
  const lost = () => onState('reconnecting');
  const sleep = () => source?.close();
  addEventListener('offline', lost);
  addEventListener('online', open);
  // A page in the back-forward cache must not hold one of the few connections to the server.
  addEventListener('pagehide', sleep);
  open();

  return {
    resync,
    close() {
      over = true;
      clearTimeout(timer);
      source?.close();
      removeEventListener('offline', lost);
      removeEventListener('online', open);
      removeEventListener('pagehide', sleep);
    },
  };
}
