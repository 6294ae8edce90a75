// Back office: who may not buy.

import { ask, get, post } from './api.js';
import { deskMenu } from './desk-menu.js';
import { reasonFor } from './desk-reason.js';
import { el } from './dom.js';
import { moment } from './format.js';
import { t } from './i18n.js';
import { notify } from './notice.js';
import { runPage } from './page.js';
import { friendly } from './problem.js';

const labelled = (key, input) => el('div', { class: 'field' }, el('label', { for: input.id }, t(key)), input);

function table(entries, redraw) {
  if (!entries.length) return el('p', { class: 'note' }, t('blacklist.none'));
  const remove = async (entry) => {
    const reason = await reasonFor(entry.value, { ask: 'desk.removeWhy', act: 'desk.remove', danger: true });
    if (!reason) return;
    try {
      await ask('DELETE', `/admin/blacklist/${entry.id}?reason=${encodeURIComponent(reason)}`, { signed: true });
      notify(t('desk.removed'), 'good');
      await redraw();
    } catch (problem) {
      notify(friendly(problem), 'bad');
    }
  };
  const row = (entry) => el('tr', {},
    el('td', {}, t(`desk.${entry.kind}`)), el('td', {}, entry.value), el('td', {}, entry.reason),
    el('td', {}, entry.expires_at ? moment(entry.expires_at) : t('desk.noEnd')), el('td', {}, entry.made_by ?? t('desk.rules')),
    el('td', {}, el('button', { class: 'button small quiet', type: 'button', 'aria-label': `${t('desk.remove')}: ${entry.value}`, on: { click: () => remove(entry) } }, t('desk.remove'))));
  return el('div', { class: 'desk-table panel' }, el('table', { id: 'entries' },
    el('thead', {}, el('tr', {}, ['kind', 'value', 'reason', 'until', 'by'].map((name) => el('th', { scope: 'col' }, t(`desk.${name}`))), el('th', { scope: 'col' }, el('span', { class: 'visually-hidden' }, t('desk.remove'))))),
    el('tbody', {}, entries.map(row))));
}

runPage({
  title: 'desk.blacklist',
  signed: true,
  async load(main) {
    const place = el('div', {});
    const redraw = async () => {
      const { entries } = await get('/admin/blacklist', { signed: true });
      place.replaceChildren(table(entries, redraw));
    };
    await redraw();
    const kind = el('select', { id: 'kind' }, ['user', 'network', 'device'].map((name) => el('option', { value: name }, t(`desk.${name}`))));
    const value = el('input', { id: 'value', required: true, maxlength: 200 });
    const reason = el('input', { id: 'reason', required: true, maxlength: 200 });
    const seconds = el('input', { id: 'seconds', type: 'number', min: 1, step: 1 });
    const form = el('form', { class: 'panel', id: 'new-entry' },
      el('div', { class: 'desk-fields' }, labelled('desk.kind', kind), labelled('desk.value', value), labelled('blacklist.reason', reason), labelled('desk.seconds', seconds)),
      el('div', { class: 'actions' }, el('button', { class: 'button', id: 'add' }, t('desk.add'))));
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      const entry = { kind: kind.value, value: value.value, reason: reason.value, ...(seconds.value && { seconds: Number(seconds.value) }) };
      try {
        await post('/admin/blacklist', entry, { signed: true });
        form.reset();
        notify(t('desk.added'), 'good');
        await redraw();
      } catch (problem) {
        notify(friendly(problem), 'bad');
      }
    });
    main.replaceChildren(el('div', { class: 'desk' }, await deskMenu(),
      el('header', { class: 'lead' }, el('h1', {}, t('desk.blacklist')), el('p', {}, t('desk.blacklistLead'))), form, place));
  },
});
