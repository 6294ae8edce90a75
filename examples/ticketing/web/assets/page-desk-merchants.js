// Back office: the merchants of the platform, for those who run it.

import { ask, get, post } from './api.js';
import { deskForm } from './desk-form.js';
import { deskMenu } from './desk-menu.js';
import { el } from './dom.js';
import { t } from './i18n.js';
import { notify } from './notice.js';
import { runPage } from './page.js';
import { friendly } from './problem.js';

const domains = (text) => text.split(/[\s,]+/).filter(Boolean);

const named = (merchant = {}) => [
  { name: 'name', label: t('merchants.name'), required: true, maxlength: 80, value: merchant.name },
  { name: 'name_zh', label: t('merchants.nameZh'), required: true, maxlength: 80, value: merchant.name_zh },
  { name: 'domains', label: t('merchants.domains'), maxlength: 500, value: merchant.domains?.join(' ') },
];

/** What a merchant is, and what it may become; one change at a time, on the version that is shown. */
function card(merchant, redraw) {
  const { id, version, name, name_zh, status } = merchant;
  const suspended = status === 'suspended';
  const change = async (wanted) => {
    await ask('PUT', `/admin/merchants/${encodeURIComponent(id)}`, {
      signed: true, body: { version, name, name_zh, domains: merchant.domains, suspended, ...wanted },
    });
    notify(t('desk.saved'), 'good');
    await redraw();
  };
  const suspend = async () => {
    try {
      await change({ suspended: !suspended });
    } catch (problem) {
      notify(friendly(problem), 'bad');
    }
  };
  const button = el('button', { class: suspended ? 'button' : 'button danger', type: 'button', on: { click: suspend }, 'data-suspend': id },
    t(suspended ? 'merchants.resume' : 'merchants.suspend'));
  return el('section', { class: 'panel', 'data-merchant': id, 'data-status': status },
    el('header', {}, el('h2', {}, `${name} · ${name_zh}`),
      el('p', {}, el('span', { class: suspended ? 'badge badge-closed' : 'badge badge-open' }, t(`merchants.${status}`)), ' ',
        el('a', { href: `/m/${id}` }, `/m/${id}`), ' · ', t('merchants.version', { version }))),
    el('details', {}, el('summary', {}, t('merchants.change')),
      deskForm({ id: `change-${id}`, mark: `${id}-`, title: 'merchants.change', fields: named(merchant), submit: 'desk.save',
        send: ({ domains: text, ...names }) => change({ ...names, domains: domains(text) }) }),
      el('p', { class: 'note' }, t(suspended ? 'merchants.resumeNote' : 'merchants.suspendNote')), el('div', { class: 'actions' }, button)));
}

runPage({
  title: 'merchants.title',
  signed: true,
  async load(main) {
    const list = el('div', { class: 'ops-cards', id: 'merchants' });
    const redraw = async () => {
      const { merchants } = await get('/admin/merchants', { signed: true });
      list.replaceChildren(...merchants.map((merchant) => card(merchant, redraw)));
    };
    await redraw();
    const create = deskForm({
      id: 'new-merchant', title: 'merchants.new', submit: 'merchants.create',
      fields: [{ name: 'id', label: t('merchants.id'), required: true, maxlength: 63, pattern: '[a-z0-9][a-z0-9\\-]*', autocapitalize: 'none' }, ...named()],
      send: async ({ domains: text, ...names }) => {
        await post('/admin/merchants', { ...names, domains: domains(text) }, { signed: true });
        create.reset();
        notify(t('merchants.made'), 'good');
        await redraw();
      },
    });
    main.replaceChildren(el('div', { class: 'desk' }, await deskMenu(),
      el('header', { class: 'lead' }, el('h1', {}, t('merchants.title')), el('p', {}, t('merchants.lead'))), list, create));
  },
});
