// Where I get mail.

import { ask } from './api.js';
import { el } from './dom.js';
import { t } from './i18n.js';
import { notify } from './notice.js';
import { friendly } from './problem.js';
import { signForm } from './sign-form.js';

const fields = (address = {}) => [
  { name: 'recipient', type: 'text', autocomplete: 'name', maxlength: 60, value: address.recipient },
  { name: 'region', type: 'text', autocomplete: 'address-level1', maxlength: 120, value: address.region, hint: 'place.regionHint' },
  { name: 'street', type: 'text', autocomplete: 'street-address', maxlength: 200, value: address.street },
  { name: 'postcode', type: 'text', autocomplete: 'postal-code', maxlength: 16, required: false, value: address.postcode },
  { name: 'phone', type: 'tel', autocomplete: 'tel', maxlength: 32, required: false, value: address.phone },
];

function change(address, again) {
  const dialog = el('dialog', { class: 'dialog', 'aria-label': t('place.change') }, signForm({
    title: 'place.change', submit: 'account.save', path: `/me/addresses/${address.id}`, method: 'PUT', signed: true, prefix: 'place-change-', heading: 'h2',
    fields: fields(address),
    foot: el('button', { class: 'button quiet', type: 'button', on: { click: () => dialog.close() } }, t('close')),
    async done() {
      dialog.close();
      await again();
    },
  }));
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

/** My addresses, with the form that adds one. */
export function addresses(list, again) {
  const remove = async (id) => {
    try {
      await ask('DELETE', `/me/addresses/${id}`, { signed: true });
      await again();
    } catch (problem) {
      notify(friendly(problem), 'bad');
    }
  };
  const row = (address) => el('li', { class: 'order', 'data-address': address.id }, el('div', { class: 'order-text' },
    el('h3', {}, address.recipient), el('p', { class: 'note' }, [address.street, address.region, address.postcode, address.phone].filter(Boolean).join(', ')),
    el('div', { class: 'actions' },
      el('button', { class: 'button quiet small', type: 'button', on: { click: () => change(address, again) } }, t('place.change')),
      el('button', { class: 'button quiet small', type: 'button', 'aria-label': t('contact.removeName', { name: address.street }), on: { click: () => remove(address.id) } }, t('contact.remove')))));
  return el('section', { class: 'sign', id: 'addresses' }, el('h2', {}, t('place.title')),
    list.length > 0 && el('ul', { class: 'orders' }, list.map(row)),
    el('details', { class: 'more', id: 'add-address' }, el('summary', {}, t('place.add')), signForm({
      submit: 'contact.submit', path: '/me/addresses', signed: true, prefix: 'place-', fields: fields(), done: again,
    })));
}
