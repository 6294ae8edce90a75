// The server's time, as far as it can be known here. The visitor's own clock may be wrong by hours; a countdown must not be.

let offset = null; // server epoch - performance clock, in ms
let quality = Infinity; // round trip of the sample in use
let takenAt = 0;

/**
 * Learns from a `server_time` in an answer. The server read its clock somewhere between sending and receiving, so the
 * middle is off by at most half the round trip: the quickest answer is the best, and an old one makes room.
 */
export function observe(serverTime, sentAt, receivedAt) {
  const server = Date.parse(serverTime);
  const trip = receivedAt - sentAt;
  if (Number.isNaN(server) || (trip > quality && receivedAt - takenAt < 30_000)) return;
  offset = server - (sentAt + receivedAt) / 2;
  quality = trip;
  takenAt = receivedAt;
}

/** Milliseconds since the epoch, by the server's clock. */
export const now = () => (offset === null ? Date.now() : performance.now() + offset);
