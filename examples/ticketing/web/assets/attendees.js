// Whom the seats of an order are for, where the sale asks: chosen from the buyer's contacts, before the order.

import { get } from './api.js';
import { personNote } from './attendee.js';
import { contactForm } from './contacts.js';
import { el } from './dom.js';
import { t } from './i18n.js';

const option = (contact) => el('option', { value: contact.id }, `${contact.name} · ${personNote(contact)}`);

/** Gives `[{ contact }, …]` in the order of the seats, one for all where the sale asks for one name, or null when the buyer goes back. */
export async function chooseAttendees({ names }, seats) {
  const { contacts } = await get('/me/contacts', { signed: true });
  const asked = names === 'per-order' ? [t('attendee.all')] : seats;
  const selects = asked.map((seat, index) => el('select', { id: `attendee-${index}`, required: true },
    el('option', { value: '' }, t('attendee.choose')), contacts.map(option)));
  // Whoever buys for themselves and their family has them in the order in which they are listed.
  selects.forEach((select, index) => { select.value = contacts[index]?.id ?? ''; });
  const rows = selects.map((select, index) => el('div', { class: 'field' }, el('label', { for: select.id }, asked[index]), select));
  const more = el('details', { class: 'more', open: contacts.length < asked.length }, el('summary', {}, t('contact.add')), contactForm((contact) => {
    for (const select of selects) select.append(option(contact));
    const empty = selects.find((select) => !select.value);
    if (empty) empty.value = contact.id;
    more.querySelector('form').reset();
    more.querySelector('select').dispatchEvent(new Event('change'));
    more.open = selects.some((select) => !select.value);
    (empty ?? go).focus();
  }, 'attendee-new-'));
  const go = el('button', { class: 'button', id: 'attendees-go', value: 'go' }, t('attendee.go'));
  const dialog = el('dialog', { class: 'dialog', id: 'attendees', 'aria-labelledby': 'attendees-title' },
    el('h2', { id: 'attendees-title' }, t('attendee.title')), el('p', { class: 'note' }, t('attendee.lead')),
    el('form', { method: 'dialog', id: 'attendees-form' }, rows, el('div', { class: 'actions' },
      el('button', { class: 'button quiet', type: 'button', on: { click: () => dialog.close('back') } }, t('quote.back')), go)),
    more);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((done) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      done(dialog.returnValue === 'go' ? selects.map(({ value }) => ({ contact: value })) : null);
    });
  });
}
