// Asking for money back: first what goes back and what is kept, then the request.

import { get, post } from './api.js';
import { el } from './dom.js';
import { moment, price } from './format.js';
import { t } from './i18n.js';
import { notify } from './notice.js';
import { friendly } from './problem.js';

const REASON_LIMIT = 200;

function confirmRefund(quote) {
  const reason = el('input', { type: 'text', id: 'refund-reason', maxlength: REASON_LIMIT, autocomplete: 'off' });
  const dialog = el('dialog', { class: 'dialog', 'aria-labelledby': 'refund-title' },
    el('form', { method: 'dialog' },
      el('h2', { id: 'refund-title' }, t('refund.ask')),
      el('p', {}, t('refund.offer', { amount: price(quote.amount), fee: price(quote.fee) })),
      el('p', { class: 'note' }, t('refund.until', { time: moment(quote.until) })),
      el('p', {}, t('refund.warning')),
      el('label', { for: 'refund-reason' }, t('refund.why')), reason,
      el('div', { class: 'actions' },
        el('button', { class: 'button quiet', value: 'keep', autofocus: true }, t('refund.keep')),
        el('button', { class: 'button danger', value: 'refund', id: 'refund-yes' }, t('refund.yes', { amount: price(quote.amount) })))));
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((done) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      done(dialog.returnValue === 'refund' ? { reason: reason.value.trim() } : null);
    });
  });
}

/** A panel with the button, for orders of which something may go back; `changed` is told the order as it is afterwards. */
export function refundPanel(order, changed) {
  if (!['PAID', 'ISSUED'].includes(order.state)) return null;
  const path = `/orders/${encodeURIComponent(order.id)}/refund`;
  const button = el('button', { class: 'button quiet', type: 'button', id: 'refund' }, t('refund.ask'));
  const told = el('p', { class: 'note', role: 'status' });
  button.addEventListener('click', async () => {
    if (button.getAttribute('aria-disabled') === 'true') return;
    button.setAttribute('aria-disabled', 'true');
    try {
      const { quote, refusal } = await get(path, { signed: true });
      if (refusal) {
        told.textContent = t(`refund.refusal.${refusal}`);
        return;
      }
      const wish = await confirmRefund(quote);
      if (wish) changed(await post(path, { expected_amount: quote.amount, reason: wish.reason }, { signed: true, repeats: 3 }));
    } catch (problem) {
      notify(friendly(problem), 'bad');
    } finally {
      button.removeAttribute('aria-disabled');
    }
  });
  return el('section', { class: 'panel' }, el('h2', {}, t('refund.title')), el('p', { class: 'note' }, t('refund.lead')), told, button);
}
