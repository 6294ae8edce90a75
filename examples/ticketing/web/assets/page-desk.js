// The desk of a merchant: what stands after the hash is the part that is shown.

import { get } from './api.js';
import { sessions, shows, venues } from './desk-catalog.js';
import { coupons } from './desk-coupons.js';
import { menuOf } from './desk-menu.js';
import { orders } from './desk-orders.js';
import { rules } from './desk-rules.js';
import { acceptForm, staff } from './desk-staff.js';
import { el } from './dom.js';
import { localized, t } from './i18n.js';
import { runPage } from './page.js';
import { keep, kept } from './store.js';

const CHOSEN = 'nebula.desk';
const PARTS = [
  ['sessions', 'catalog:read', sessions],
  ['orders', 'order:read', orders],
  ['shows', 'catalog:read', shows],
  ['venues', 'catalog:read', venues],
  ['rules', 'rule:read', rules],
  ['coupons', 'coupon:read', coupons],
  ['staff', 'staff:read', staff],
];

async function draw(main) {
  const { merchants, permissions } = await get('/desk', { signed: true });
  const redraw = () => draw(main);
  if (merchants.length === 0) {
    main.replaceChildren(el('header', { class: 'lead' }, el('h1', {}, t('desk.title')), el('p', {}, t('desk.nowhere'))), acceptForm(redraw));
    return;
  }
  const merchant = merchants.find(({ id }) => id === kept(CHOSEN)) ?? merchants[0];
  const may = (permission) => permissions.includes(permission);
  // Fields that this desk shows in full.
  const sees = (field) => merchant.fields[field] === 'full';
  const parts = PARTS.filter(([, permission]) => may(permission));
  const [part, , fill] = parts.find(([name]) => name === location.hash.slice(1)) ?? parts[0];
  const choice = el('select', { id: 'merchant', 'aria-label': t('desk.merchant'), on: { change: ({ target }) => { keep(CHOSEN, target.value); redraw(); } } },
    merchants.map((one) => el('option', { value: one.id, selected: one === merchant }, localized(one, 'name'))));
  const body = await fill({ path: `/desk/${encodeURIComponent(merchant.id)}`, may, sees, draw: redraw });
  body.dataset.part = part;
  main.replaceChildren(
    ...menuOf(permissions),
    el('header', { class: 'lead' }, el('h1', {}, t('desk.title')),
      el('div', { class: 'desk-whose' }, merchants.length > 1 ? choice : el('strong', {}, localized(merchant, 'name')),
        el('a', { href: `/m/${encodeURIComponent(merchant.id)}` }, t('desk.shop')))),
    el('nav', { class: 'desk-tabs', 'aria-label': t('desk.title') },
      parts.map(([name]) => el('a', { href: `#${name}`, 'aria-current': name === part ? 'page' : undefined }, t(`desk.part.${name}`)))),
    body);
  // What was added stands at the top of its list.
  scrollTo(0, 0);
}

await runPage({ title: 'desk.title', signed: true, load: async (main) => {
  await draw(main);
  onhashchange = () => draw(main);
} });
