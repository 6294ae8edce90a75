// The same seats as a list: sections, rows, seats as buttons. It needs no pointer, no picture and no zoom. A section's rows
// are built when it is opened first, so that a large house costs nothing until it is looked at.

import { el } from './dom.js';
import { count, price } from './format.js';
import { t } from './i18n.js';
import { describeSeat } from './seat-map.js';

export class SeatList {
  constructor(plan, states, selection, pick) {
    Object.assign(this, { plan, states, selection, pick, category: null });
    this.buttons = new Map();
    this.headings = new Map();
    this.sectionOf = new Int32Array(plan.seats.length);
    plan.sections.forEach((section, index) => section.seats.forEach((position) => { this.sectionOf[position] = index; }));
    this.sections = plan.sections.map((section, index) => this.#section(section, index));
    this.element = el('div', { class: 'seat-list', id: 'seat-list', role: 'region', 'aria-label': t('list.label'),
      on: { click: (event) => this.#clicked(event) } }, this.sections);
    const update = ({ detail }) => this.update(detail);
    selection.addEventListener('change', update);
    states.addEventListener('change', update);
  }

  /** Called when the list is shown: where there is but one section, there is nothing to choose before its seats. */
  shown() {
    if (this.sections.length === 1) this.sections[0].open = true;
  }

  update(positions) {
    const touched = new Set();
    for (const position of positions) {
      if (position >= this.plan.seats.length) continue; // a standing place
      touched.add(this.sectionOf[position]);
      if (this.buttons.has(position)) this.#draw(position);
    }
    for (const index of touched) this.#count(index);
  }

  highlight(category) {
    this.category = category;
    this.plan.sections.forEach((section, index) => {
      this.sections[index].hidden = category !== null && !section.seats.some((position) => this.plan.seats[position].category === category);
    });
    for (const [position, button] of this.buttons) button.hidden = this.#filtered(position);
  }

  /** Prices have changed: names say them. */
  redraw() {
    for (const position of this.buttons.keys()) this.#draw(position);
  }

  #filtered(position) {
    return this.category !== null && this.plan.seats[position].category !== this.category;
  }

  #section(section, index) {
    const free = el('span', { class: 'note' });
    this.headings.set(index, free);
    const body = el('div', { class: 'rows' });
    const details = el('details', { class: 'section', on: { toggle: () => {
      if (details.open && !body.hasChildNodes()) body.append(...section.rows.map((row) => this.#row(section, row)));
    } } }, el('summary', {}, el('span', { class: 'section-name' }, section.title || t('list.unnamed')), free), body);
    this.#count(index);
    return details;
  }

  #count(index) {
    const { seats } = this.plan.sections[index];
    const free = seats.filter((position) => this.states.isFree(position)).length;
    this.headings.get(index).textContent = t('list.free', { free: count(free), seats: count(seats.length) });
  }

  #row(section, row) {
    const name = row.name ? t('seat.row', { row: row.name }) : t('list.unnamedRow');
    const costs = new Set(row.seats.map((position) => this.plan.priceOf(position)).filter(Boolean).map(price));
    return el('div', { class: 'row', role: 'group', 'aria-label': [section.title, name].filter(Boolean).join(', ') },
      el('div', { class: 'row-head', 'aria-hidden': 'true' }, el('strong', {}, name), el('span', { class: 'note' }, [...costs].join(' / '))),
      el('div', { class: 'row-seats' }, row.seats.map((position) => {
        const button = el('button', { type: 'button', class: 'seat-button', 'data-position': position }, this.plan.seats[position].number || '•');
        button.hidden = this.#filtered(position);
        this.buttons.set(position, button);
        this.#draw(position);
        return button;
      })));
  }

  #draw(position) {
    const button = this.buttons.get(position);
    const mine = this.selection.has(position);
    const open = mine || this.states.isFree(position);
    button.setAttribute('aria-pressed', String(mine));
    // Not `disabled`: the focus would be lost when somebody else takes the seat under it.
    button.setAttribute('aria-disabled', String(!open));
    button.setAttribute('aria-label', describeSeat(this.plan, this.states, this.selection, position));
    button.classList.toggle('sold', this.states.at(position) === 'S' && !mine);
  }

  #clicked(event) {
    const button = event.target.closest('.seat-button');
    if (button) this.pick(Number(button.dataset.position));
  }
}
