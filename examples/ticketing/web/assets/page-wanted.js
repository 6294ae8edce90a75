// The shows that the visitor wants to see, the latest first.

import { get } from './api.js';
import { el } from './dom.js';
import { t } from './i18n.js';
import { notify } from './notice.js';
import { button, linkButton, messageBox, runPage } from './page.js';
import { friendly } from './problem.js';
import { card } from './show-card.js';

const PAGE = 24;
const load = (after) => get(`/me/wanted?limit=${PAGE}${after ? `&after=${encodeURIComponent(after)}` : ''}`, { signed: true });

runPage({
  title: 'wanted.title',
  signed: true,
  async load(main) {
    let { shows, next } = await load();
    const head = el('header', { class: 'lead' }, el('h1', {}, t('wanted.title')), el('p', {}, t('wanted.lead')));
    if (shows.length === 0 && !next) {
      main.replaceChildren(head, messageBox({ title: t('wanted.none'), text: t('wanted.noneText'), actions: [linkButton('nav.allShows', '/')] }));
      return;
    }
    const list = el('ul', { class: 'cards', id: 'wanted' }, shows.map(({ show }) => card(show)));
    const more = button('search.more', async () => {
      try {
        ({ shows, next } = await load(next));
        const first = list.children.length;
        list.append(...shows.map(({ show }) => card(show)));
        more.parentElement.hidden = !next;
        list.children[first]?.querySelector('a').focus();
      } catch (problem) {
        notify(friendly(problem), 'bad');
      }
    }, 'button quiet');
    main.replaceChildren(head, list, el('div', { class: 'search-more', hidden: !next }, more));
  },
});
