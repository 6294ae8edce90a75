// What this browser calls itself, the same over visits: its owner hears of sign-ins on others.

import { freshKey } from './random.js';
import { keep, kept } from './store.js';

const DEVICE = 'nebula.device';

export function device() {
  const known = kept(DEVICE);
  if (known) return known;
  const fresh = freshKey();
  keep(DEVICE, fresh);
  return fresh;
}

// The first that fits counts: most of them also call themselves what comes later.
const BROWSERS = [[/MicroMessenger\//, 'WeChat'], [/Edg\w*\//, 'Edge'], [/OPR\//, 'Opera'], [/Firefox\/|FxiOS\//, 'Firefox'], [/Chrome\/|CriOS\//, 'Chrome'], [/Safari\//, 'Safari']];
const SYSTEMS = [[/iPhone|iPad/, 'iOS'], [/Android/, 'Android'], [/Windows/, 'Windows'], [/Mac OS X/, 'macOS'], [/CrOS/, 'ChromeOS'], [/Linux/, 'Linux']];

/** A device as people know it, by what its browser said of itself; what is no browser is called as it said. */
export function nameOf(said) {
  const first = (kinds) => kinds.find(([pattern]) => pattern.test(said))?.[1];
  return [first(BROWSERS), first(SYSTEMS)].filter(Boolean).join(' · ') || said;
}
