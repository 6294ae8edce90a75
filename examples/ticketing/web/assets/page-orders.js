// The visitor's orders, newest first.

import { get } from './api.js';
import { el } from './dom.js';
import { moment, price, seatName, showTime } from './format.js';
import { icon } from './icons.js';
import { localized, t } from './i18n.js';
import { linkButton, messageBox, runPage } from './page.js';
import { notify } from './notice.js';
import { poster } from './poster.js';
import { friendly } from './problem.js';
import { archivedNote, isPayable, orderAddress, stateBadge } from './ticket.js';

const PAGE = 20;

const load = (after) => get(`/orders?limit=${PAGE}${after ? `&after=${encodeURIComponent(after)}` : ''}`, { signed: true });

function row(order) {
  const seats = order.seats.length > 2 ? t('tray.seats', { count: order.seats.length }) : order.seats.map(seatName).join(' · ');
  return el('li', { class: 'order' },
    el('a', { class: 'order-link', href: orderAddress(order), 'data-order': order.id },
      el('div', { class: 'thumb' }, poster(order.show_title, order.poster, { sizes: '84px' })),
      el('div', { class: 'order-text' },
        el('h2', {}, localized(order, 'show_title')),
        el('p', { class: 'meta' }, icon('clock'), el('span', {}, showTime(order))),
        el('p', { class: 'meta' }, icon('ticket'), el('span', {}, seats))),
      el('div', { class: 'order-side' }, stateBadge(order), el('strong', { class: 'number' }, price(order.total)),
        el('span', { class: 'note' }, isPayable(order) && order.expires_at ? t('orders.payUntil', { time: moment(order.expires_at) }) : moment(order.created_at)), archivedNote(order))));
}

runPage({
  title: 'orders.title',
  signed: true,
  async load(main) {
    let { orders, next } = await load();
    const head = el('header', { class: 'lead' }, el('h1', {}, t('orders.title')));
    if (orders.length === 0) {
      main.replaceChildren(head, messageBox({ title: t('orders.none'), text: t('orders.noneText'), actions: [linkButton('nav.allShows', '/')] }));
      return;
    }
    const list = el('ul', { class: 'orders' }, orders.map(row));
    const more = el('button', { class: 'button quiet', type: 'button', hidden: !next, on: { click: async () => {
      more.setAttribute('aria-disabled', 'true');
      try {
        ({ orders, next } = await load(next));
        list.append(...orders.map(row));
        more.hidden = !next;
      } catch (problem) {
        notify(friendly(problem), 'bad');
      }
      more.removeAttribute('aria-disabled');
    } } }, t('orders.more'));
    main.replaceChildren(head, list, more);
  },
});
