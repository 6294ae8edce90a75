// The list of shows.

import { get } from './api.js';
import { el } from './dom.js';
import { place, price, showDay } from './format.js';
import { icon } from './icons.js';
import { localized, t } from './i18n.js';
import { notify } from './notice.js';
import { button, linkButton, messageBox, runPage } from './page.js';
import { poster } from './poster.js';
import { friendly } from './problem.js';
import { saleBadge, saleState } from './sale.js';
import { asked, parameters, searchForm } from './search.js';

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
        localized(show, 'artist') && el('p', { class: 'meta' }, icon('user'), el('span', {}, localized(show, 'artist'))),
        el('p', { class: 'meta' }, icon('pin'), el('span', {}, place(show.venue))),
        el('p', { class: 'meta' }, icon('clock'), el('span', {}, show.sessions.length ? days(show.sessions) : t('show.noSessions'))),
        show.from_price && el('p', { class: 'from' }, t('price.from', { price: price(show.from_price) })))));
}

/** `/m/{merchant}` is one merchant's shop on the platform's address. */
function shopPath() {
  const [, shop] = location.pathname.match(/^\/m\/([^/]+)/) ?? [];
  return shop ? `/m/${shop}` : '';
}

const PAGE = 24;
const query = (shop, wanted) => `${shop}/search?${new URLSearchParams(wanted)}`;
const cards = (shows) => el('ul', { class: 'cards' }, shows.map(card));

/** What was found, and more of it on request. */
function results(shop, wanted, { shows, total, degraded }) {
  if (total === 0) {
    return [messageBox({ title: t('search.none'), text: t('search.noneText'), actions: [linkButton('search.clear', location.pathname)], role: 'status' })];
  }
  const list = cards(shows);
  const more = button('search.more', async () => {
    try {
      const next = await get(query(shop, { ...wanted, limit: PAGE, offset: list.children.length }));
      const first = list.children.length;
      list.append(...next.shows.map(card));
      more.parentElement.hidden = next.shows.length === 0 || list.children.length >= total;
      list.children[first]?.querySelector('a').focus();
    } catch (problem) {
      notify(friendly(problem), 'bad');
    }
  }, 'button quiet');
  return [
    el('p', { class: 'search-count', role: 'status' },
      el('span', { id: 'found' }, t('search.found', { count: total })), degraded && el('span', {}, t('search.degraded')),
      el('a', { href: location.pathname }, t('search.clear'))),
    list,
    el('div', { class: 'search-more', hidden: shows.length >= total }, more),
  ];
}

runPage({
  async load(main) {
    const [shop, wanted] = [shopPath(), asked()];
    if (wanted) {
      const given = parameters(wanted);
      const found = await get(query(shop, { ...given, limit: PAGE }));
      main.replaceChildren(
        el('header', { class: 'lead' }, el('h1', {}, t('search.title'))),
        searchForm({ shop, facets: found.facets, wanted }), ...results(shop, given, found));
      return;
    }
    // The list does without the search; the form does without what to filter by.
    const [{ shows }, facets] = await Promise.all([
      get(`${shop}/shows`), get(query(shop, { limit: 1 }), { repeats: 0, timeout: 4000 }).then((found) => found.facets, () => null)]);
    if (shows.length === 0) {
      main.replaceChildren(messageBox({ title: t('shows.none'), text: t('shows.noneText'), actions: [button('reload', () => location.reload())] }));
      return;
    }
    main.replaceChildren(
      el('header', { class: 'lead' }, el('h1', {}, t('shows.title')), el('p', {}, t('shows.lead'))),
      searchForm({ shop, facets, wanted }),
      cards(shows));
  },
});
