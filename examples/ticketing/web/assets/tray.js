// The chosen seats with their total, and the button that buys them, which knows when the sale is open.

import { now } from './clock.js';
import { countdown } from './countdown.js';
import { el } from './dom.js';
import { categoryName, clockFace, moment, price, seatName } from './format.js';
import { icon } from './icons.js';
import { t } from './i18n.js';
import { sum } from './money.js';
import { announce } from './notice.js';
import { saleState } from './sale.js';

export class Tray {
  #busy = false;
  #stopCountdown = null;

  /** `words` names the texts that speak of whom the seats are for. */
  constructor(session, plan, selection, { remove, buy, words = 'tray' }) {
    Object.assign(this, { session, plan, selection, remove, words });
    this.list = el('ul', { class: 'tray-seats' });
    this.hint = el('p', { class: 'tray-hint' });
    this.total = el('strong', { class: 'tray-total', id: 'total' });
    this.amount = el('span', { class: 'note', id: 'chosen' });
    this.buy = el('button', { class: 'button large', type: 'button', id: 'buy', on: { click: () => { if (this.#open) buy(); } } });
    this.sale = el('p', { class: 'sale-note', id: 'sale' });
    this.element = el('aside', { class: 'tray', 'aria-label': t('tray.label') },
      el('h2', {}, t('tray.title')), this.hint, this.list,
      el('div', { class: 'tray-foot' }, el('div', { class: 'tray-sum' }, this.amount, this.total), this.sale, this.buy));
    selection.addEventListener('change', () => this.draw());
    this.#watchSale();
    this.draw();
  }

  /** What the seats cost, as shown: the server refuses the order if it has changed. */
  get expectedTotal() {
    return sum(this.selection.positions.map((position) => this.plan.priceOf(position)).filter(Boolean));
  }

  set busy(busy) {
    this.#busy = busy;
    this.draw();
  }

  /** The session was fetched again, perhaps with another opening time. */
  renew(session) {
    this.session = session;
    this.#watchSale();
    this.draw();
  }

  get #open() {
    return saleState(this.session) === 'open' && this.selection.size > 0 && !this.#busy;
  }

  draw() {
    const { selection } = this;
    const chosen = selection.positions;
    this.element.classList.toggle('empty', chosen.length === 0);
    this.hint.textContent = t(`${this.words}.${chosen.length ? 'limit' : 'empty'}`, { count: selection.limit });
    this.list.replaceChildren(...chosen.map((position) => this.#chip(position)));
    this.amount.textContent = t('tray.seats', { count: chosen.length });
    const total = this.expectedTotal;
    this.total.textContent = total ? price(total) : '–';
    this.buy.setAttribute('aria-disabled', String(!this.#open));
    this.buy.classList.toggle('busy', this.#busy);
    const state = saleState(this.session);
    this.buy.textContent = t(this.#busy ? `${this.words}.busy` : { soon: 'tray.notYet', open: `${this.words}.buy`, closed: 'tray.closed' }[state]);
  }

  #chip(position) {
    const seat = this.plan.seats[position];
    const cost = this.plan.priceOf(position);
    const name = seatName(seat);
    return el('li', { class: 'tray-seat' },
      el('span', { class: 'tray-name' }, name, categoryName(seat) && el('span', { class: 'note' }, categoryName(seat))),
      cost && el('span', { class: 'tray-price' }, price(cost)),
      el('button', { class: 'icon-button', type: 'button', 'aria-label': t('tray.remove', { seat: name }), on: { click: () => this.remove(position) } }, icon('close')));
  }

  #watchSale() {
    this.#stopCountdown?.();
    this.#stopCountdown = null;
    const { sale_opens_at, sale_closes_at } = this.session;
    const state = saleState(this.session);
    this.sale.classList.toggle('soon', state === 'soon');
    this.sale.hidden = state === 'open';
    if (state === 'closed') this.sale.textContent = t('sale.over');
    if (state === 'soon') {
      this.#stopCountdown = countdown(Date.parse(sale_opens_at),
        (left) => this.sale.replaceChildren(icon('clock'), el('span', {}, t('sale.opensAt', { time: moment(sale_opens_at) })), el('strong', {}, clockFace(left))),
        () => {
          announce(t('sale.nowOpen'));
          this.#watchSale();
          this.draw();
        });
    } else if (state === 'open' && sale_closes_at && Date.parse(sale_closes_at) - now() < 86_400_000) {
      this.#stopCountdown = countdown(Date.parse(sale_closes_at), () => {}, () => { this.#watchSale(); this.draw(); });
    }
  }
}
