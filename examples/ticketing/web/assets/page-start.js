// The page that links everything, for whoever tries the demo.

import { signInAddress } from './account.js';
import { get } from './api.js';
import { el } from './dom.js';
import { lang, t } from './i18n.js';
import { runPage } from './page.js';

const BUYING = [['shows', '/'], ['search', '/?q=peony'], ['orders', '/orders'], ['inbox', '/inbox'], ['account', '/account']];
const WORKING = [
  ['desk', '/desk'], ['counter', '/desk/counter'], ['tills', '/desk/tills'], ['door', '/admin/check-in'], ['refunds', '/admin/refunds'], ['statements', '/admin/statements'],
  ['admission', '/desk/admission'], ['blacklist', '/desk/blacklist'], ['load', '/desk/load'],
  ['queues', '/desk/queues'], ['reconcile', '/desk/reconcile'], ['system', '/desk/system'], ['access', '/admin/access/page'],
];
const BUILDING = [['api', '/api/docs'], ['document', '/api/openapi.json'], ['problems', '/problems'], ['metrics', '/metrics'], ['ready', '/readyz']];
const COMMANDS = ['rush', 'rush --chaos', 'cluster --replicas 3', 'import seating-plan --help'];

const link = (href, title, text) => el('li', {}, el('a', { href }, el('strong', {}, title), el('span', {}, text)));
const links = (list) => list.map(([key, href]) => link(href, t(`start.${key}`), t(`start.${key}.text`)));
const section = (key, ...parts) => el('section', { 'aria-labelledby': `start-${key}` }, el('h2', { id: `start-${key}` }, t(`start.${key}`)), ...parts);

function accounts(list) {
  const row = ({ email, role, password }) => el('tr', {},
    el('td', {}, el('code', {}, email)),
    el('td', {}, password ? el('code', {}, password) : t('start.password.kept')),
    el('td', {}, t(`start.role.${role ?? 'buyer'}`)));
  return el('div', { class: 'start-table' }, el('table', {},
    el('thead', {}, el('tr', {}, ['email', 'password', 'role'].map((key) => el('th', { scope: 'col' }, t(`start.${key}`))))),
    el('tbody', {}, list.map(row))));
}

runPage({
  title: 'start.title',
  async load(main) {
    const { accounts: list, merchants, outbox, version } = await get('/dev/start');
    const shops = merchants.map((one) => link(`/m/${one.id}`, lang === 'zh' ? one.name_zh : one.name, t('start.shop.text')));
    const mails = outbox ? [link('/dev/outbox', t('start.outbox'), t('start.outbox.text'))] : [];
    main.replaceChildren(el('div', { class: 'start' },
      el('header', { class: 'lead' }, el('h1', {}, t('start.title')), el('p', {}, t('start.lead', { version }))),
      section('buying', el('ul', { class: 'start-links' }, links(BUYING), shops)),
      list.length > 0 && section('accounts', accounts(list),
        el('p', {}, el('a', { class: 'button', href: signInAddress() }, t('nav.signIn')))),
      section('working', el('ul', { class: 'start-links' }, links(WORKING))),
      section('building', el('ul', { class: 'start-links' }, mails, links(BUILDING))),
      section('commands', el('pre', { tabindex: 0 }, COMMANDS.map((command) => `cargo run --release -p ticketing -- ${command}`).join('\n')))));
  },
});
