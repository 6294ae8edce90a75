// The fields of a person with a document, for forms that take one.

import { t } from './i18n.js';

export const DOCUMENTS = ['cn-id', 'passport'];

/** As `signForm` wants them. */
export const personFields = () => [
  { name: 'name', type: 'text', autocomplete: 'off', maxlength: 60, hint: 'person.nameHint' },
  { name: 'kind', options: DOCUMENTS.map((kind) => [kind, t(`person.kind.${kind}`)]) },
  { name: 'country', type: 'text', autocomplete: 'off', autocapitalize: 'characters', maxlength: 2, required: false, hint: 'person.countryHint' },
  { name: 'number', type: 'text', autocomplete: 'off', autocapitalize: 'characters', spellcheck: 'false', maxlength: 32 },
];

/** A card has no country: its field goes and comes with the kind. */
export function countryWithKind(section, prefix) {
  const kind = section.querySelector(`#${prefix}kind`);
  const country = section.querySelector(`#${prefix}country`).closest('.field');
  const show = () => { country.hidden = kind.value !== 'passport'; };
  kind.addEventListener('change', show);
  show();
  return section;
}
