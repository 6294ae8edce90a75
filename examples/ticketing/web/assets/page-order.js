// One order: its tickets, its way so far, and, while something is still to come, its state as it changes.

import { get } from './api.js';
import { refundPanel } from './refund.js';
import { el } from './dom.js';
import { instant, price } from './format.js';
import { icon } from './icons.js';
import { has, t } from './i18n.js';
import { announce } from './notice.js';
import { idOfPath, linkButton, runPage, setTitle } from './page.js';
import { archivedNote, bill, isOver, isPaid, isPayable, nameRefused, showHead, stateBadge, tickets } from './ticket.js';

const path = `/orders/${encodeURIComponent(idOfPath())}`;
/** Asked for more and more seldom: a payment is confirmed in a second, or something is wrong. */
const PAUSES = [700, 1000, 1000, 1500, 2000, 3000, 5000];
/** The payment page sends buyers back with this mark: their money is on its way. */
const justPaid = () => location.hash === '#paid';

const reason = (text) => (has(`reason.${text}`) ? t(`reason.${text}`) : text);

function banner(order) {
  if (isPaid(order)) {
    return el('div', { class: 'banner good' }, icon('check'), el('div', {}, el('strong', {}, t('order.thanks')), el('p', {}, t('order.thanksText'))));
  }
  if (isPayable(order) && (justPaid() || order.payment?.state === 'SUCCEEDED')) {
    return el('div', { class: 'banner wait' }, el('span', { class: 'spinner', 'aria-hidden': 'true' }),
      el('div', {}, el('strong', {}, t('order.confirming')), el('p', {}, t('order.confirmingText'))));
  }
  if (isPayable(order)) {
    return el('div', { class: 'banner wait' }, icon('clock'), el('div', {}, el('strong', {}, t('order.unpaid')), el('p', {}, t('order.unpaidText'))),
      linkButton('order.continue', `/checkout/${encodeURIComponent(order.id)}`));
  }
  const refused = nameRefused(order);
  if (refused) {
    return el('div', { class: 'banner', id: 'name-refused' }, icon('alert'), el('div', {}, el('strong', {}, t(refused)), el('p', {}, t(`${refused}Text`))));
  }
  const key = `order.about.${order.state}`;
  return has(key) && el('div', { class: 'banner' }, icon('ticket'), el('div', {}, el('strong', {}, t(`order.${order.state}`)), el('p', {}, t(key))));
}

function history(order) {
  return el('section', { class: 'panel' }, el('h2', {}, t('order.history')),
    el('ol', { class: 'history' }, (order.history ?? []).map((step) => el('li', {},
      el('strong', {}, t(`order.${step.state}`)), step.reason && el('span', {}, reason(step.reason)),
      el('time', { class: 'note', datetime: step.at }, instant(step.at))))));
}

function refunds(order) {
  if (!order.refunds?.length) return null;
  return el('section', { class: 'panel' }, el('h2', {}, t('order.refunds')),
    el('ul', { class: 'refunds' }, order.refunds.map((refund) => el('li', {},
      el('strong', { class: 'number' }, price(refund.amount)), el('span', {}, refund.note ?? reason(refund.reason)), el('span', { class: 'badge tone-back' },
        has(`refund.${refund.state}`) ? t(`refund.${refund.state}`) : refund.state)))));
}

function draw(main, order) {
  main.replaceChildren(
    el('header', { class: 'lead' },
      el('a', { class: 'back', href: '/orders' }, icon('back'), t('nav.orders')),
      el('h1', {}, t('order.title')),
      el('p', { class: 'order-id' }, stateBadge(order), el('span', { class: 'note' }, t('order.number', { id: order.id })), archivedNote(order))),
    el('div', { class: 'order-page' },
      el('div', {}, banner(order), el('section', { class: 'panel' }, showHead(order), isPaid(order) ? tickets(order) : null, bill(order))),
      el('div', {}, refundPanel(order, (latest) => { draw(main, latest); watch(main, latest); }), history(order), refunds(order))));
}

let watching = null;

/** Draws, and goes on looking until nothing more can come by itself. */
async function watch(main, order) {
  // Whoever looks later looks alone.
  const mine = Symbol('watch');
  watching = mine;
  for (let turn = 0; !isOver(order) && order.state !== 'ISSUED' && watching === mine; turn += 1) {
    await new Promise((done) => { setTimeout(done, PAUSES[Math.min(turn, PAUSES.length - 1)]); });
    if (document.hidden) continue;
    const latest = await get(path, { signed: true }).catch(() => null);
    if (watching !== mine) return;
    if (!latest) continue;
    if (latest.state !== order.state || latest.payment?.state !== order.payment?.state) {
      draw(main, latest);
      announce(t('order.nowState', { state: t(`order.${latest.state}`) }));
    }
    order = latest;
  }
}

runPage({
  title: 'order.title',
  signed: true,
  async load(main) {
    const order = await get(path, { signed: true });
    setTitle(t('order.title'));
    draw(main, order);
    watch(main, order);
  },
});
