// Whose a seat is, in a few words.

import { el } from './dom.js';
import { t } from './i18n.js';

/** Whether an authority agreed, where it has not. */
const doubt = ({ verified }) => (verified === 'yes' ? null : t(`attendee.${verified}`));

/** Name and number as far as the reader may know them; nothing where a sale asks for no names. */
export function attendeeNote(attendee) {
  if (!attendee) return null;
  const text = [attendee.name, attendee.number ?? (attendee.ends && t('attendee.ends', { digits: attendee.ends })), doubt(attendee)].filter(Boolean).join(' · ');
  return el('span', { class: 'note attendee', 'data-verified': attendee.verified }, text);
}

/** The same of a contact. */
export const personNote = ({ kind, country, number }) =>
  [t(`person.kind.${kind}`), kind === 'passport' && country, number].filter(Boolean).join(' · ');
