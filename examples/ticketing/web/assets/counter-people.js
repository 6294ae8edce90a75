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
    focus: (field) => ({ name, country, number }[field] ?? name).focus(),
    value: () => ({ person: { name: name.value.trim(), kind: kind.value, number: number.value.trim(), ...(kind.value === 'passport' && { country: country.value.trim().toUpperCase() }) } }),
  };
}

/**
 * Asks for one person for each title. `send` gets `[{ person }, …]`, and answers what is wrong with them, if anything is: what was
 * typed stays until it is right, or the clerk goes back.
 */
export function askPeople(titles, send) {
  const people = titles.map(person);
  const wrong = el('p', { class: 'form-error', role: 'alert' });
  const go = el('button', { class: 'button', id: 'people-go' }, t('attendee.go'));
  const close = el('button', { class: 'button quiet', type: 'button', id: 'people-close', on: { click: () => dialog.close() } }, t('close'));
  const busy = (now) => {
    go.setAttribute('aria-disabled', String(now));
    go.classList.toggle('busy', now);
  };
  const submit = async (event) => {
    event.preventDefault();
    if (go.getAttribute('aria-disabled') === 'true') return;
    wrong.textContent = '';
    busy(true);
    const problem = await send(people.map(({ value }) => value()));
    busy(false);
    if (!problem) {
      dialog.close();
      return;
    }
    wrong.textContent = problem.text;
    people[problem.index ?? 0]?.focus(problem.field);
  };
  const dialog = el('dialog', { class: 'dialog', id: 'people', 'aria-labelledby': 'people-title' },
    el('form', { on: { submit } }, el('h2', { id: 'people-title' }, t('attendee.title')), el('p', { class: 'note' }, t('attendee.lead')),
      people.map(({ element }) => element), wrong, el('div', { class: 'actions' }, close, go)));
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
