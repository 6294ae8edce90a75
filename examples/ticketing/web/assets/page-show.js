// One show and its sessions.

import { get } from './api.js';
import { el } from './dom.js';
import { leaf, place, price, showTime, venueTimeNote, visitorTime } from './format.js';
import { heart } from './heart.js';
import { icon } from './icons.js';
import { localized, t } from './i18n.js';
import { idOfPath, runPage, setTitle } from './page.js';
import { poster } from './poster.js';
import { saleBadge, saleState } from './sale.js';

function priceRange(prices) {
  const sorted = prices.map((entry) => entry.price).sort((a, b) => Number(a.amount) - Number(b.amount));
  if (sorted.length === 0) return '';
  const [low, high] = [price(sorted[0]), price(sorted.at(-1))];
  return low === high ? low : `${low} – ${high}`;
}

function sessionRow(session) {
  const { month, day, weekday, time } = leaf(session);
  const closed = () => saleState(session) === 'closed';
  const action = el('a', { class: 'button', href: `/sessions/${encodeURIComponent(session.id)}` });
  const draw = () => {
    action.textContent = t(closed() ? 'session.look' : 'session.choose');
    action.classList.toggle('quiet', closed());
  };
  draw();
  return el('li', { class: 'session' },
    el('div', { class: 'leaf', 'aria-hidden': 'true' }, el('span', {}, month), el('strong', {}, day), el('span', {}, weekday)),
    el('div', { class: 'session-text' },
      el('h3', {}, el('span', { class: 'visually-hidden' }, showTime(session)), el('span', { 'aria-hidden': 'true' }, time)),
      el('p', { class: 'note' }, [venueTimeNote(session), visitorTime(session)].filter(Boolean).join(' · ')),
      el('p', { class: 'meta' }, icon('ticket'), el('span', {}, priceRange(session.prices)))),
    el('div', { class: 'session-act' }, saleBadge(session, draw), action));
}

/** The venue with its address, and the way to a map of the visitor's choice; nothing of anybody else is loaded here. */
function whereabouts(venue) {
  if (!venue) return null;
  const { address, latitude, longitude } = venue;
  const [north, east] = [latitude, longitude].map((degrees) => degrees?.toFixed(6));
  const links = north !== undefined && east !== undefined && el('span', { class: 'map-links' },
    el('a', { href: `geo:${north},${east}`, id: 'map-app' }, t('venue.openApp')),
    el('a', { href: `https://www.openstreetmap.org/?mlat=${north}&mlon=${east}#map=17/${north}/${east}`, id: 'map-web', target: '_blank', rel: 'noopener noreferrer' }, t('venue.openMap')));
  return el('div', { class: 'meta', id: 'venue' }, icon('pin'), el('div', {}, el('span', {}, place(venue)), address && el('span', { class: 'note' }, address), links));
}

runPage({
  title: 'show.title',
  async load(main) {
    const show = await get(`/shows/${encodeURIComponent(idOfPath())}`);
    const title = localized(show, 'title');
    setTitle(title);
    const sessions = [...show.sessions].sort((a, b) => a.starts_at.localeCompare(b.starts_at));
    main.replaceChildren(
      el('article', { class: 'show' },
        el('div', { class: 'show-art' }, poster(show.title, show.poster, { sizes: '(min-width: 760px) 480px, 100vw', eager: true })),
        el('div', { class: 'show-text' },
          el('a', { class: 'back', href: '/' }, icon('back'), t('nav.allShows')),
          el('div', { class: 'show-title' }, el('h1', {}, title), heart(show)),
          whereabouts(show.venue),
          el('p', { class: 'description' }, localized(show, 'description'))),
        el('section', { class: 'show-sessions', 'aria-labelledby': 'sessions' },
          el('h2', { id: 'sessions' }, t('show.sessions')),
          sessions.length ? el('ul', { class: 'sessions' }, sessions.map(sessionRow)) : el('p', { class: 'note' }, t('show.noSessions')))));
  },
});
