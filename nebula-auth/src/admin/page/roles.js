// Roles: what they may do, and what they inherit.

import { all, ask } from './api.js';
import { attempt, button, careful, el, field, form, list } from './dom.js';

function index(tools, known) {
  const one = (role) => el('li', {},
    el('a', { href: `#/roles/${encodeURIComponent(role.name)}` }, role.name),
    el('span', { class: 'soft' }, role.title));
  const create = ({ name, title }) => attempt(async () => {
    await ask('POST', ['roles'], { body: { name, title } });
    tools.to('roles', name);
  }, 'Made.');
  return el('article', {},
    el('h2', {}, 'Roles'),
    list(known.map(one), 'There is no role yet.'),
    tools.may('rbac:role:write') && [el('h3', {}, 'A new one'),
      form([field('Name', { name: 'name', required: true, pattern: '[a-z0-9_.\\-]{1,64}' }), field('Title', { name: 'title' })], 'Make', create)]);
}

function scope(rows) {
  return typeof rows === 'string' ? rows.replace('-', ' ') : `departments ${rows.departments.join(', ')}`;
}

function details({ may, again, to }, role, known, permissions) {
  const write = may('rbac:role:write');
  const change = (method, parts, done, body) => attempt(async () => {
    await ask(method, ['roles', role.name, ...parts], { body });
    await again();
  }, done);
  const one = (kind) => (name) => el('li', {}, el('code', {}, name), write && button('Take away', () => change('DELETE', [kind, name], 'Taken away.')));
  const rule = (data) => el('li', {},
    el('code', {}, data.entity), el('span', { class: 'soft' }, scope(data.rows)),
    el('span', { class: 'soft' }, Object.entries(data.fields).map(([name, access]) => `${name}: ${access}`).join(', ')));
  const others = known.filter((other) => other.name !== role.name).map((other) => [other.name, other.title ? `${other.name} – ${other.title}` : other.name]);
  return el('article', {},
    el('h2', {}, role.name),
    write && form([field('Title', { name: 'title', value: role.title })], 'Set', ({ title }) => change('PATCH', [], 'Set.', { title })),
    el('h3', {}, 'Permissions'),
    list(role.permissions.map(one('permissions')), 'None of its own.'),
    write && form([field('Permission', { name: 'permission', required: true, list: 'permissions', placeholder: 'order:*' })], 'Add', ({ permission }) => change('PUT', ['permissions', permission], 'Added.')),
    el('datalist', { id: 'permissions' }, permissions.map((listed) => el('option', { value: listed.name }, listed.title))),
    el('h3', {}, 'Inherits from'),
    list(role.parents.map(one('parents')), 'Nothing.'),
    write && others.length > 0 && form([field('Role', { name: 'parent', required: true }, others)], 'Add', ({ parent }) => change('PUT', ['parents', parent], 'Added.')),
    el('h3', {}, 'Records'),
    list(role.data.map(rule), 'No records.'),
    write && records(role, change),
    write && el('h3', {}, 'The whole role'),
    write && careful('Remove', () => attempt(async () => {
      await ask('DELETE', ['roles', role.name]);
      to('roles');
    }, 'Removed.')));
}

/** Data rules, as text: they are small, and rarely changed. */
function records(role, change) {
  const text = el('textarea', { name: 'data', rows: 6, spellcheck: 'false', 'aria-label': 'Rules as JSON' });
  text.value = JSON.stringify(role.data, null, 2);
  return el('details', {}, el('summary', {}, 'Change the rules'), form([text], 'Set', async ({ data }) => {
    let rules;
    try {
      rules = JSON.parse(data);
    } catch {
      text.setCustomValidity('This is not JSON.');
      text.reportValidity();
      text.setCustomValidity('');
      return;
    }
    await change('PATCH', [], 'Set.', { data: rules });
  }));
}

export async function roles(tools, name) {
  const [known, permissions] = await Promise.all([all('roles'), tools.may('rbac:permission:read') ? all('permissions') : []]);
  const role = known.find((one) => one.name === name);
  return role ? [index(tools, known), details(tools, role, known, permissions)] : [index(tools, known)];
}
