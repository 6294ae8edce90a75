// Tickets that the server chooses: good seats together, or places in a standing area. For a rush, when a map is too slow, and
// for whoever does not want to look for seats.

import { el } from './dom.js';
import { count, price } from './format.js';
import { icon } from './icons.js';
import { t } from './i18n.js';
import { announce } from './notice.js';
import { product } from './money.js';

const numbers = (most) => Array.from({ length: most }, (_, index) => index + 1);
const option = (value, text, selected) => el('option', { value, selected }, text);

/** A button that can be told to wait, and keeps the focus then. */
function patient(button) {
  return (busy) => {
    button.setAttribute('aria-disabled', String(busy));
    button.classList.toggle('busy', busy);
  };
}
const waits = (button) => button.getAttribute('aria-disabled') === 'true';

/** The form for good seats; `order(best)` is called with what is wanted. */
export class ChooseForm {
  constructor(plan, most, order) {
    this.plan = plan;
    this.count = el('select', { id: 'choose-count', name: 'count' }, numbers(most).map((number) => option(number, count(number), number === Math.min(2, most))));
    this.category = el('select', { id: 'choose-category', name: 'category' });
    this.together = el('input', { id: 'choose-together', name: 'together', type: 'checkbox', checked: true });
    this.button = el('button', { class: 'button small', type: 'submit', id: 'choose' }, t('choose.submit'));
    this.wait = patient(this.button);
    this.element = el('form', { class: 'choose', id: 'choose-form', 'aria-labelledby': 'choose-title', 'aria-describedby': 'choose-help',
      on: { submit: (event) => {
        event.preventDefault();
        if (!waits(this.button)) order(this.#best);
      } } },
    el('h2', { id: 'choose-title' }, t('choose.title')), el('p', { class: 'note', id: 'choose-help' }, t('choose.help')),
    el('label', {}, t('choose.count'), this.count), el('label', {}, t('choose.price'), this.category),
    el('label', { class: 'choose-together' }, this.together, t('choose.together')), this.button);
    this.redraw();
  }

  /** Prices have changed. */
  redraw() {
    const before = this.category.value;
    const seated = new Set(this.plan.seats.map((seat) => seat.category));
    this.category.replaceChildren(option('', t('choose.any')),
      ...this.plan.categories.filter(({ name }) => seated.has(name)).map(({ name, title, price: cost }) => option(name, `${title} · ${price(cost)}`, name === before)));
  }

  get #best() {
    return { count: Number(this.count.value), together: this.together.checked, ...(this.category.value && { category: this.category.value }) };
  }
}

/** One standing area: how many places are left, and how many the buyer wants. */
export class StandingForm {
  constructor(plan, states, most, order) {
    Object.assign(this, { plan, states, most, wanted: 1 });
    const { area, category, title } = plan;
    this.left = el('span', { class: 'note', 'data-left': '' });
    this.cost = el('span', { class: 'note' });
    this.number = el('output', { class: 'number', 'aria-live': 'polite' });
    const step = (name, key, by) => el('button', { class: 'icon-button', type: 'button', 'data-step': by, 'aria-label': t(key, { area: title }),
      on: { click: () => this.#step(by) } }, icon(name));
    this.button = el('button', { class: 'button small', type: 'submit' }, t('standing.buy'));
    this.busy = false;
    this.element = el('form', { class: 'standing', 'data-area': area, 'aria-label': t('standing.label', { area: title }), on: { submit: (event) => {
      event.preventDefault();
      if (!waits(this.button)) order({ count: this.wanted, area, category });
    } } },
    el('div', {}, el('strong', {}, t('standing.name', { area: title })), this.cost, this.left),
    el('div', { class: 'stepper', role: 'group', 'aria-label': t('standing.count', { area: title }) }, step('minus', 'standing.less', -1), this.number, step('plus', 'standing.more', 1)),
    this.button);
    states.addEventListener('change', ({ detail }) => {
      if (detail.some((position) => position >= plan.first && position < plan.first + plan.places)) this.redraw();
    });
    this.redraw();
  }

  wait(busy) {
    this.busy = busy;
    this.redraw();
  }

  #step(by) {
    const next = Math.min(Math.max(this.wanted + by, 1), this.most);
    if (next === this.wanted) announce(t(by > 0 ? 'standing.most' : 'standing.least', { count: this.most }));
    this.wanted = next;
    this.redraw();
  }

  redraw() {
    const { first, places, price: cost } = this.plan;
    const left = this.states.freeWithin(first, places);
    this.left.textContent = left === 0 ? t('standing.soldOut') : t('standing.left', { count: left, left: count(left) });
    this.number.textContent = count(this.wanted);
    this.cost.textContent = cost ? [price(cost), this.wanted > 1 && price(product(cost, this.wanted))].filter(Boolean).join(' · ') : t('state.none');
    patient(this.button)(this.busy || left < this.wanted || !cost);
    this.button.classList.toggle('busy', this.busy);
  }
}
