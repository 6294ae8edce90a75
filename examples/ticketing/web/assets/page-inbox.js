// What the visitor was told, newest first.

import { get, post } from './api.js';
import { el } from './dom.js';
import { moment } from './format.js';
import { t } from './i18n.js';
import { linkButton, messageBox, runPage } from './page.js';
import { notify } from './notice.js';
import { friendly } from './problem.js';
import { showUnread } from './unread.js';

const PAGE = 20;
const LINK = /\/(orders|sessions)\/[0-9a-f-]{36}/;

const load = (before) => get(`/inbox?limit=${PAGE}${before ? `&before=${encodeURIComponent(before)}` : ''}`, { signed: true });

/** The text ends with an address for mails; here it is a link of this site. */
function row(message) {
  const [link, kind] = message.text.match(LINK) ?? [];
  const text = message.text.replace(/\s*\S*\/(orders|sessions)\/[0-9a-f-]{36}\s*$/, '');
  return el('li', { class: 'order', 'data-message': message.id, 'data-read': String(Boolean(message.read_at)) },
    el('div', { class: 'order-text' },
      el('h2', {}, message.title ?? '', !message.read_at && el('span', { class: 'badge' }, t('inbox.new'))),
      el('p', {}, text),
      el('p', { class: 'note' }, moment(message.created_at)),
      link && el('a', { href: link }, t(kind === 'orders' ? 'inbox.order' : 'inbox.session'))));
}

runPage({
  title: 'inbox.title',
  signed: true,
  async load(main) {
    let { messages, next, counts } = await load();
    showUnread(counts.unread);
    const head = el('header', { class: 'lead' }, el('h1', {}, t('inbox.title')));
    if (messages.length === 0) {
      main.replaceChildren(head, messageBox({ title: t('inbox.none'), text: t('inbox.noneText'), actions: [linkButton('nav.allShows', '/')] }));
      return;
    }
    const list = el('ul', { class: 'orders', id: 'messages' }, messages.map(row));
    const read = el('button', { class: 'button quiet', type: 'button', id: 'read-all', hidden: counts.unread === 0, on: { click: async () => {
      try {
        ({ unread: counts.unread } = await post('/inbox/read', {}, { signed: true }));
        showUnread(counts.unread);
        read.hidden = true;
        for (const badge of list.querySelectorAll('.badge')) badge.remove();
        for (const message of list.children) message.dataset.read = 'true';
        notify(t('inbox.allRead'));
      } catch (problem) {
        notify(friendly(problem), 'bad');
      }
    } } }, t('inbox.readAll'));
    const more = el('button', { class: 'button quiet', type: 'button', hidden: !next, on: { click: async () => {
      try {
        ({ messages, next } = await load(next));
        list.append(...messages.map(row));
        more.hidden = !next;
      } catch (problem) {
        notify(friendly(problem), 'bad');
      }
    } } }, t('inbox.more'));
    main.replaceChildren(head, read, list, more);
  },
});
