// Back office: what is given up under load.

import { ask, get } from './api.js';
import { deskMenu } from './desk-menu.js';
import { el } from './dom.js';
import { moment } from './format.js';
import { t } from './i18n.js';
import { notify } from './notice.js';
import { runPage } from './page.js';
import { friendly } from './problem.js';

/** How often the page looks again. */
const EVERY_MS = 3000;

const labelled = (key, input) => el('div', { class: 'field' }, el('label', { for: input.id }, t(key)), input);

/** What is refused now, the first first. */
function state({ level, automatic_level: automatic, classes, ordered, lateness_ms: lateness, wait_ms: wait }) {
  const row = (name, index) => el('tr', { 'data-class': name, 'data-refused': String(index < level) },
    el('td', {}, index + 1), el('td', {}, t(`load.class.${name}`)), el('td', {}, t(index < level ? 'load.refused' : 'load.served')));
  return [
    el('p', { class: 'banner', id: 'level', role: 'status', 'data-level': level }, t(`load.level.${level}`)),
    el('div', { class: 'desk-table panel' }, el('table', {},
      el('thead', {}, el('tr', {}, ['load.order', 'load.what', 'load.now'].map((key) => el('th', { scope: 'col' }, t(key))))),
      el('tbody', {}, classes.map(row)))),
    el('p', { class: 'note' }, t('load.measured', { lateness, wait, automatic })),
    ordered.made_by && el('p', { class: 'note' }, t('load.ordered', { least: ordered.least, reason: ordered.reason, time: moment(ordered.made_at) })),
  ].filter(Boolean);
}

runPage({
  title: 'load.title',
  signed: true,
  async load(main) {
    const place = el('div', {});
    const first = await get('/admin/load', { signed: true });
    place.replaceChildren(...state(first));

    const least = el('select', { id: 'least' }, [0, 1, 2, 3, 4].map((level) =>
      el('option', { value: level, selected: level === first.ordered.least }, t(`load.level.${level}`))));
    const automatic = el('input', { id: 'automatic', type: 'checkbox', checked: first.ordered.automatic });
    const reason = el('input', { id: 'reason', required: true, maxlength: 200 });
    const form = el('form', { class: 'panel', id: 'order' },
      el('div', { class: 'desk-fields' }, labelled('load.least', least), labelled('load.reason', reason)),
      el('label', { class: 'check' }, automatic, ' ', t('load.automatic')),
      el('div', { class: 'actions' }, el('button', { class: 'button', id: 'apply' }, t('load.apply'))));
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      const body = { least: Number(least.value), automatic: automatic.checked, reason: reason.value };
      try {
        place.replaceChildren(...state(await ask('PUT', '/admin/load', { body, signed: true })));
        reason.value = '';
        notify(t('load.applied'), 'good');
      } catch (problem) {
        notify(friendly(problem), 'bad');
      }
    });
    main.replaceChildren(el('div', { class: 'desk' }, await deskMenu(),
      el('header', { class: 'lead' }, el('h1', {}, t('load.title')), el('p', {}, t('load.lead'))), place, form));

    setInterval(async () => {
      if (document.hidden) return;
      // The next look may find what this one did not.
      const now = await get('/admin/load', { signed: true, repeats: 0 }).catch(() => null);
      if (now) place.replaceChildren(...state(now));
    }, EVERY_MS);
  },
});
