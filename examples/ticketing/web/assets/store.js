// localStorage and sessionStorage that never throw: in private modes they may be missing or full.

/** Keeps text over visits; `null` forgets it. */
export function keep(key, value, store = 'localStorage') {
  try {
    if (value === null) window[store].removeItem(key);
    else window[store].setItem(key, value);
  } catch {
    // The page works without its memory.
  }
}

/** What was kept, or null. */
export function kept(key, store = 'localStorage') {
  try {
    return window[store].getItem(key);
  } catch {
    return null;
  }
}

/** The same for objects; what cannot be read counts as absent. */
export function keptObject(key, store) {
  try {
    return JSON.parse(kept(key, store) ?? 'null');
  } catch {
    return null;
  }
}

export const keepObject = (key, value, store) => keep(key, value === null ? null : JSON.stringify(value), store);
