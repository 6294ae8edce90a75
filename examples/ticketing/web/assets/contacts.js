// Whose my account is, and whom I buy for.

import { ask } from './api.js';
import { personNote } from './attendee.js';
import { el } from './dom.js';
import { t } from './i18n.js';
import { notify } from './notice.js';
import { countryWithKind, personFields } from './person-form.js';
import { friendly } from './problem.js';
import { signForm } from './sign-form.js';

const trying = (run) => async () => {
  try {
    await run();
  } catch (problem) {
    notify(friendly(problem), 'bad');
  }
};

const authorityNote = (authority) => authority !== 'http' && el('p', { class: 'note', id: 'authority' }, t(`identity.${authority}`));

/** Shows whose the account is, or lets its owner show it. */
export function identity({ identity: known, authority }, again) {
  if (known) {
    const remove = trying(async () => {
      await ask('DELETE', '/me/identity', { signed: true });
      notify(t('account.saved'));
      await again();
    });
    return el('section', { class: 'sign', id: 'identity' }, el('h2', {}, t('identity.title')),
      el('ul', { class: 'orders' }, el('li', { class: 'order' }, el('div', { class: 'order-text' },
        el('h3', {}, known.name, el('span', { class: 'badge' }, t('identity.verified'))), el('p', { class: 'note' }, personNote(known)),
        el('button', { class: 'button quiet small', type: 'button', id: 'identity-remove', on: { click: remove } }, t('identity.remove'))))),
      authorityNote(authority));
  }
  const section = signForm({
    title: 'identity.title', lead: 'identity.lead', submit: 'identity.submit', path: '/me/identity', method: 'PUT', signed: true,
    prefix: 'identity-', heading: 'h2', fields: personFields(), foot: authorityNote(authority),
    async done() {
      notify(t('identity.done'));
      await again();
    },
  });
  section.id = 'identity';
  return countryWithKind(section, 'identity-');
}

function rename(contact, again) {
  const dialog = el('dialog', { class: 'dialog', 'aria-label': t('contact.rename') });
  const form = signForm({
    title: 'contact.rename', submit: 'account.save', path: `/me/contacts/${contact.id}`, method: 'PATCH', signed: true, prefix: 'rename-', heading: 'h2',
    fields: [{ name: 'name', type: 'text', autocomplete: 'off', maxlength: 60, hint: 'contact.renameHint' }],
    foot: el('button', { class: 'button quiet', type: 'button', on: { click: () => dialog.close() } }, t('close')),
    async done() {
      dialog.close();
      await again();
    },
  });
  dialog.append(form);
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

/** The form that adds somebody; `done` gets the contact. */
export const contactForm = (done, prefix = 'contact-') => countryWithKind(signForm({
  submit: 'contact.submit', path: '/me/contacts', signed: true, prefix, fields: personFields(), done,
}), prefix);

/** The people I buy for. */
export function contacts(list, again) {
  const row = (contact) => el('li', { class: 'order', 'data-contact': contact.id }, el('div', { class: 'order-text' },
    el('h3', {}, contact.name), el('p', { class: 'note' }, personNote(contact)),
    el('div', { class: 'actions' },
      el('button', { class: 'button quiet small', type: 'button', on: { click: () => rename(contact, again) } }, t('contact.rename')),
      el('button', { class: 'button quiet small', type: 'button', 'aria-label': t('contact.removeName', { name: contact.name }), on: { click: trying(async () => {
        await ask('DELETE', `/me/contacts/${contact.id}`, { signed: true });
        await again();
      }) } }, t('contact.remove')))));
  return el('section', { class: 'sign', id: 'contacts' }, el('h2', {}, t('contact.title')), el('p', { class: 'note' }, t('contact.lead')),
    list.length > 0 && el('ul', { class: 'orders' }, list.map(row)),
    el('details', { class: 'more', id: 'add-contact' }, el('summary', {}, t('contact.add')), contactForm(again)));
}
