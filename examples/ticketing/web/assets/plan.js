// The seating plan as the map and the list need it. A seat is named by its position: its index in the plan.

import { visible } from './color.js';
import { localized, namesIn } from './i18n.js';

/** Directions of the arrow keys as unit vectors of the drawing. */
export const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Plans may leave a seat's radius out. */
const RADIUS = 10;

const byName = new Intl.Collator(undefined, { numeric: true }).compare;

export class Plan {
  constructor(layout, session) {
    this.layout = layout;
    const named = namesIn(layout);
    this.seats = layout.seats.map((seat) => ({ ...seat, r: seat.r ?? RADIUS, zone_zh: named(seat.zone), category_zh: named(seat.category) }));
    this.positions = new Map(layout.seats.map((seat, position) => [seat.guid, position]));
    const radii = this.seats.map((seat) => seat.r).sort((a, b) => a - b);
    this.radius = radii[Math.floor(radii.length / 2)] ?? RADIUS;
    this.setPrices(session.prices);
    this.sections = sectionsOf(layout.seats, named);
    /** Areas of places that nobody tells apart; their positions come after those of all seats. */
    this.standing = (layout.standing ?? []).map((one) => ({ ...one, title: named(one.area) }));
  }

  setPrices(prices) {
    const drawn = new Map(this.layout.categories.map(({ name, color }) => [name, color]));
    this.categories = prices.map((one) => ({ name: one.category, title: localized(one, 'category'), color: one.color ?? drawn.get(one.category) ?? '#888888', price: one.price }));
    this.byCategory = new Map(this.categories.map((category) => [category.name, category]));
  }

  /** The colour to draw a seat of this category with, now: it follows the scheme of the page. */
  colorOf(category) {
    return visible(this.byCategory.get(category)?.color ?? '#888888');
  }

  categoryOf(position) {
    return this.byCategory.get(this.seats[position]?.category);
  }

  priceOf(position) {
    return this.categoryOf(position)?.price;
  }

  /** The seat whose centre is nearest to a point and within `reach`, or null. */
  nearest(x, y, reach) {
    let best = null;
    let bestSquare = reach * reach;
    this.seats.forEach((seat, position) => {
      const square = (seat.x - x) ** 2 + (seat.y - y) ** 2;
      if (square <= bestSquare) [best, bestSquare] = [position, square];
    });
    return best;
  }

  /**
   * The next seat in a direction, or null at the edge: the nearest one inside a quarter circle around the arrow, where a
   * step aside counts double. It follows curved rows and crosses aisles, and needs no rows at all.
   */
  neighbour(position, [dx, dy]) {
    const from = this.seats[position];
    let best = null;
    let least = Infinity;
    this.seats.forEach((seat, other) => {
      const ahead = (seat.x - from.x) * dx + (seat.y - from.y) * dy;
      const aside = Math.abs((seat.x - from.x) * dy) + Math.abs((seat.y - from.y) * dx);
      if (ahead <= 0.01 || aside > ahead) return;
      const cost = ahead + 2 * aside;
      if (cost < least) [best, least] = [other, cost];
    });
    return best;
  }

  /** The positions of the row of a seat, in the order of the row. */
  rowOf(position) {
    const { zone, row } = this.seats[position];
    return this.sections.find((section) => section.name === zone).rows.find((each) => each.name === row).seats;
  }
}

function sectionsOf(seats, named) {
  const sections = new Map();
  seats.forEach(({ zone, row }, position) => {
    if (!sections.has(zone)) sections.set(zone, new Map());
    const rows = sections.get(zone);
    if (!rows.has(row)) rows.set(row, []);
    rows.get(row).push(position);
  });
  return [...sections].map(([name, rows]) => ({
    name,
    title: named(name),
    rows: [...rows].map(([row, positions]) => ({ name: row, seats: positions }))
      .sort((a, b) => byName(a.name, b.name)),
    seats: [...rows.values()].flat(),
  }));
}
