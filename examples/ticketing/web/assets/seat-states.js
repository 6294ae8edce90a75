// The live state of every seat: A available, L held by somebody, S sold; and X for seats that have no price and are not sold
// at all.

export class SeatStates extends EventTarget {
  #letters;
  #counts;
  #hasPrice;

  constructor({ states, counts }, hasPrice) {
    super();
    this.#hasPrice = hasPrice;
    this.#letters = [...states];
    this.#counts = counts;
  }

  at(position) {
    return this.#hasPrice(position) ? this.#letters[position] : 'X';
  }

  isFree(position) {
    return this.at(position) === 'A';
  }

  /** How many of a range of places are free. */
  freeWithin(first, places) {
    let free = 0;
    for (let position = first; position < first + places; position += 1) free += this.#letters[position] === 'A' ? 1 : 0;
    return free;
  }

  get counts() {
    return this.#counts;
  }

  /** Takes changes `[[position, letter], …]` and tells listeners which seats really changed. */
  apply({ seats, counts }) {
    const changed = [];
    for (const [position, letter] of seats) {
      if (position in this.#letters && this.#letters[position] !== letter) {
        this.#letters[position] = letter;
        changed.push(position);
      }
    }
    if (counts) this.#counts = counts;
    this.dispatchEvent(new CustomEvent('change', { detail: changed }));
  }

  /** Takes a whole snapshot; only differences are told. */
  replace({ states, counts }) {
    this.apply({ seats: [...states].map((letter, position) => [position, letter]), counts });
  }
}
