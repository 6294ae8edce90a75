// The seat map: one circle a seat in one moving group, one listener for all of them, and only changed seats are touched.

import { drawAreas } from './areas.js';
import { inkOn } from './color.js';
import { el, svg } from './dom.js';
import { categoryName, price, seatName } from './format.js';
import { listenToGestures } from './gestures.js';
import { localized, t } from './i18n.js';
import { Labels } from './labels.js';
import { listenToKeys } from './map-keys.js';
import { Viewport } from './viewport.js';

const STATE_CLASS = { A: 'seat', L: 'seat held', S: 'seat sold' };
/** Below this radius on the screen a tap means "closer", not "this seat". */
const TAPPABLE_PIXELS = { mouse: 3.5, pen: 6, touch: 7.5 };
const COMFORT_PIXELS = 13;

export class SeatMap {
  /** `pick(position)` is called when the visitor chooses or gives back a seat. */
  constructor(plan, states, selection, pick) {
    Object.assign(this, { plan, states, selection, pick, focused: null, stop: null });
    this.circles = plan.seats.map(({ x, y, r }, position) => svg('circle', { cx: x, cy: y, r, 'data-position': position }));
    this.ring = svg('circle', { class: 'focus-ring', r: 0 });
    this.layer = svg('g', {}, drawAreas(plan.layout.areas ?? []), this.#groups(), this.ring);
    this.surface = svg('svg', { class: 'map-surface', id: 'map', tabindex: 0, role: 'application', 'aria-label': t('map.label'),
      'aria-describedby': 'map-help' }, this.layer);
    this.tip = el('div', { class: 'tip', hidden: true, 'aria-hidden': 'true' });
    this.element = el('div', { class: 'map-box' }, this.surface, this.tip);
    this.update(plan.seats.keys());
    selection.addEventListener('change', ({ detail }) => this.update(detail));
    states.addEventListener('change', ({ detail }) => this.update(detail));
    this.surface.addEventListener('focusin', (event) => this.#focusMoved(event.target));
    this.surface.addEventListener('focusout', () => this.ring.classList.remove('on'));
  }

  /** To be called once the element stands in the page and has a size. */
  start() {
    const box = this.layer.getBBox();
    this.viewport = new Viewport(this.layer, box, this.plan.radius);
    this.labels = new Labels(this.plan, this.viewport, (position) => this.#ink(position));
    this.layer.insertBefore(this.labels.layer, this.ring);
    new ResizeObserver(([{ contentRect }]) => {
      if (contentRect.width) this.viewport.resize(contentRect.width, contentRect.height);
    }).observe(this.surface);
    // While the whole plan is seen a finger may still scroll the page past the map.
    this.viewport.addEventListener('move', () => {
      this.surface.classList.toggle('whole', this.viewport.isWhole);
      this.#hovered(null);
    });
    listenToGestures(this.surface, this.viewport, {
      tapped: (point, type) => this.#tapped(point, type),
      hovered: (point) => this.#hovered(point),
    });
    listenToKeys(this);
  }

  /** Draws the state of some seats anew. */
  update(positions) {
    for (const position of positions) {
      const circle = this.circles[position];
      if (!circle) continue; // a standing place
      const name = this.selection.has(position) ? 'seat mine' : STATE_CLASS[this.states.at(position)] ?? 'seat sold';
      if (circle.getAttribute('class') !== name) circle.setAttribute('class', name);
      this.labels?.update([position]);
      if (position === this.focused) this.#describe(position);
    }
  }

  /** Shows only one category in its colour, or all with null. */
  highlight(category) {
    for (const [name, group] of this.groups) group.classList.toggle('dim', category !== null && name !== category);
  }

  /** Colours anew: the page has turned dark or light. */
  recolor() {
    for (const [name, group] of this.groups) group.setAttribute('fill', this.plan.colorOf(name));
    this.labels?.update(this.plan.seats.keys());
  }

  zoom(factor) {
    this.viewport.glideAt(this.viewport.width / 2, this.viewport.height / 2, factor);
  }

  /** From the map to a seat: the one left before, or the free one nearest to the middle. */
  enter() {
    if (this.lastFocused !== undefined) {
      this.focus(this.lastFocused);
      return;
    }
    const middle = this.viewport.toPlan(this.viewport.width / 2, this.viewport.height / 2);
    let [best, least] = [null, Infinity];
    this.plan.seats.forEach((seat, position) => {
      const square = (seat.x - middle.x) ** 2 + (seat.y - middle.y) ** 2 + (this.states.isFree(position) ? 0 : 1e12);
      if (square < least) [best, least] = [position, square];
    });
    if (best !== null) this.focus(best);
  }

  /** Moves the keyboard to a seat; only the seat with the focus can be reached by Tab. */
  focus(position) {
    const before = this.stop;
    this.stop = position;
    const circle = this.circles[position];
    circle.setAttribute('tabindex', '0');
    circle.setAttribute('role', 'checkbox');
    this.#describe(position);
    circle.focus({ preventScroll: true });
    if (before !== null && before !== position) this.circles[before].removeAttribute('tabindex');
    const { x, y } = this.plan.seats[position];
    if (this.viewport.seatPixels < COMFORT_PIXELS * 0.7) this.viewport.glideTo(x, y, COMFORT_PIXELS / this.plan.radius);
    else this.viewport.reveal(x, y);
  }

  #focusMoved(target) {
    const position = this.circles.indexOf(target);
    this.focused = position === -1 ? null : position;
    this.ring.classList.toggle('on', position !== -1);
    if (position === -1) return;
    this.lastFocused = position;
    const { x, y, r } = this.plan.seats[position];
    this.ring.setAttribute('cx', x);
    this.ring.setAttribute('cy', y);
    this.ring.setAttribute('r', r * 1.3);
  }

  #describe(position) {
    const circle = this.circles[position];
    const mine = this.selection.has(position);
    circle.setAttribute('aria-checked', String(mine));
    circle.setAttribute('aria-disabled', String(!mine && !this.states.isFree(position)));
    circle.setAttribute('aria-label', describeSeat(this.plan, this.states, this.selection, position));
  }

  #groups() {
    this.groups = new Map();
    this.circles.forEach((circle, position) => {
      const { category } = this.plan.seats[position];
      if (!this.groups.has(category)) this.groups.set(category, svg('g', { class: 'category' }));
      this.groups.get(category).append(circle);
    });
    this.recolor();
    return [...this.groups.values()];
  }

  #ink(position) {
    if (this.selection.has(position)) return 'var(--page)';
    return this.states.isFree(position) ? inkOn(this.plan.colorOf(this.plan.seats[position].category)) : 'var(--muted)';
  }

  #at({ x, y }, reachPixels) {
    const point = this.viewport.toPlan(x, y);
    return this.plan.nearest(point.x, point.y, Math.max(this.plan.radius * 1.3, reachPixels / this.viewport.scale));
  }

  #tapped(point, type) {
    const tiny = this.viewport.seatPixels < TAPPABLE_PIXELS[type];
    if (tiny) {
      this.viewport.glideAt(point.x, point.y, COMFORT_PIXELS / this.viewport.seatPixels);
      return;
    }
    const position = this.#at(point, type === 'mouse' ? 2 : 12);
    if (position === null) return;
    this.lastFocused = position;
    this.pick(position);
  }

  #hovered(point) {
    const position = point && this.viewport.seatPixels >= TAPPABLE_PIXELS.mouse ? this.#at(point, 0) : null;
    if (position === this.hoveredSeat) return;
    this.hoveredSeat = position;
    this.tip.hidden = position === null;
    this.surface.classList.toggle('on-seat', position !== null && (this.states.isFree(position) || this.selection.has(position)));
    if (position === null) return;
    const seat = this.plan.seats[position];
    const cost = this.plan.priceOf(position);
    this.tip.replaceChildren(el('strong', {}, seatName(seat)), el('span', {}, `${localized(seat, 'category')}${cost ? ` · ${price(cost)}` : ''}`),
      el('span', {}, stateText(this.states, this.selection, position)));
    const at = this.viewport.toScreen(seat.x, seat.y);
    const above = at.y > 100;
    this.tip.classList.toggle('below', !above);
    this.tip.style.left = `${Math.min(Math.max(at.x, 90), this.viewport.width - 90)}px`;
    this.tip.style.top = `${at.y + (above ? -1 : 1) * (this.viewport.seatPixels + 10)}px`;
  }
}

/** What a seat is to the visitor, in one word. */
export function stateText(states, selection, position) {
  if (selection.has(position)) return t('state.mine');
  return t({ A: 'state.free', L: 'state.held', S: 'state.sold' }[states.at(position)] ?? 'state.none');
}

/** A seat as screen readers say it. */
export function describeSeat(plan, states, selection, position) {
  const cost = plan.priceOf(position);
  const seat = plan.seats[position];
  return [seatName(seat), categoryName(seat), cost && price(cost), stateText(states, selection, position)]
    .filter(Boolean).join(', ');
}
