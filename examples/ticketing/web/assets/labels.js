// Names of rows and numbers of seats, drawn only for what is seen and only when it is large enough to read: thousands of
// texts would make every frame slow. They follow when a movement has come to rest.

import { svg } from './dom.js';

const NUMBERS_FROM_PIXELS = 9;
const ROWS_FROM_PIXELS = 7;
const MOST = 700;

export class Labels {
  constructor(plan, viewport, inkOf) {
    this.layer = svg('g', { class: 'labels', 'aria-hidden': 'true', 'text-anchor': 'middle', 'dominant-baseline': 'central' });
    Object.assign(this, { plan, viewport, inkOf });
    this.shown = new Map();
    this.rowEnds = plan.sections.flatMap((section) => section.rows.filter((row) => row.name).flatMap((row) => {
      const seats = row.seats.map((position) => plan.seats[position]);
      const first = seats.reduce((a, b) => (b.x < a.x ? b : a));
      return [{ name: row.name, x: first.x - first.r * 2.2, y: first.y, r: first.r }];
    }));
    viewport.addEventListener('move', () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.draw(), 120);
    });
  }

  draw() {
    const { plan, viewport } = this;
    const { left, top, right, bottom } = viewport.seen;
    const inside = ({ x, y }) => x > left && x < right && y > top && y < bottom;
    const wanted = new Map();
    if (viewport.seatPixels >= ROWS_FROM_PIXELS) {
      this.rowEnds.filter(inside).slice(0, MOST).forEach((end, index) => wanted.set(`row ${index} ${end.name} ${end.x}`, end));
    }
    if (viewport.seatPixels >= NUMBERS_FROM_PIXELS) {
      for (let position = 0; position < plan.seats.length && wanted.size < MOST; position += 1) {
        if (inside(plan.seats[position])) wanted.set(position, plan.seats[position]);
      }
    }
    for (const [key, node] of this.shown) {
      if (wanted.has(key)) continue;
      node.remove();
      this.shown.delete(key);
    }
    for (const [key, place] of wanted) {
      if (!this.shown.has(key)) this.shown.set(key, this.#text(key, place));
    }
  }

  /** A seat's state or choice has changed: its number may need another ink. */
  update(positions) {
    for (const position of positions) this.shown.get(position)?.setAttribute('fill', this.inkOf(position));
  }

  #text(key, { x, y, r, number, name }) {
    const seat = typeof key === 'number';
    const text = seat ? number ?? '' : name;
    const size = seat ? Math.min(r * 0.95, (r * 2.4) / Math.max(1, text.length)) : r * 1.05;
    const node = svg('text', { x, y, 'font-size': size, class: seat ? 'seat-number' : 'row-name', fill: seat ? this.inkOf(key) : undefined }, text);
    this.layer.append(node);
    return node;
  }
}
