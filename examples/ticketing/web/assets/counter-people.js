// Whom seats are for, where the sale asks, at a counter: written down from the documents that lie there.

import { el } from './dom.js';
import { t } from './i18n.js';
import { DOCUMENTS } from './person-form.js';

/** The fields of one person, and what they say. */
function person(title, index) {
  const labelled = (name, input) => el('div', { class: 'field' }, el('label', { for: input.id }, t(`field.${name}`)), input);
  const text = (name, maxlength) => el('input', { id: `person-${index}-${name}`, required: true, autocomplete: 'off', spellcheck: 'false', maxlength });
  const [name, country, number] = [text('name', 60), text('country', 2), text('number', 32)];
  const kind = el('select', { id: `person-${index}-kind` }, DOCUMENTS.map((one) => el('option', { value: one }, t(`person.kind.${one}`))));
  const countryField = labelled('country', country);
  // A card has no country.
  const show = () => {
    countryField.hidden = kind.value !== 'passport';
    country.required = kind.value === 'passport';
  };
  kind.addEventListener('change', show);
  show();
  return {
    element: el('fieldset', { class: 'panel' }, el('legend', {}, title), labelled('name', name), labelled('kind', kind), countryField, labelled('number', number)),
    value: () => ({ person: { name: name.value.trim(), kind: kind.value, number: number.value.trim(), ...(kind.value === 'passport' && { country: country.value.trim().toUpperCase() }) } }),
  };
}

/** Gives `[{ person }, …]`, one for each title, or null when the clerk goes back. */
export function askPeople(titles) {
  const people = titles.map(person);
  const dialog = el('dialog', { class: 'dialog', id: 'people', 'aria-labelledby': 'people-title' },
    el('form', { method: 'dialog' }, el('h2', { id: 'people-title' }, t('attendee.title')), el('p', { class: 'note' }, t('attendee.lead')),
      people.map(({ element }) => element),
      el('div', { class: 'actions' }, el('button', { class: 'button quiet', value: '', formnovalidate: true }, t('close')),
        el('button', { class: 'button', value: 'go', id: 'people-go' }, t('attendee.go')))));
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((done) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      done(dialog.returnValue === 'go' ? people.map(({ value }) => value()) : null);
    });
  });
}
