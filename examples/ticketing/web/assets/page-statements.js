// A provider's bill of a day against the books.

import { get, post } from './api.js';
import { deskMenu } from './desk-menu.js';
import { el } from './dom.js';
import { count, instant, price } from './format.js';
import { t } from './i18n.js';
import { notify } from './notice.js';
import { runPage } from './page.js';
import { friendly } from './problem.js';

/** The latest day that is over in China, where bills are cut. */
const yesterday = () => new Date(Date.now() + 8 * 3_600_000 - 86_400_000).toISOString().slice(0, 10);

const amount = (money) => (money ? price(money) : '–');

function report(data) {
  const fine = data.differences.length === 0;
  return el('section', { class: 'panel', id: 'report', 'data-differences': data.differences.length },
    el('h2', {}, `${data.provider} · ${data.day}`),
    el('p', {}, fine ? t('bill.fine') : t('bill.differs', { count: data.differences.length })),
    el('p', { class: 'note' }, t('bill.matched', { count: count(data.matched), time: instant(data.at) })),
    !fine && el('div', { class: 'desk-scroll' }, el('table', { class: 'desk-table' },
      el('thead', {}, el('tr', {}, ['bill.kind', 'bill.subject', 'bill.theirs', 'bill.ours'].map((key) => el('th', { scope: 'col' }, t(key))))),
      el('tbody', {}, data.differences.map((one) => el('tr', {}, el('td', {}, t(`bill.${one.kind}`)), el('td', {}, one.subject),
        el('td', { class: 'number' }, amount(one.theirs)), el('td', { class: 'number' }, amount(one.ours))))))));
}

runPage({
  title: 'bill.title',
  signed: true,
  async load(main) {
    const { providers } = await get('/payments/providers');
    const asked = new URLSearchParams(location.search);
    const provider = el('select', { id: 'provider' }, providers.map((name) => el('option', { selected: name === asked.get('provider') }, name)));
    const day = el('input', { type: 'date', id: 'day', value: asked.get('day') ?? yesterday(), max: yesterday(), required: true });
    const shown = el('div', {});
    const path = () => `/admin/statements/${encodeURIComponent(provider.value)}/${day.value}`;
    const run = async (ask) => {
      try {
        shown.replaceChildren(report(await ask(path())));
      } catch (problem) {
        if (problem.status === 404) shown.replaceChildren(el('p', { class: 'note' }, t('bill.notYet')));
        else notify(friendly(problem), 'bad');
      }
    };
    const form = el('form', { class: 'desk-form', on: { submit: (event) => {
      event.preventDefault();
      run((where) => post(where, {}, { signed: true, timeout: 60_000 }));
    } } },
    el('label', {}, t('bill.provider'), provider), el('label', {}, t('bill.day'), day),
    el('div', { class: 'desk-bar' }, el('button', { class: 'button', id: 'compare' }, t('bill.compare')),
      el('button', { class: 'button quiet', type: 'button', on: { click: () => run((where) => get(where, { signed: true })) } }, t('bill.show'))));
    main.replaceChildren(...await deskMenu(), el('header', { class: 'lead' }, el('h1', {}, t('bill.title')), el('p', {}, t('bill.lead'))),
      el('div', { class: 'desk-columns' }, el('section', { class: 'panel' }, form), shown));
    if (asked.has('day')) await run((where) => get(where, { signed: true }));
  },
});
