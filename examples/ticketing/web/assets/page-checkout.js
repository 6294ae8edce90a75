// Paying an order while its seats are held.

import { get, post } from './api.js';
import { now } from './clock.js';
import { countdown } from './countdown.js';
import { el } from './dom.js';
import { clockFace } from './format.js';
import { icon } from './icons.js';
import { has, localized, t } from './i18n.js';
import { announce, notify } from './notice.js';
import { idOfPath, linkButton, messageBox, runPage, setTitle } from './page.js';
import { friendly } from './problem.js';
import { qrImage } from './qr.js';
import { bill, isPayable, nameRefused, orderAddress, showHead } from './ticket.js';

const path = `/orders/${encodeURIComponent(idOfPath())}`;
const MINUTE = 60_000;

let stopCountdown = null;
let asking = null;

function over(main, order) {
  stopCountdown?.();
  const expired = order.state !== 'CANCELLED';
  const refused = nameRefused(order);
  main.replaceChildren(messageBox({
    symbol: expired ? 'clock' : 'ticket',
    title: t(refused ?? (expired ? 'checkout.expired' : 'checkout.cancelled')),
    text: t(refused ? `${refused}Text` : expired ? 'checkout.expiredText' : 'checkout.cancelledText'),
    actions: [linkButton('checkout.backToSeats', `/sessions/${encodeURIComponent(order.session_id)}`), linkButton('nav.orders', '/orders', 'button quiet')],
    role: 'alert',
  }));
}

function timer(order, ended) {
  const face = el('strong', { class: 'number', id: 'countdown' });
  const bar = el('progress', { max: Math.max(1, Date.parse(order.expires_at) - Date.parse(order.created_at)), 'aria-hidden': 'true' });
  const box = el('div', { class: 'timer' }, icon('clock'), el('span', {}, t('checkout.timeLeft')), face, bar);
  let minute = null;
  stopCountdown?.();
  stopCountdown = countdown(Date.parse(order.expires_at), (left) => {
    face.textContent = clockFace(left);
    bar.value = left;
    box.classList.toggle('urgent', left < 2 * MINUTE);
    // Read out by the minute: by the second, nothing else could be heard.
    const minutes = Math.ceil(left / MINUTE);
    if (minute !== null && minutes < minute && minutes > 0) announce(t('checkout.minutes', { count: minutes }));
    minute = minutes;
  }, ended);
  return box;
}

function confirmCancel() {
  const dialog = el('dialog', { class: 'dialog', 'aria-labelledby': 'cancel-title' },
    el('form', { method: 'dialog' },
      el('h2', { id: 'cancel-title' }, t('cancel.title')), el('p', {}, t('cancel.text')),
      el('div', { class: 'actions' },
        el('button', { class: 'button quiet', value: 'keep', autofocus: true }, t('cancel.keep')),
        el('button', { class: 'button danger', value: 'cancel', id: 'cancel-yes' }, t('cancel.yes')))));
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((done) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      done(dialog.returnValue === 'cancel');
    });
  });
}

/** The providers to choose from, when there is a choice; `chosen()` is the one to pay at. */
function methods(providers) {
  const known = (name) => (has(`checkout.provider.${name}`) ? t(`checkout.provider.${name}`) : name);
  const radios = providers.map((name, index) => el('input', { type: 'radio', name: 'provider', value: name, checked: index === 0 }));
  const box = providers.length > 1 && el('fieldset', { class: 'methods' }, el('legend', {}, t('checkout.methods')),
    radios.map((radio) => el('label', {}, radio, known(radio.value))));
  return { box, chosen: () => radios.find((radio) => radio.checked)?.value };
}

/**
 * The order, once it can no longer be paid; asked for while somebody looks, also when its time is over: it may have been paid in
 * the last second. Whoever asks later asks alone: null for the other.
 */
async function settled(pause) {
  const mine = Symbol('asking');
  asking = mine;
  while (asking === mine) {
    await new Promise((done) => { setTimeout(done, pause); });
    const latest = document.hidden || asking !== mine ? null : await get(path, { signed: true }).catch(() => null);
    if (latest && !isPayable(latest) && asking === mine) return latest;
  }
  return null;
}

async function draw(main, known = null) {
  const order = known ?? await get(path, { signed: true });
  setTitle(t('checkout.title'));
  if (!isPayable(order)) {
    asking = null;
    if (['CANCELLED', 'TIMEOUT_CANCELLED'].includes(order.state)) over(main, order);
    else location.replace(orderAddress(order));
    return;
  }
  const { providers } = await get('/payments/providers');
  const choice = methods(providers);
  const code = el('div', { class: 'pay-code', role: 'status' });
  const pay = el('button', { class: 'button large', type: 'button', id: 'pay' }, t('checkout.pay'));
  const cancel = el('button', { class: 'button quiet large', type: 'button', id: 'cancel' }, t('checkout.cancel'));
  const busy = (button, on, key) => {
    button.setAttribute('aria-disabled', String(on));
    button.classList.toggle('busy', on);
    button.textContent = t(key);
  };
  const act = async (button, keys, run) => {
    if (button.getAttribute('aria-disabled') === 'true') return;
    busy(button, true, keys.busy);
    try {
      await run();
    } catch (problem) {
      busy(button, false, keys.rest);
      notify(friendly(problem), 'bad');
      // Its state is not what this page shows: look again.
      if (problem.status === 409 || problem.status === 401) await draw(main);
    }
  };

  pay.addEventListener('click', () => act(pay, { busy: 'checkout.opening', rest: 'checkout.pay' }, async () => {
    const { payment } = await post(`${path}/pay?provider=${encodeURIComponent(choice.chosen())}`, {}, { signed: true, repeats: 3 });
    if (!payment.pay_url) {
      code.replaceChildren(qrImage(payment.pay_qr, t('checkout.qr')), el('p', {}, t('checkout.scan')));
      busy(pay, false, 'checkout.pay');
      // Paid with the buyer's phone, perhaps.
      const latest = await settled(2000);
      if (latest) location.replace(orderAddress(latest));
      return;
    }
    const address = new URL(payment.pay_url, location.href);
    if (!/^https?:$/.test(address.protocol)) throw new Error('an address of payment that is not http');
    location.assign(address);
  }));
  cancel.addEventListener('click', async () => {
    if (!await confirmCancel()) return;
    await act(cancel, { busy: 'checkout.cancelling', rest: 'checkout.cancel' }, async () => {
      const cancelled = await post(`${path}/cancel`, {}, { signed: true, repeats: 3 });
      asking = null;
      over(main, cancelled);
    });
  });

  const ended = async () => {
    over(main, { ...order, state: 'TIMEOUT_CANCELLED' });
    // A payment of the last second may have been in time.
    const latest = await get(path, { signed: true }).catch(() => null);
    if (latest && !isPayable(latest) && latest.state !== 'TIMEOUT_CANCELLED') await draw(main);
  };
  const expired = Date.parse(order.expires_at) <= now();
  if (expired) {
    over(main, { ...order, state: 'TIMEOUT_CANCELLED' });
    return;
  }
  main.replaceChildren(
    el('header', { class: 'lead' },
      el('a', { class: 'back', href: `/sessions/${encodeURIComponent(order.session_id)}` }, icon('back'), localized(order, 'show_title')),
      el('h1', {}, t('checkout.title')), el('p', {}, t('checkout.lead', { count: order.seats.length }))),
    el('div', { class: 'checkout' },
      el('section', { class: 'panel' }, showHead(order), bill(order)),
      el('section', { class: 'panel pay-panel', 'aria-label': t('checkout.payment') }, timer(order, ended), el('p', { class: 'note' }, t('checkout.method')), choice.box, code, pay, cancel)));
  // A name that is checked later may be refused, and the order with it.
  if (order.seats.some(({ attendee }) => attendee && attendee.verified !== 'yes')) settled(5000).then((latest) => latest && draw(main, latest));
}

runPage({ title: 'checkout.title', signed: true, load: draw });

// Back from the payment page, or from another tab: the order may have gone on.
addEventListener('pageshow', (event) => { if (event.persisted) location.reload(); });
