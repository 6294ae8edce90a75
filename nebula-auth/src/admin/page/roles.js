// Roles: what they may do, and what they inherit.

import { all, ask } from './api.js';
import { attempt, button, careful, el, field, form, list } from './dom.js';
import { t } from './words.js';

function index(tools, known) {
  const one = (role) => el('li', {},
    el('a', { href: `#/roles/${encodeURIComponent(role.name)}` }, role.name),
    el('span', { class: 'soft' }, role.title));
  const create = ({ name, title }) => attempt(async () => {
    await ask('POST', ['roles'], { body: { name, title } });
    tools.to('roles', name);
  }, t('Made.'));
  return el('article', {},
    el('h2', {}, t('Roles')),
    list(known.map(one), t('There is no role yet.')),
    tools.may('rbac:role:write') && [el('h3', {}, t('A new one')),
      form([field(t('Name'), { name: 'name', required: true, pattern: '[a-z0-9_.\\-]{1,64}' }), field(t('Title'), { name: 'title' })], t('Make'), create)]);
}

function scope(rows) {
  return typeof rows === 'string' ? t(rows.replace('-', ' ')) : t('departments {names}', { names: rows.departments.join(', ') });
}

function details({ may, again, to }, role, known, permissions) {
  const write = may('rbac:role:write');
  const change = (method, parts, done, body) => attempt(async () => {
    await ask(method, ['roles', role.name, ...parts], { body });
    await again();
  }, done);
  const one = (kind) => (name) => el('li', {}, el('code', {}, name), write && button(t('Take away'), () => change('DELETE', [kind, name], t('Taken away.'))));
  const rule = (data) => el('li', {},
    el('code', {}, data.entity), el('span', { class: 'soft' }, scope(data.rows)),
    el('span', { class: 'soft' }, Object.entries(data.fields).map(([name, access]) => `${name}: ${access}`).join(', ')));
  const others = known.filter((other) => other.name !== role.name).map((other) => [other.name, other.title ? `${other.name} – ${other.title}` : other.name]);
  return el('article', {},
    el('h2', {}, role.name),
    write && form([field(t('Title'), { name: 'title', value: role.title })], t('Set'), ({ title }) => change('PATCH', [], t('Set.'), { title })),
    el('h3', {}, t('Permissions')),
    list(role.permissions.map(one('permissions')), t('None of its own.')),
    write && form([field(t('Permission'), { name: 'permission', required: true, list: 'permissions', placeholder: 'order:*' })], t('Add'), ({ permission }) => change('PUT', ['permissions', permission], t('Added.'))),
    el('datalist', { id: 'permissions' }, permissions.map((listed) => el('option', { value: listed.name }, listed.title))),
    el('h3', {}, t('Inherits from')),
    list(role.parents.map(one('parents')), t('Nothing.')),
    write && others.length > 0 && form([field(t('Role'), { name: 'parent', required: true }, others)], t('Add'), ({ parent }) => change('PUT', ['parents', parent], t('Added.'))),
    el('h3', {}, t('Records')),
    list(role.data.map(rule), t('No records.')),
    write && records(role, change),
    write && el('h3', {}, t('The whole role')),
    write && careful(t('Remove'), () => attempt(async () => {
      await ask('DELETE', ['roles', role.name]);
      to('roles');
    }, t('Removed.'))));
}

/** Data rules, as text: they are small, and rarely changed. */
function records(role, change) {
  const text = el('textarea', { name: 'data', rows: 6, spellcheck: 'false', 'aria-label': t('Rules as JSON') });
  text.value = JSON.stringify(role.data, null, 2);
  return el('details', {}, el('summary', {}, t('Change the rules')), form([text], t('Set'), async ({ data }) => {
    let rules;
    try {
      rules = JSON.parse(data);
    } catch {
      text.setCustomValidity(t('This is not JSON.'));
      text.reportValidity();
      text.setCustomValidity('');
      return;
    }
    await change('PATCH', [], t('Set.'), { data: rules });
  }));
}

export async function roles(tools, name) {
  const [known, permissions] = await Promise.all([all('roles'), tools.may('rbac:permission:read') ? all('permissions') : []]);
  const role = known.find((one) => one.name === name);
  return role ? [index(tools, known), details(tools, role, known, permissions)] : [index(tools, known)];
}
