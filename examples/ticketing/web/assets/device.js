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
