// Parts that the order pages share.

import { attendeeNote } from './attendee.js';
import { el } from './dom.js';
import { categoryName, moment, place, price, seatName, showTime, venueTimeNote, visitorTime } from './format.js';
import { icon } from './icons.js';
import { localized, t } from './i18n.js';
import { poster } from './poster.js';
import { qrImage } from './qr.js';
import { account } from './quote.js';

const TONES = {
  INIT: 'wait', LOCKED: 'wait', PAYING: 'wait', PAID: 'good', ISSUED: 'good', COMPLETED: 'good', RESCHEDULED: 'good',
  CANCELLED: 'over', TIMEOUT_CANCELLED: 'over', REFUNDING: 'back', REFUNDED: 'back',
};

export const isPayable = ({ state }) => state === 'LOCKED' || state === 'PAYING';
export const isPaid = ({ state }) => ['PAID', 'ISSUED', 'COMPLETED'].includes(state);
export const isOver = ({ state }) => ['CANCELLED', 'TIMEOUT_CANCELLED', 'REFUNDED', 'RESCHEDULED', 'COMPLETED'].includes(state);
export const orderAddress = (order) => `/orders/${encodeURIComponent(order.id)}`;

export const stateBadge = ({ state }) =>
  el('span', { class: `badge tone-${TONES[state] ?? 'wait'}`, 'data-state': state }, t(`order.${state}`));

/** Why a buyer's order came to nothing whose name was refused: what its words are called, or null. */
export const nameRefused = ({ state, name_refused: refused }) =>
  (['CANCELLED', 'REFUNDING', 'REFUNDED'].includes(state) && ['ended', 'refund'].includes(refused?.consequence) ? `order.name.${refused.consequence}` : null);

/** That an order lies in the archive, if it does. */
export const archivedNote = ({ archived_at: at }) =>
  (at ? el('span', { class: 'note', 'data-archived': '' }, t('order.archived', { time: moment(at) })) : null);

/** Show, time and place, with the show's picture. */
export function showHead(order, level = 'h2') {
  return el('div', { class: 'show-head' },
    el('div', { class: 'thumb' }, poster(order.show_title, order.poster, { sizes: '84px' })),
    el('div', {},
      el(level, {}, localized(order, 'show_title')),
      el('p', { class: 'meta' }, icon('clock'), el('span', {}, showTime(order), el('span', { class: 'note' },
        [venueTimeNote(order), visitorTime(order)].filter(Boolean).join(' · ')))),
      el('p', { class: 'meta' }, icon('pin'), el('span', {}, place(order.venue)))));
}

/** Seats with prices and the total. */
export function bill(order) {
  return el('div', { class: 'bill' },
    el('ul', {}, order.seats.map((seat) => el('li', {},
      el('span', {}, seatName(seat), categoryName(seat) && el('span', { class: 'note' }, categoryName(seat)), attendeeNote(seat.attendee)), el('span', { class: 'number' }, price(seat.price))))),
    order.price?.steps.length > 0 && account(order.price, order.total),
    el('p', { class: 'bill-total' }, el('span', {}, t('total')), el('strong', { class: 'number', id: 'order-total' }, price(order.total))));
}

/** What the door reads, or why it reads nothing. */
function ticketCode(order, seat) {
  const ticket = order.tickets?.find((one) => one.seat === seat.guid);
  if (!ticket) return null;
  if (!ticket.code) {
    return el('div', { class: 'stub-code', 'data-ticket': ticket.state }, el('strong', {}, t(`ticket.${ticket.state}`)));
  }
  return el('div', { class: 'stub-code', 'data-ticket': ticket.state },
    ticket.qr && qrImage(ticket.qr, t('ticket.qr', { seat: seatName(seat) })), el('code', {}, ticket.code.match(/.{1,9}/g).join(' ')));
}

/** The tickets of a paid order, one a seat. */
export function tickets(order) {
  return el('ul', { class: 'tickets' }, order.seats.map((seat) => el('li', { class: 'stub' },
    el('div', { class: 'stub-main' }, el('span', { class: 'note' }, localized(order, 'show_title')), el('strong', {}, seatName(seat)), attendeeNote(seat.attendee),
      el('span', { class: 'note' }, `${showTime(order)} · ${place(order.venue)}`)),
    el('div', { class: 'stub-side' }, el('span', { class: 'note' }, localized(seat, 'category')), el('strong', {}, price(seat.price))), ticketCode(order, seat))));
}
