// Orders of the merchant: a search, and one order with all that happened to it.

import { get, post } from './api.js';
import { attendeeNote } from './attendee.js';
import { deskForm } from './desk-form.js';
import { proofOf } from './desk-proof.js';
import { el } from './dom.js';
import { instant, moment, price, seatName } from './format.js';
import { has, localized, t } from './i18n.js';
import { icon } from './icons.js';
import { offerFor, offerForms, tried } from './refund-desk.js';
import { archivedNote, stateBadge } from './ticket.js';

const signed = { signed: true };
const STATES = ['LOCKED', 'PAYING', 'PAID', 'ISSUED', 'COMPLETED', 'CANCELLED', 'TIMEOUT_CANCELLED', 'REFUNDING', 'REFUNDED', 'RESCHEDULED'];

/** What was asked for last, so that it is there again on the way back from an order. */
let wanted = {};

const word = (kind, name) => (has(`${kind}.${name}`) ? t(`${kind}.${name}`) : name);

/** Midnight here of a day of the calendar, or of one after it. */
function midnight(day, later = 0) {
  if (!day) return '';
  const at = new Date(`${day}T00:00:00`);
  at.setDate(at.getDate() + later);
  return at.toISOString();
}

function request(desk, after) {
  const { number, email, session, state, from, to } = wanted;
  const values = { number, email, session, state, from: midnight(from), to: midnight(to, 1), after };
  const query = new URLSearchParams(Object.entries(values).filter(([, value]) => value));
  return get(`${desk.path}/orders?${query}`, signed);
}

function row(order, open) {
  return el('li', { class: 'desk-item', 'data-order': order.id },
    el('div', {}, el('button', { class: 'desk-open', type: 'button', on: { click: () => tried(() => open(order.id)) } }, localized(order, 'show_title')),
      el('span', { class: 'note' }, `${moment(order.starts_at)} · ${t('order.number', { id: order.id })}`),
      el('span', { class: 'note' }, [order.buyer.email, instant(order.created_at)].filter(Boolean).join(' · ')), archivedNote(order)),
    el('strong', { class: 'number' }, price(order.total)), stateBadge(order));
}

function section(title, items) {
  if (!items?.length) return null;
  return el('section', { class: 'panel' }, el('h2', {}, t(title)), el('ul', { class: 'desk-list' }, items.map((item) => el('li', { class: 'desk-item' }, item))));
}

const line = (strong, note, side) => [el('div', {}, el('strong', {}, strong), note && el('span', { class: 'note' }, note)), side];
const reason = (text) => word('reason', text);
const badge = (text) => el('span', { class: 'badge' }, text);

/** Money back, for whoever may see to it. */
async function moneyBack(desk, order, again) {
  if (!desk.may('refund:decide') || !['PAID', 'ISSUED'].includes(order.state)) return null;
  return el('section', { class: 'panel', id: 'money-back' }, el('h2', {}, t('refund.title')), offerForms(await offerFor(order.id), again));
}

async function detail(desk, id, place, back) {
  const { order, buyer, payments } = await get(`${desk.path}/orders/${encodeURIComponent(id)}`, signed);
  const again = () => detail(desk, id, place, back);
  const seat = (guid) => order.seats.find((one) => one.guid === guid);
  place.replaceChildren(
    el('button', { class: 'desk-open', type: 'button', on: { click: back } }, icon('back'), t('desk.orders.back')),
    el('div', { class: 'desk-columns', id: 'one-order', 'data-state': order.state },
      el('div', { class: 'desk-list' },
        el('section', { class: 'panel' }, el('h2', {}, localized(order, 'show_title')), el('p', {}, stateBadge(order), ' ', archivedNote(order)),
          el('p', { class: 'note' }, t('order.number', { id: order.id })), el('p', { class: 'note' }, `${moment(order.starts_at)} · ${order.venue}`),
          el('p', { id: 'buyer' }, buyer.email ?? t('desk.orders.hidden'), buyer.email === '' && t('desk.orders.gone')), buyer.email && buyer.masked && el('p', { class: 'note' }, t('desk.orders.masked')),
          order.name_refused && el('p', { class: 'note', id: 'name-refused' }, t(`desk.orders.name.${order.name_refused.consequence ?? 'open'}`), ' ',
            el('time', { datetime: order.name_refused.at }, instant(order.name_refused.at))),
          el('ul', { class: 'desk-list' }, order.seats.map((one) => el('li', { class: 'desk-item' }, [...line(seatName(one), localized(one, 'category'), el('strong', { class: 'number' }, price(one.price))), attendeeNote(one.attendee)]))),
          el('p', { class: 'desk-sum' }, t('desk.orders.total'), ' ', el('strong', { class: 'number' }, price(order.total)))),
        section('desk.orders.tickets', order.tickets?.map((ticket) => line(seat(ticket.seat) ? seatName(seat(ticket.seat)) : ticket.seat, ticket.used_at && instant(ticket.used_at), badge(word('ticket', ticket.state))))),
        section('desk.orders.payments', payments.map((payment) => line(word('checkout.provider', payment.provider), payment.txn, [el('strong', { class: 'number' }, price(payment.amount)), badge(word('payment', payment.state))])))),
      el('div', { class: 'desk-list' },
        await moneyBack(desk, order, again),
        await proofOf(desk, order),
        section('order.refunds', order.refunds?.map((refund) => line(price(refund.amount), refund.note ?? (refund.reason ? reason(refund.reason) : t('desk.orders.hidden')), badge(word('refund', refund.state))))),
        section('order.history', order.history.map((step) => line(t(`order.${step.state}`), reason(step.reason), el('time', { class: 'note', datetime: step.at }, instant(step.at))))))));
  scrollTo(0, 0);
}

export async function orders(desk) {
  const { sessions } = desk.may('catalog:read') ? await get(`${desk.path}/sessions`, signed) : { sessions: [] };
  const place = el('div', {});
  const list = el('ul', { class: 'desk-list', id: 'orders' });
  const more = el('div', {});
  const open = (id) => detail(desk, id, place, () => place.replaceChildren(...search));
  const fill = async (after) => {
    const page = await request(desk, after);
    if (!after) list.replaceChildren();
    list.append(...page.orders.map((order) => row(order, open)));
    if (!list.childElementCount) list.append(el('li', { class: 'note' }, t('desk.orders.none')));
    more.replaceChildren(...(page.next ? [el('button', { class: 'button quiet', type: 'button', id: 'more', on: { click: () => tried(() => fill(page.next)) } }, t('orders.more'))] : []));
  };
  const any = ['', t('desk.all')];
  const form = deskForm({
    id: 'search-orders', title: 'desk.orders.title', submit: 'desk.orders.search',
    fields: [
      { name: 'number', value: wanted.number, autocomplete: 'off', maxlength: 36 },
      ...(desk.sees('order.buyer-email') ? [{ name: 'email', value: wanted.email, type: 'text', inputmode: 'email', autocomplete: 'off' }] : []),
      { name: 'session', label: t('desk.session'), value: wanted.session, options: [any, ...sessions.map((one) => [one.id, `${localized(one, 'title')} · ${moment(one.starts_at)}`])] },
      { name: 'state', label: t('desk.state'), value: wanted.state, options: [any, ...STATES.map((one) => [one, t(`order.${one}`)])] },
      { name: 'from', type: 'date', value: wanted.from },
      { name: 'to', type: 'date', value: wanted.to },
    ],
    send: async (values) => { wanted = values; await fill(); list.scrollIntoView({ block: 'nearest' }); },
  });
  const [byName, byNumber] = [desk.sees('order.attendee-name'), desk.sees('order.attendee-number')];
  const people = (byName || byNumber) && deskForm({
    id: 'search-attendees', title: 'desk.orders.attendees', submit: 'desk.orders.search',
    fields: [
      byName && { name: 'attendee_name', label: t('desk.orders.attendeeName'), autocomplete: 'off', maxlength: 60 },
      byNumber && { name: 'attendee_number', label: t('desk.orders.attendeeNumber'), autocomplete: 'off', spellcheck: 'false', maxlength: 32 },
    ].filter(Boolean),
    // What somebody remembers: any part of a name, and of a number all or the last four.
    send: async ({ attendee_name: name, attendee_number: number = '' }) => {
      const sought = number.length === 4 ? { name_part: name, number_ends: number } : { name_part: name, number };
      const page = await post(`${desk.path}/attendees`, sought, signed);
      list.replaceChildren(...(page.orders.length ? page.orders.map((order) => row(order, open)) : [el('li', { class: 'note' }, t('desk.orders.none'))]));
      more.replaceChildren();
      list.scrollIntoView({ block: 'nearest' });
    },
  });
  const search = [el('div', { class: 'desk-columns desk-search' }, el('div', { class: 'desk-list' }, form, people), el('div', {}, list, more))];
  await fill();
  place.replaceChildren(...search);
  return place;
}
