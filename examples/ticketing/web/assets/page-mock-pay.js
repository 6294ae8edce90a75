// The page of the payment provider that stands in for a real one. It is another company's page: its look differs, it knows
// the payment and not the visitor, and it never sees the shop's tokens.

import { ask } from './api.js';
import { byId, el } from './dom.js';
import { price } from './format.js';
import { t } from './i18n.js';
import { messageBox, setTitle } from './page.js';
import { friendly } from './problem.js';

const base = location.pathname.replace(/\/$/, '');
const main = byId('main');

/** Back to the shop: to the order once the money was taken, to the checkout to try again, else to see what became of it. */
function leave({ order_id, status }) {
  const order = encodeURIComponent(order_id);
  if (/^paid$/i.test(status)) location.replace(`/orders/${order}#paid`);
  else location.replace(/^declined$/i.test(status) ? `/checkout/${order}` : `/orders/${order}`);
}

function draw(details) {
  const error = el('p', { class: 'form-error', role: 'alert' });
  const buttons = [];
  const settle = (verb, key, className) => {
    const button = el('button', { class: className, type: 'button', id: verb, on: { click: async () => {
      if (button.getAttribute('aria-disabled') === 'true') return;
      error.textContent = '';
      buttons.forEach((each) => each.setAttribute('aria-disabled', 'true'));
      button.classList.add('busy');
      try {
        const answer = await ask('POST', `${base}/${verb}`, { body: {}, repeats: 3 });
        leave({ ...details, ...answer });
      } catch (problem) {
        error.textContent = friendly(problem);
        buttons.forEach((each) => each.removeAttribute('aria-disabled'));
        button.classList.remove('busy');
      }
    } } }, t(key, { amount: price(details.amount) }));
    buttons.push(button);
    return button;
  };
  const open = !/^(paid|declined|closed|refunded)$/i.test(details.status);
  main.replaceChildren(el('section', { class: 'provider' },
    el('p', { class: 'provider-name' }, t('mock.name')),
    el('p', { class: 'note' }, t('mock.to', { merchant: details.merchant })),
    el('h1', { class: 'number' }, price(details.amount)),
    el('dl', {}, el('dt', {}, t('mock.payment')), el('dd', {}, details.payment_id), el('dt', {}, t('mock.order')), el('dd', {}, details.order_id)),
    open ? [settle('approve', 'mock.approve', 'button large'), settle('decline', 'mock.decline', 'button quiet large')]
      : el('p', { class: 'banner' }, t('mock.settled')),
    error,
    el('a', { class: 'back-to-shop', href: `/orders/${encodeURIComponent(details.order_id)}` }, t('mock.back')),
    el('p', { class: 'note' }, t('mock.note'))));
}

async function load() {
  try {
    draw(await ask('GET', `${base}/details`, { repeats: 2 }));
  } catch (problem) {
    main.replaceChildren(messageBox({ symbol: 'alert', title: t('failure.title'), text: friendly(problem), role: 'alert',
      actions: [el('button', { class: 'button', type: 'button', on: { click: load } }, t('again'))] }));
  }
  main.removeAttribute('aria-busy');
}

setTitle(t('mock.title'));
document.querySelector('.skip').textContent = t('nav.skip');
load();
