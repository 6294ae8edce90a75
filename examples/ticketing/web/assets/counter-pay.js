// The money at the counter: cash, with the change, or the card terminal with what it printed.

import { el } from './dom.js';
import { price } from './format.js';
import { t } from './i18n.js';
import { difference } from './money.js';

/** `take(payment)` is called with what the server is told. */
export function payForm(total, take) {
  const reference = el('input', { id: 'reference', maxlength: 64, autocomplete: 'off', spellcheck: 'false' });
  const tendered = el('input', { id: 'tendered', inputmode: 'decimal', autocomplete: 'off', on: { input: () => drawChange() } });
  const change = el('output', { id: 'change', for: 'tendered' });
  const cashPart = el('div', { class: 'field' }, el('label', { for: 'tendered' }, t('counter.tendered')), tendered, change);
  const cardPart = el('div', { class: 'field', hidden: true }, el('label', { for: 'reference' }, t('counter.reference')), reference);
  const choice = (method) => el('label', {}, el('input', { type: 'radio', name: 'method', value: method, id: `method-${method}`, checked: method === 'cash', on: { change: () => drawMethod() } }), t(`counter.${method}`));

  function drawMethod() {
    const card = form.elements.method.value === 'card';
    cashPart.hidden = card;
    cardPart.hidden = !card;
    reference.required = card;
  }

  function drawChange() {
    const given = tendered.value.trim();
    const rest = /^\d{1,9}(\.\d{1,2})?$/.test(given) ? difference({ amount: given, currency: total.currency }, total) : null;
    if (!rest) change.textContent = '';
    else if (rest.amount.startsWith('-')) change.textContent = t('counter.short', { amount: price({ ...rest, amount: rest.amount.slice(1) }) });
    else change.textContent = t('counter.change', { amount: price(rest) });
  }

  const submit = el('button', { class: 'button large', id: 'take' }, t('counter.take', { amount: price(total) }));
  const form = el('form', { class: 'desk-form', id: 'pay', on: { submit: async (event) => {
    event.preventDefault();
    if (submit.getAttribute('aria-disabled') === 'true') return;
    submit.setAttribute('aria-disabled', 'true');
    const method = form.elements.method.value;
    await take({ method, amount: total, ...(method === 'card' && { reference: reference.value.trim() }) });
    submit.removeAttribute('aria-disabled');
  } } }, el('h2', {}, t('counter.pay')),
  el('fieldset', { class: 'methods' }, el('legend', { class: 'visually-hidden' }, t('counter.pay')), choice('cash'), choice('card')), cashPart, cardPart, submit);
  return form;
}
