// How the price of an order came about: what the proof that was kept with it says, for those who are asked.

import { get } from './api.js';
import { el } from './dom.js';
import { instant } from './format.js';
import { has, t } from './i18n.js';
import { account } from './quote.js';

/** Facts that say more as a time. */
const TIMES = ['now', 'starts_at'];

const fact = (name, value) => el('div', { class: 'quote-line' },
  el('dt', {}, has(`proof.fact.${name}`) ? t(`proof.fact.${name}`) : name),
  el('dd', {}, TIMES.includes(name) ? instant(value) : has(`desk.buyer.${value}`) ? t(`desk.buyer.${value}`) : String(value)));

/** What each step did, to the last digit. */
const arithmetic = ({ steps = [] }) => el('ol', { class: 'proof-steps' }, steps.map(({ rule, arithmetic: sum, before, after }) =>
  el('li', {}, el('strong', {}, rule), ' ', t('proof.why', { arithmetic: sum, before, after }))));

const seats = ({ lines }) => el('div', { class: 'desk-table' }, el('table', {},
  el('thead', {}, el('tr', {}, ['proof.seat', 'proof.listPrice', 'proof.price'].map((key) => el('th', { scope: 'col' }, t(key))))),
  el('tbody', {}, lines.map(({ id, list, price }) => el('tr', { 'data-line': id }, el('th', { scope: 'row' }, id), el('td', { class: 'number' }, list), el('td', { class: 'number' }, price))))));

/** A panel for one order of this desk. */
export async function proofOf(desk, order) {
  const head = el('h2', {}, t('proof.title'));
  if (!desk.sees('order.price')) return el('section', { class: 'panel', id: 'proof' }, head, el('p', { class: 'note' }, t('desk.orders.hidden')));
  // Orders at list price keep none.
  if (!order.price) return el('section', { class: 'panel', id: 'proof' }, head, el('p', { class: 'note' }, t('proof.list')));
  const { revision, proven, explanation, proof } = await get(`${desk.path}/orders/${encodeURIComponent(order.id)}/price`, { signed: true });
  const { trace } = proof.priced;
  return el('section', { class: 'panel', id: 'proof', 'data-proven': String(proven) }, head,
    el('p', {}, el('span', { class: `badge ${proven ? 'tone-good' : 'tone-wait'}` }, t(proven ? 'proof.good' : 'proof.differs'))),
    el('p', { class: 'note' }, revision ? t('proof.revision', { revision }) : t('proof.noRules')),
    account(order.price, order.total),
    seats(proof.priced),
    el('details', {}, el('summary', {}, t('proof.facts')),
      el('dl', { class: 'quote-lines' }, Object.entries(proof.facts).map(([name, value]) => fact(name, value))),
      arithmetic(trace), el('pre', { class: 'desk-code' }, explanation)));
}
