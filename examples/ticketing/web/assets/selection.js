// The seats the visitor has chosen. Kept while the tab lives, so that signing in or a reload does not lose them.

import { keepObject, keptObject } from './store.js';

export class Selection extends EventTarget {
  #key;
  #plan;
  #positions = new Set();

  constructor(sessionId, plan, states, limit) {
    super();
    this.#key = `nebula.seats.${sessionId}`;
    this.#plan = plan;
    this.limit = limit;
    /** Names of seats that were kept, but taken by someone else meanwhile. */
    this.lost = [];
    for (const guid of keptObject(this.#key, 'sessionStorage') ?? []) {
      const position = plan.positions.get(guid);
      if (position === undefined) continue;
      if (states.isFree(position) && this.#positions.size < limit) this.#positions.add(position);
      else this.lost.push(position);
    }
    this.#keep();
  }

  get positions() {
    return [...this.#positions];
  }

  get size() {
    return this.#positions.size;
  }

  get full() {
    return this.#positions.size >= this.limit;
  }

  has(position) {
    return this.#positions.has(position);
  }

  add(position) {
    this.#positions.add(position);
    this.#changed([position]);
  }

  remove(...positions) {
    const gone = positions.filter((position) => this.#positions.delete(position));
    if (gone.length) this.#changed(gone);
    return gone;
  }

  clear() {
    this.remove(...this.#positions);
  }

  #changed(positions) {
    this.#keep();
    this.dispatchEvent(new CustomEvent('change', { detail: positions }));
  }

  #keep() {
    const guids = this.positions.map((position) => this.#plan.seats[position].guid);
    keepObject(this.#key, guids.length ? guids : null, 'sessionStorage');
  }
}
