// Ticks at the whole second of what remains, by the server's clock.

import { now } from './clock.js';

/**
 * Calls `tick(milliseconds left)` each second until `target` (epoch ms), then `done` once. Returns a function that stops it.
 * The remaining time is computed anew each time, so a sleeping laptop or a throttled tab cannot make it drift.
 */
export function countdown(target, tick, done) {
  let timer = 0;
  let over = false;
  const step = () => {
    clearTimeout(timer);
    if (over) return;
    const left = target - now();
    if (left <= 0) {
      stop();
      tick(0);
      done?.();
      return;
    }
    tick(left);
    // Just after the next whole second; long waits would overflow a timer, and this one is at most a second.
    timer = setTimeout(step, (left % 1000) + 5);
  };
  const onShow = () => { if (!document.hidden) step(); };
  const stop = () => {
    over = true;
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', onShow);
  };
  document.addEventListener('visibilitychange', onShow);
  step();
  return stop;
}
