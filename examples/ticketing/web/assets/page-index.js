// The list of shows.

import { get } from './api.js';
import { el } from './dom.js';
import { t } from './i18n.js';
import { notify } from './notice.js';
import { button, linkButton, messageBox, runPage } from './page.js';
import { friendly } from './problem.js';
import { asked, parameters, searchForm } from './search.js';
import { card } from './show-card.js';

/** `/m/{merchant}` is one merchant's shop on the platform's address. */
function shopPath() {
  const [, shop] = location.pathname.match(/^\/m\/([^/]+)/) ?? [];
  return shop ? `/m/${shop}` : '';
}

const PAGE = 24;
const query = (shop, wanted) => `${shop}/search?${new URLSearchParams(wanted)}`;
const cards = (shows) => el('ul', { class: 'cards' }, shows.map((show) => card(show)));

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
      list.append(...next.shows.map((show) => card(show)));
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
