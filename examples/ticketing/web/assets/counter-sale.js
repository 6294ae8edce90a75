// One sale at the counter: the money while it is unpaid, then the tickets to be printed, and the way back of the money.

import { get, post } from './api.js';
import { countdown } from './countdown.js';
import { payForm } from './counter-pay.js';
import { el } from './dom.js';
import { clockFace, instant } from './format.js';
import { icon } from './icons.js';
import { t } from './i18n.js';
import { announce, notify } from './notice.js';
import { friendly } from './problem.js';
import { bill, isPaid, isPayable, showHead, stateBadge, tickets } from './ticket.js';

/** Tickets follow the money within moments: they are asked for so often, and then no more. */
const PAUSES = [300, 500, 700, 1000, 1500, 2000, 3000, 5000, 5000, 5000];
const signed = { signed: true };

const pause = (milliseconds) => new Promise((done) => { setTimeout(done, milliseconds); });

export async function saleOf(desk, id) {
  const path = `${desk.path}/orders/${encodeURIComponent(id)}`;
  const body = el('div', { class: 'counter-sale' });
  let stopClock = null;

  async function tried(run) {
    try {
      draw(await run());
    } catch (problem) {
      if (!('code' in problem)) throw problem;
      notify(problem.code === 'invalid-value' ? problem.detail : friendly(problem), 'bad');
      // What it is now may be another thing than what is shown.
      draw(await get(path, signed));
    }
  }

  async function follow() {
    for (const wait of PAUSES) {
      await pause(wait);
      const sale = await get(path, signed).catch(() => null);
      if (sale && sale.order.state !== 'PAID') {
        draw(sale);
        announce(t('counter.ready'));
        return;
      }
    }
  }

  function open({ order }) {
    const left = el('strong', { class: 'number' });
    stopClock = countdown(Date.parse(order.expires_at), (rest) => { left.textContent = clockFace(rest); }, () => tried(() => get(path, signed)));
    return el('section', { class: 'panel counter-aside' }, el('p', { class: 'meta' }, icon('clock'), el('span', {}, t('counter.held'), ' ', left)),
      payForm(order.total, (payment) => tried(() => post(`${path}/payment`, payment, { ...signed, repeats: 3 }))),
      el('button', { class: 'button quiet', type: 'button', id: 'give-up', on: { click: () => tried(() => post(`${path}/cancel`, {}, signed)) } }, t('counter.giveUp')));
  }

  function refundForm() {
    const why = el('input', { id: 'refund-reason', maxlength: 200, required: true, 'aria-label': t('counter.reason'), placeholder: t('counter.reason') });
    return el('section', { class: 'panel counter-aside' }, el('h2', {}, t('counter.refund')), el('p', { class: 'note' }, t('counter.refundLead')),
      el('form', { class: 'desk-bar', id: 'ask-back', on: { submit: (event) => {
        event.preventDefault();
        tried(async () => {
          const sale = await post(`${path}/refund`, { reason: why.value.trim() }, signed);
          notify(t('counter.refundAsked'), 'good');
          return sale;
        });
      } } }, why, el('button', { class: 'button small quiet' }, t('counter.refundAsk'))));
  }

  function paid({ order }) {
    const printable = order.tickets?.some((ticket) => ticket.code);
    return el('div', { class: 'counter-aside' },
      el('section', { class: 'panel', id: 'paid', 'data-printable': printable ? '' : undefined },
        el('p', { class: 'meta', role: 'status' }, printable ? icon('check') : el('span', { class: 'spinner', 'aria-hidden': 'true' }), el('span', {}, t(printable ? 'counter.ready' : 'counter.issuing'))),
        printable && el('button', { class: 'button large', type: 'button', id: 'print', on: { click: () => print() } }, t('counter.print'))),
      printable && refundForm());
  }

  function draw(sale) {
    const { order } = sale;
    stopClock?.();
    stopClock = null;
    body.dataset.state = order.state;
    const aside = isPayable(order) ? open(sale) : isPaid(order) ? paid(sale) : null;
    body.replaceChildren(
      el('div', { class: 'counter-top' }, el('a', { class: 'button quiet', id: 'next', href: `/desk/counter?merchant=${encodeURIComponent(desk.merchant.id)}` }, t('counter.next')),
        stateBadge(order), el('span', { class: 'note' }, t('order.number', { id: order.id })),
        el('span', { class: 'note' }, t('counter.soldBy', { channel: t(`counter.${sale.sale.channel}`), time: instant(sale.sale.at) }))),
      el('div', { class: 'counter-parts' },
        el('section', { class: 'panel counter-what' }, showHead(order), isPaid(order) && order.tickets?.length ? tickets(order) : null, bill(order)), aside ?? ''));
    if (order.state === 'PAID') follow();
  }

  draw(await get(path, signed));
  return body;
}
