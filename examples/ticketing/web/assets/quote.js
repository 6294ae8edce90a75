// What the chosen seats cost by the merchant's rules and with a coupon, before they are ordered.

import { get, post } from './api.js';
import { el } from './dom.js';
import { price } from './format.js';
import { localized, t } from './i18n.js';
import { friendly } from './problem.js';

const path = (sessionId, what) => `/sessions/${encodeURIComponent(sessionId)}/${what}`;

/** Of `{ seats }`, or of the `{ best }`. */
export const quote = (sessionId, places, coupon) =>
  post(path(sessionId, 'quote'), { ...places, ...(coupon && { coupon }) }, { signed: true, repeats: 2 });

const line = (text, amount) => el('div', { class: 'quote-line' }, el('dt', {}, text), el('dd', {}, amount));
const stepTitle = (step) => (step.kind === 'floor' || step.kind === 'cap' ? t(`quote.${step.kind}`) : localized(step, 'title'));

/** How a price came about: list price, what was done to it, what is to be paid. */
export const account = ({ subtotal, steps }, total) => el('dl', { class: 'quote-lines' },
  line(t('quote.list'), price(subtotal)), steps.map((step) => line(stepTitle(step), step.change)), line(t('quote.total'), price(total)));

/** What a coupon takes off, in a few words. */
export function worth({ worth: { percent, amount }, minimum }) {
  const off = percent ? t('coupon.percent', { percent }) : t('coupon.amount', { amount: price(amount) });
  return Number(minimum.amount) > 0 ? `${off} · ${t('coupon.from', { amount: price(minimum) })}` : off;
}

/** The field for a code, and the coupons that the buyer has or is offered; `use(code)` tries one, and none for ''. */
function couponField(offered, use) {
  const input = el('input', { id: 'coupon-code', name: 'coupon', maxlength: 32, autocomplete: 'off', autocapitalize: 'characters', spellcheck: 'false' });
  const said = el('p', { class: 'field-error', id: 'coupon-said', role: 'status' });
  const run = async (code) => {
    said.textContent = '';
    input.value = code;
    try {
      await use(code.trim());
    } catch (problem) {
      if (!('code' in problem)) throw problem;
      said.textContent = friendly(problem);
    }
  };
  const apply = el('button', { class: 'button quiet', type: 'button', id: 'coupon-use', on: { click: () => run(input.value) } }, t('coupon.use'));
  // Return in the field tries the code; it does not order.
  input.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter') return;
    event.preventDefault();
    apply.click();
  });
  return el('div', { class: 'coupon-field' },
    el('label', { for: 'coupon-code' }, t('coupon.code')), el('div', { class: 'coupon-entry' }, input, apply), said,
    offered.length > 0 && el('ul', { class: 'coupon-list' }, offered.map((coupon) => el('li', {},
      el('button', { class: 'button small quiet', type: 'button', 'data-coupon': coupon.code, on: { click: () => run(coupon.code) } },
        el('strong', {}, localized(coupon, 'title')), ' ', worth(coupon), coupon.yours && ` · ${t('coupon.yours')}`)))));
}

/**
 * Shows how a price came about and takes a coupon. Gives `{ total, coupon }` when the buyer goes on, null when not. Where list
 * prices hold and nobody takes coupons, nobody is asked.
 */
export async function agreed(sessionId, places) {
  let current = await quote(sessionId, places);
  let coupon = '';
  if (current.steps.length === 0 && !current.coupons) return { total: null, coupon };
  const offered = current.coupons ? (await get(path(sessionId, 'coupons'), { signed: true })).coupons : [];
  const bill = el('div', { 'aria-live': 'polite' });
  const draw = () => bill.replaceChildren(account(current, current.total));
  const use = async (code) => {
    current = await quote(sessionId, places, code);
    coupon = code;
    draw();
  };
  draw();
  const dialog = el('dialog', { class: 'dialog', id: 'quote', 'aria-labelledby': 'quote-title' },
    el('form', { method: 'dialog' },
      el('h2', { id: 'quote-title' }, t('quote.title')), bill, current.coupons && couponField(offered, use),
      el('div', { class: 'actions' },
        el('button', { class: 'button quiet', value: 'back' }, t('quote.back')),
        el('button', { class: 'button', value: 'go', id: 'quote-go', autofocus: true }, t('quote.go')))));
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((done) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      // Without steps the buyer agreed to the list prices of the tray.
      done(dialog.returnValue === 'go' ? { total: current.steps.length ? current.total : null, coupon } : null);
    });
  });
}
