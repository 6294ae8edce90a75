// The list of shows.

import { get } from './api.js';
import { el } from './dom.js';
import { place, price, showDay } from './format.js';
import { icon } from './icons.js';
import { localized, t } from './i18n.js';
import { button, messageBox, runPage } from './page.js';
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

function card(show) {
  const first = headline(show.sessions);
  const title = localized(show, 'title');
  return el('li', { class: 'card' },
    el('a', { class: 'card-link', href: `/shows/${encodeURIComponent(show.id)}` },
      el('div', { class: 'card-art' }, poster(show.title), first && saleBadge(first)),
      el('div', { class: 'card-text' },
        el('h2', {}, title),
        el('p', { class: 'meta' }, icon('pin'), el('span', {}, place(show.venue))),
        el('p', { class: 'meta' }, icon('clock'), el('span', {}, show.sessions.length ? days(show.sessions) : t('show.noSessions'))),
        show.from_price && el('p', { class: 'from' }, t('price.from', { price: price(show.from_price) })))));
}

runPage({
  async load(main) {
    // `/m/{merchant}` is one merchant's shop on the platform's address.
    const [, shop] = location.pathname.match(/^\/m\/([^/]+)/) ?? [];
    const { shows } = await get(shop ? `/m/${shop}/shows` : '/shows');
    if (shows.length === 0) {
      main.replaceChildren(messageBox({ title: t('shows.none'), text: t('shows.noneText'), actions: [button('reload', () => location.reload())] }));
      return;
    }
    main.replaceChildren(
      el('header', { class: 'lead' }, el('h1', {}, t('shows.title')), el('p', {}, t('shows.lead'))),
      el('ul', { class: 'cards' }, shows.map(card)));
  },
});
