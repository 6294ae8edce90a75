// The counter: a session, seats for whoever stands there, the money, the tickets. What is at hand stands in the address, so that
// a reload goes on with it.

import { get } from './api.js';
import { chooseSeats } from './counter-seats.js';
import { sessionsOf } from './counter-sessions.js';
import { saleOf } from './counter-sale.js';
import { menuOf } from './desk-menu.js';
import { el } from './dom.js';
import { localized, t } from './i18n.js';
import { runPage, setTitle } from './page.js';
import { keep, kept } from './store.js';

const CHOSEN = 'nebula.desk';

runPage({
  title: 'counter.title',
  signed: true,
  async load(main) {
    const { merchants, permissions } = await get('/desk', { signed: true });
    const asked = new URLSearchParams(location.search);
    const merchant = merchants.find((one) => one.id === (asked.get('merchant') ?? kept(CHOSEN))) ?? merchants[0];
    setTitle(t('counter.title'));
    if (!merchant || !permissions.includes('order:sell')) {
      main.replaceChildren(...menuOf(permissions), el('header', { class: 'lead' }, el('h1', {}, t('counter.title')), el('p', {}, t('counter.none'))));
      return;
    }
    keep(CHOSEN, merchant.id);
    const go = (more = {}) => location.assign(`/desk/counter?${new URLSearchParams({ merchant: merchant.id, ...more })}`);
    const desk = { path: `/desk/${encodeURIComponent(merchant.id)}/counter`, merchant, go };
    const [session, order] = [asked.get('session'), asked.get('order')];
    document.body.classList.toggle('page-session', Boolean(session));
    if (session) {
      await chooseSeats(main, desk, session);
      return;
    }
    const whose = merchants.length > 1
      ? el('select', { id: 'merchant', 'aria-label': t('desk.merchant'), on: { change: ({ target }) => location.assign(`/desk/counter?merchant=${encodeURIComponent(target.value)}`) } },
        merchants.map((one) => el('option', { value: one.id, selected: one === merchant }, localized(one, 'name'))))
      : el('strong', {}, localized(merchant, 'name'));
    const body = order ? await saleOf(desk, order) : await sessionsOf(desk);
    main.replaceChildren(...menuOf(permissions),
      el('header', { class: 'lead' }, el('h1', {}, t('counter.title')), el('p', {}, t('counter.lead')), el('div', { class: 'desk-whose' }, whose)), body);
  },
});
