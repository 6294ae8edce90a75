// What the pages for operators have in common.

import { el } from './dom.js';
import { count } from './format.js';
import { t } from './i18n.js';

/** What is not known is no zero. */
export const known = (number) => (number === null || number === undefined ? '–' : count(number));

/** Milliseconds for people: `340 ms`, `2.5 s`, `3 min`. */
export function lasting(milliseconds) {
  if (milliseconds < 1000) return t('ops.ms', { count: count(milliseconds) });
  const seconds = milliseconds / 1000;
  return seconds < 120 ? t('ops.s', { count: count(Math.round(seconds * 10) / 10) }) : t('ops.min', { count: count(Math.round(seconds / 60)) });
}

/** A word that stands out when something is wrong. */
export const word = (text, bad = false, data = {}) => el('span', { class: bad ? 'ops-word bad' : 'ops-word', ...data }, text);

/** Numbers with their names: `[key, text, bad]`. */
export const counts = (rows) => el('dl', { class: 'ops-counts' },
  rows.map(([key, text, bad]) => el('div', {}, el('dt', {}, t(key)), el('dd', { class: bad ? 'ops-bad' : undefined }, text))));

/** A table that scrolls by itself on a narrow screen, also by keyboard. A row is `{ cells, … }`; what else it has are attributes. */
export function table(label, heads, rows, empty = 'ops.none') {
  if (!rows.length) return el('p', { class: 'note' }, t(empty));
  const line = ({ cells, ...properties }) => el('tr', properties, cells.map((cell) => (cell?.tagName === 'TD' ? cell : el('td', {}, cell))));
  return el('div', { class: 'desk-table ops-table panel', tabindex: 0, role: 'region', 'aria-label': label }, el('table', {},
    el('thead', {}, el('tr', {}, heads.map((key) => el('th', { scope: 'col' }, t(key))))), el('tbody', {}, rows.map(line))));
}

/** A cell with a number. */
export const number = (text, bad = false) => el('td', { class: bad ? 'number ops-bad' : 'number' }, text);

/** Looks again now and then while somebody looks at the page; what one look does not find the next one may. */
export const every = (milliseconds, look) => setInterval(() => { if (!document.hidden) look().catch(() => {}); }, milliseconds);
