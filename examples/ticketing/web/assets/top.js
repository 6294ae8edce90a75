// Header and footer, the same on every page.

import { get, post } from './api.js';
import { forget, refreshToken, signInAddress, user } from './account.js';
import { byId, el } from './dom.js';
import { brandMark, icon } from './icons.js';
import { lang, switchTo, t } from './i18n.js';
import { showUnread } from './unread.js';

function languageSwitch() {
  const other = lang === 'zh' ? 'en' : 'zh';
  return el('button', { class: 'plain', type: 'button', id: 'language', lang: other === 'zh' ? 'zh-CN' : 'en',
    'aria-label': other === 'zh' ? '切换到中文' : 'Switch to English', on: { click: () => switchTo(other) } },
  other === 'zh' ? '中文' : 'English');
}

async function signOut() {
  const token = refreshToken();
  forget();
  // Signed out here in any case; the server forgets the token as soon as it can be reached.
  if (token) await post('/auth/logout', { refresh_token: token }, { timeout: 4000 }).catch(() => {});
  location.assign('/');
}

function account() {
  const who = user();
  if (!who) {
    const here = ['/login', '/register', '/forgot'].includes(location.pathname);
    return el('a', { class: 'button small', id: 'sign-in', href: here ? `/login${location.search}` : signInAddress() }, t('nav.signIn'));
  }
  return el('details', { class: 'menu', id: 'account' },
    el('summary', { 'aria-label': t('nav.account', { name: who.display_name }) },
      icon('user'), el('span', { class: 'menu-name' }, who.display_name),
      el('span', { class: 'badge', id: 'unread', hidden: true })),
    el('div', { class: 'menu-body' },
      el('p', {}, el('strong', {}, who.display_name), el('span', {}, who.email)),
      el('a', { href: '/orders' }, t('nav.orders')),
      el('a', { href: '/wanted' }, t('nav.wanted')),
      el('a', { href: '/inbox', id: 'inbox' }, t('nav.inbox')),
      el('a', { href: '/account' }, t('nav.profile')),
      who.roles?.length > 0 && el('a', { href: '/desk' }, t('nav.desk')),
      el('button', { type: 'button', id: 'sign-out', on: { click: signOut } }, t('nav.signOut'))));
}

function offlineBar() {
  const bar = el('div', { class: 'offline-bar', role: 'status', hidden: navigator.onLine },
    icon('offline'), el('span', {}, t('offline')));
  addEventListener('offline', () => { bar.hidden = false; });
  addEventListener('online', () => { bar.hidden = true; });
  return bar;
}

/** Fills the header and footer that the page left room for. */
export function drawTop() {
  const path = location.pathname;
  const link = (href, key, current) =>
    el('a', { href, 'aria-current': current ? 'page' : undefined }, t(key));
  const menu = account();
  byId('top').replaceChildren(
    el('div', { class: 'wide top-in' },
      el('a', { class: 'brand', href: '/' }, brandMark(), el('span', {}, t('brand'))),
      el('nav', { 'aria-label': t('nav.label') },
        link('/', 'nav.shows', path === '/' || path.startsWith('/shows')),
        link('/orders', 'nav.orders', path.startsWith('/orders'))),
      el('div', { class: 'tools' }, languageSwitch(), menu)),
    offlineBar());
  // A page is of use without the number.
  if (user() && path !== '/inbox') get('/inbox/state', { signed: true }).then(({ unread }) => showUnread(unread)).catch(() => {});
  byId('foot')?.replaceChildren(el('div', { class: 'wide' }, el('p', {}, t('foot.about')), el('p', {}, t('foot.demo'))));

  addEventListener('click', (event) => { if (!menu.contains(event.target)) menu.removeAttribute('open'); });
  addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || !menu.hasAttribute('open')) return;
    menu.removeAttribute('open');
    menu.querySelector('summary').focus();
  });
  document.querySelector('.skip').textContent = t('nav.skip');
}
