// Back office: the stock by the hour, and the bills of payment providers.

import { get, post } from './api.js';
import { deskMenu } from './desk-menu.js';
import { reasonFor } from './desk-reason.js';
import { el } from './dom.js';
import { count, instant, price } from './format.js';
import { localized, t } from './i18n.js';
import { notify } from './notice.js';
import { counts, every, known, number, table, word } from './operations-parts.js';
import { runPage } from './page.js';
import { friendly } from './problem.js';

/** How often the page looks for new reports. */
const EVERY_MS = 5000;

const outcome = (name) => word(t(`stock.${name}`), name === 'differs', { 'data-outcome': name });
const time = (at) => el('time', { datetime: at }, instant(at));

async function attempt(work) {
  try {
    await work();
  } catch (problem) {
    notify(friendly(problem), 'bad');
  }
}

function lastRun(runs) {
  if (!runs.length) return el('p', { class: 'note' }, t('stock.never'));
  const [{ at, sessions, mended, differing, failed }] = runs;
  return el('article', { class: 'panel', id: 'last-run', 'data-at': at }, el('p', { class: 'note' }, t('stock.last'), ' ', time(at)),
    counts([['stock.sessions', known(sessions)], ['stock.mended', known(mended), mended > 0],
      ['stock.differs', known(differing), differing > 0], ['stock.failed', known(failed), failed > 0]]));
}

/** What a report says: seats, money, and what does not agree. */
function details({ audit, outcome: name, differences, at }) {
  const seats = (key) => ['available', 'locked', 'sold'].map((state) => number(count(audit[key][state])));
  const wrong = Object.entries(audit.violations).filter(([, found]) => found > 0);
  return [
    el('p', {}, outcome(name), ' ', time(at), ' · ', t('stock.found', { count: differences })),
    table(t('stock.seats'), ['stock.where', 'stock.available', 'stock.locked', 'stock.sold'],
      ['ledger', 'database'].map((key) => ({ cells: [t(`stock.${key}`), ...seats(key)] }))),
    audit.money.length > 0 && table(t('stock.money'), ['stock.taken', 'stock.tickets', 'stock.refunds', 'stock.fees'],
      audit.money.map((one) => ({ cells: ['taken', 'tickets', 'refunds', 'fees'].map((key) => number(price(one[key]))) }))),
    wrong.length > 0 && el('ul', {}, wrong.map(([key, found]) => el('li', { class: 'ops-bad' }, `${t(`stock.violation.${key}`)}: ${count(found)}`))),
  ].filter(Boolean);
}

async function showReports(session, may, done) {
  await attempt(async () => {
    const reports = await get(`/admin/stock-reports/${session.session_id}`, { signed: true });
    const [latest, ...earlier] = reports;
    const dialog = el('dialog', { class: 'dialog ops-dialog', id: 'reports', 'aria-labelledby': 'reports-title' });
    const recount = async () => {
      dialog.close();
      const reason = await reasonFor(localized(session, 'title'), { ask: 'stock.why', act: 'stock.recount', danger: true });
      if (!reason) return;
      await attempt(async () => {
        const answer = await post(`/admin/stock-reports/${session.session_id}/recount`, { reason }, { signed: true });
        notify(t('stock.recounted', { outcome: t(`stock.${answer.outcome}`) }), answer.outcome === 'sound' ? 'good' : 'bad');
        await done();
      });
    };
    dialog.append(el('form', { method: 'dialog' },
      el('h2', { id: 'reports-title' }, localized(session, 'title')), details(latest),
      earlier.length > 0 && el('details', {}, el('summary', {}, t('stock.earlier')),
        el('ul', {}, earlier.map((one) => el('li', {}, time(one.at), ' ', outcome(one.outcome), ' ', t('stock.found', { count: one.differences }))))),
      el('details', {}, el('summary', {}, 'JSON'), el('pre', { class: 'ops-body', tabindex: 0 }, JSON.stringify(latest.audit, null, 2))),
      el('div', { class: 'actions' }, el('button', { class: 'button quiet', id: 'reports-close' }, t('close')),
        may && el('button', { class: 'button danger', type: 'button', id: 'recount', on: { click: recount } }, t('stock.recount')))));
    document.body.append(dialog);
    dialog.addEventListener('close', () => dialog.remove());
    dialog.showModal();
  });
}

runPage({
  title: 'stock.title',
  signed: true,
  async load(main) {
    const { permissions } = await get('/desk', { signed: true });
    const may = permissions.includes('stock:repair');
    const stock = el('div', { class: 'ops-part', id: 'stock' });
    let drawn = null;
    const draw = async () => {
      const { runs, sessions } = await get('/admin/stock-reports', { signed: true, repeats: 0 });
      // What has not changed stays as it is, under the pointer as well.
      const now = JSON.stringify([runs[0]?.at, sessions]);
      if (now === drawn) return;
      drawn = now;
      const at = document.activeElement?.dataset?.open;
      stock.replaceChildren(lastRun(runs), table(t('stock.of'), ['stock.show', 'stock.outcome', 'stock.differences', 'stock.more', 'stock.at', 'stock.begins'],
        sessions.map((one) => ({ 'data-session': one.session_id, cells: [localized(one, 'title'), outcome(one.outcome), number(count(one.differences), one.differences > 0),
          el('button', { class: 'button small quiet', type: 'button', 'data-open': one.session_id, on: { click: () => showReports(one, may, draw) } },
            t('stock.open'), el('span', { class: 'visually-hidden' }, `: ${localized(one, 'title')}`)), time(one.at), time(one.starts_at)] })), 'stock.none'));
      if (at) [...stock.querySelectorAll('[data-open]')].find((button) => button.dataset.open === at)?.focus();
    };
    const compare = () => attempt(async () => {
      await post('/admin/stock-reports', undefined, { signed: true });
      notify(t('stock.begun'), 'good');
    });
    const bills = permissions.includes('statement:compare') ? (await get('/admin/statements', { signed: true })).statements : null;
    await draw();
    main.replaceChildren(el('div', { class: 'desk' }, await deskMenu(),
      el('header', { class: 'lead' }, el('h1', {}, t('stock.title')), el('p', {}, t('stock.lead'))),
      el('section', { class: 'ops-part' }, el('h2', {}, t('stock.stock')), stock,
        may && el('div', { class: 'ops-bar' }, el('button', { class: 'button', type: 'button', id: 'compare', on: { click: compare } }, t('stock.compare')))),
      bills && el('section', { class: 'ops-part', id: 'bills' }, el('h2', {}, t('stock.bills')),
        table(t('stock.bills'), ['stock.provider', 'stock.day', 'stock.differences', 'stock.at', 'stock.more'],
          bills.map((one) => ({ cells: [one.provider, one.day, number(count(one.differences), one.differences > 0), time(one.at),
            el('a', { href: `/admin/statements?provider=${encodeURIComponent(one.provider)}&day=${encodeURIComponent(one.day)}` }, t('stock.open'),
              el('span', { class: 'visually-hidden' }, `: ${one.provider} ${one.day}`))] })), 'stock.noBills'),
        el('p', {}, el('a', { href: '/admin/statements' }, t('stock.bill'))))));
    every(EVERY_MS, draw);
  },
});
