// Back office: what leads to its other pages, for those who may go there.

import { get } from './api.js';
import { el } from './dom.js';
import { t } from './i18n.js';
import './operations-words.js';

const PAGES = [
  ['/desk', 'catalog:read', 'desk'],
  ['/desk/merchants', 'merchant:read', 'merchants'],
  ['/desk/counter', 'order:sell', 'counter'],
  ['/desk/tills', 'till:read', 'tills'],
  ['/desk/queues', 'queue:read', 'queues'],
  ['/desk/reconcile', 'stock:read', 'reconcile'],
  ['/desk/jobs', 'job:read', 'jobs'],
  ['/desk/system', 'system:read', 'system'],
  ['/desk/load', 'limits:edit', 'load'],
  ['/desk/admission', 'admission:read', 'admission'],
  ['/desk/blacklist', 'blacklist:read', 'blacklist'],
  ['/admin/refunds', 'refund:read', 'refunds'],
  ['/admin/statements', 'statement:compare', 'statements'],
  ['/admin/check-in', 'ticket:check-in', 'door'],
];

/** The menu for somebody with these permissions: nothing where there is nowhere else to go. */
export function menuOf(permissions) {
  const pages = PAGES.filter(([, permission]) => permissions.includes(permission));
  if (pages.length < 2) return [];
  return [el('nav', { class: 'ops-menu', 'aria-label': t('menu.label') },
    pages.map(([path, , name]) => el('a', { href: path, 'aria-current': path === location.pathname ? 'page' : undefined }, t(`menu.${name}`))))];
}

/** The same; asks for the permissions. Without an answer there is no menu. */
export const deskMenu = async () => menuOf((await get('/desk', { signed: true }).catch(() => ({ permissions: [] }))).permissions);
