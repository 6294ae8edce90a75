// A show in a list, with the heart that keeps it.

import { el } from './dom.js';
import { place, price, showDay } from './format.js';
import { heart } from './heart.js';
import { icon } from './icons.js';
import { localized, t } from './i18n.js';
import { poster } from './poster.js';
import { saleBadge, saleState } from './sale.js';

/** The session to speak of: one on sale, else one that opens, else the last. */
function headline(sessions) {
  const order = { open: 0, soon: 1, closed: 2 };
  return [...sessions].sort((a, b) => order[saleState(a)] - order[saleState(b)] || a.starts_at.localeCompare(b.starts_at))[0];
}

function days(sessions) {
  const texts = [...new Set([...sessions].sort((a, b) => a.starts_at.localeCompare(b.starts_at)).map(showDay))];
  return texts.length > 2 ? `${texts[0]} – ${texts.at(-1)}` : texts.join(' · ');
}

/** `changed(pressed)` is called when the heart was pressed. */
export function card(show, changed) {
  const first = headline(show.sessions);
  return el('li', { class: 'card' },
    el('a', { class: 'card-link', href: `/shows/${encodeURIComponent(show.id)}` },
      el('div', { class: 'card-art' }, poster(show.title, show.poster, { sizes: '(min-width: 700px) 380px, 100vw' }), first && saleBadge(first)),
      el('div', { class: 'card-text' },
        el('h2', {}, localized(show, 'title')),
        localized(show, 'artist') && el('p', { class: 'meta' }, icon('user'), el('span', {}, localized(show, 'artist'))),
        show.venue && el('p', { class: 'meta' }, icon('pin'), el('span', {}, place(show.venue))),
        el('p', { class: 'meta' }, icon('clock'), el('span', {}, show.sessions.length ? days(show.sessions) : t('show.noSessions'))),
        show.from_price && el('p', { class: 'from' }, t('price.from', { price: price(show.from_price) })))),
    heart(show, changed));
}
