// Refunds for the staff: the newest ones, what waits for a decision, and an order's money by its number.

import { get, post } from './api.js';
import { deskMenu } from './desk-menu.js';
import { el } from './dom.js';
import { instant, price } from './format.js';
import { t } from './i18n.js';
import { runPage } from './page.js';
import { offerFor, offerForms, tried } from './refund-desk.js';

const STATES = ['', 'REQUESTED', 'PENDING', 'DONE', 'REFUSED'];

function actions(refund, again) {
  const path = `/admin/refunds/${encodeURIComponent(refund.id)}`;
  const open = refund.state === 'REQUESTED' || (refund.kind === 'CHARGE' && refund.state === 'REFUSED');
  if (!open) return null;
  const why = el('input', { type: 'text', maxlength: 200, 'aria-label': t('desk.why'), placeholder: t('desk.why') });
  const act = (verb, body) => tried(async () => { await post(`${path}/${verb}`, body(), { signed: true }); await again(); });
  return el('div', { class: 'desk-bar' },
    el('button', { class: 'button small', type: 'button', 'data-act': 'approve', on: { click: () => act('approve', () => ({})) } }, t('desk.approve')),
    refund.state === 'REQUESTED' && [why, el('button', { class: 'button small quiet', type: 'button', 'data-act': 'refuse',
      on: { click: () => act('refuse', () => ({ reason: why.value })) } }, t('desk.refuse'))]);
}

function table(refunds, again) {
  const head = ['desk.when', 'desk.order', 'desk.amount', 'desk.fee', 'desk.reason', 'desk.state'];
  return el('div', { class: 'desk-scroll' }, el('table', { class: 'desk-table', id: 'refunds' },
    el('thead', {}, el('tr', {}, head.map((key) => el('th', { scope: 'col' }, t(key))))),
    el('tbody', {}, refunds.map((refund) => el('tr', { 'data-refund': refund.id, 'data-state': refund.state },
      el('td', {}, instant(refund.created_at)), el('td', {}, refund.order_id), el('td', { class: 'number' }, price(refund.amount)),
      el('td', { class: 'number' }, price(refund.fee)), el('td', {}, refund.reason ?? t('desk.orders.hidden'), refund.note && el('p', { class: 'note' }, refund.note)),
      el('td', {}, t(`refund.${refund.state}`), actions(refund, again)))))));
}

/** One order: what would go back, by the rules and as goodwill. */
function orderForm(again) {
  const order = el('input', { id: 'order', autocomplete: 'off', required: true });
  const answer = el('div', { id: 'offer' });
  const done = async () => { answer.replaceChildren(); await again(); };
  return el('section', { class: 'panel' }, el('h2', {}, t('desk.oneOrder')),
    el('form', { class: 'desk-form', on: { submit: (event) => {
      event.preventDefault();
      tried(async () => {
        const offer = await offerFor(order.value.trim());
        answer.replaceChildren(el('p', {}, t(`order.${offer.state}`), ' · ', price(offer.total)), ...offerForms(offer, done));
      });
    } } }, el('label', {}, t('desk.order'), order), el('button', { class: 'button small' }, t('desk.look'))), answer);
}

runPage({
  title: 'desk.refunds',
  signed: true,
  async load(main) {
    const list = el('div', {});
    const state = el('select', { id: 'state', on: { change: () => tried(() => draw()) } },
      STATES.map((one) => el('option', { value: one }, one ? t(`refund.${one}`) : t('desk.all'))));
    const draw = async () => {
      const { refunds } = await get(`/admin/refunds${state.value ? `?state=${state.value}` : ''}`, { signed: true });
      list.replaceChildren(refunds.length ? table(refunds, draw) : el('p', { class: 'note' }, t('desk.none')));
    };
    await draw();
    main.replaceChildren(...await deskMenu(), el('header', { class: 'lead' }, el('h1', {}, t('desk.refunds'))), el('div', { class: 'desk-columns' }, orderForm(draw),
      el('section', { class: 'panel' }, el('div', { class: 'desk-bar' }, el('label', {}, t('desk.state'), ' ', state),
        el('button', { class: 'button small quiet', type: 'button', on: { click: () => tried(draw) } }, t('reload'))), list)));
  },
});
