// The tills of a day: what clerks took and gave back, and what somebody else counted.

import { get, post } from './api.js';
import { deskForm } from './desk-form.js';
import { menuOf } from './desk-menu.js';
import { el } from './dom.js';
import { count, instant, price } from './format.js';
import { localized, t } from './i18n.js';
import { notify } from './notice.js';
import { runPage } from './page.js';
import { friendly } from './problem.js';
import { keep, kept } from './store.js';

const CHOSEN = 'nebula.desk';

/** Today in China, where bills are cut. */
const today = () => new Date(Date.now() + 8 * 3_600_000).toISOString().slice(0, 10);

const sum = (part) => (part.count ? t('till.lines', { count: count(part.count), amount: price(part.amount) }) : '–');
const fact = (key, value, attributes) => el('div', {}, el('dt', {}, t(key)), el('dd', attributes, value));

function lines(till) {
  const head = ['till.method', 'till.sales', 'till.refunds'];
  return el('div', { class: 'desk-scroll' }, el('table', {},
    el('thead', {}, el('tr', {}, head.map((key) => el('th', { scope: 'col' }, t(key))))),
    el('tbody', {}, till.lines.map((line) => el('tr', { 'data-method': line.method },
      el('td', {}, t(`counter.${line.method}`), ' · ', t(`counter.${line.channel}`)),
      el('td', { class: 'number' }, sum(line.sales)), el('td', { class: 'number' }, sum(line.refunds)))))));
}

function closeForm(till, path, draw) {
  return deskForm({
    id: `close-${till.clerk_id}`, mark: `${till.clerk_id}-`, title: 'till.close', submit: 'till.close',
    fields: [{ name: 'counted', label: `${t('till.counted')} (${till.opening.currency})`, inputmode: 'decimal', required: true, autocomplete: 'off' },
      { name: 'note', label: t('till.note'), maxlength: 200, autocomplete: 'off' }],
    send: async ({ counted, note }) => {
      const body = { clerk_id: till.clerk_id, day: till.day, counted: { amount: counted, currency: till.opening.currency }, ...(note && { note }) };
      draw(await post(`${path}/closings`, body, { signed: true }));
      notify(t('till.isClosed'), 'good');
    },
  });
}

function tillView(till, path, may, draw) {
  const { closing } = till;
  return el('article', { class: 'panel till', 'data-till': till.clerk_id, 'data-closed': closing ? '' : undefined },
    el('div', { class: 'till-head' }, el('h2', {}, till.clerk || till.clerk_id), el('span', { class: 'ops-word' }, t(closing ? 'till.closed' : 'till.open.state'))),
    till.lines.length > 0 && lines(till),
    el('dl', { class: 'ops-counts' },
      fact('till.start', price(till.opening)), fact('till.cash', price(till.expected_cash), { 'data-expected': till.expected_cash.amount }),
      till.commission && Number(till.commission.amount) !== 0 && fact('till.commission', price(till.commission)),
      closing && [fact('till.counted', price(closing.counted)),
        fact('till.difference', price(closing.difference), { class: Number(closing.difference.amount) ? 'ops-bad' : undefined, 'data-difference': closing.difference.amount })]),
    closing && el('p', { class: 'note' }, [t('till.closedAt', { time: instant(closing.closed_at) }), closing.note].filter(Boolean).join(' · ')),
    !closing && may('till:close') && closeForm(till, path, draw));
}

runPage({
  title: 'till.title',
  signed: true,
  async load(main) {
    const { merchants, permissions } = await get('/desk', { signed: true });
    const may = (permission) => permissions.includes(permission);
    const chosen = merchants.find((one) => one.id === kept(CHOSEN)) ?? merchants[0];
    const lead = el('header', { class: 'lead' }, el('h1', {}, t('till.title')), el('p', {}, t('till.lead')));
    if (!chosen || !may('till:read')) {
      main.replaceChildren(...menuOf(permissions), lead, el('p', { class: 'note' }, t('counter.none')));
      return;
    }
    const shown = el('div', { class: 'ops-cards', id: 'tills' });
    const merchant = el('select', { id: 'merchant' }, merchants.map((one) => el('option', { value: one.id, selected: one === chosen }, localized(one, 'name'))));
    const day = el('input', { type: 'date', id: 'day', value: new URLSearchParams(location.search).get('day') ?? today(), required: true });
    const path = () => `/desk/${encodeURIComponent(merchant.value)}/tills`;
    const draw = (report) => shown.replaceChildren(...(report.tills.length
      ? report.tills.map((till) => tillView(till, path(), may, draw)) : [el('p', { class: 'note' }, t('till.none'))]));
    const show = async () => {
      keep(CHOSEN, merchant.value);
      draw(await get(`${path()}?day=${encodeURIComponent(day.value)}`, { signed: true }));
    };
    await show();
    main.replaceChildren(...menuOf(permissions), lead,
      el('form', { class: 'desk-bar till-bar', on: { submit: (event) => {
        event.preventDefault();
        show().catch((problem) => notify(friendly(problem), 'bad'));
      } } }, el('label', { class: 'visually-hidden', for: 'merchant' }, t('till.merchant')), el('span', { class: 'desk-whose' }, merchant),
      el('label', { for: 'day' }, t('till.day')), day, el('button', { class: 'button small' }, t('till.show'))),
      shown);
  },
});
