// What goes back of an order, by the rules and as goodwill, for whoever may grant it.

import { get, post } from './api.js';
import { el } from './dom.js';
import { price } from './format.js';
import { t } from './i18n.js';
import { notify } from './notice.js';
import { friendly } from './problem.js';

const signed = { signed: true };
const pathOf = (id) => `/admin/orders/${encodeURIComponent(id)}/refund`;

/** Runs it; what goes wrong is told in the visitor's words. */
export const tried = async (run) => {
  try {
    await run();
  } catch (problem) {
    notify(friendly(problem), 'bad');
  }
};

/** What would go back of the order. */
export const offerFor = (id) => get(pathOf(id), signed);

function grant(id, goodwill, quote, done) {
  const why = el('input', { type: 'text', maxlength: 200, required: true, 'aria-label': t('desk.why'), placeholder: t('desk.why') });
  return el('form', { class: 'desk-bar', 'data-grant': goodwill ? 'goodwill' : 'rule', on: { submit: (event) => {
    event.preventDefault();
    tried(async () => {
      await post(pathOf(id), { reason: why.value, goodwill }, signed);
      await done();
    });
  } } }, why, el('button', { class: 'button small' }, t(goodwill ? 'desk.goodwill' : 'desk.byRule', { amount: price(quote.amount) })));
}

/** The two ways, each as a form or, where nothing goes back, why not; `done` runs after money was granted. */
export function offerForms(offer, done) {
  const line = (part, goodwill) => (part.quote ? grant(offer.order_id, goodwill, part.quote, done)
    : el('p', { class: 'note' }, t(`refund.refusal.${part.refusal}`)));
  return [line(offer.by_rule, false), line(offer.goodwill, true)];
}
