// Separation of duty, and the trees of departments and resources.

import { all, ask } from './api.js';
import { attempt, careful, el, field, form, list, tree } from './dom.js';
import { t } from './words.js';

const editor = ({ again }, kind) => ({
  put: (id, body) => attempt(async () => {
    await ask('PUT', [kind, id], { body });
    await again();
  }, t('Set.')),
  remove: (id) => attempt(async () => {
    await ask('DELETE', [kind, id]);
    await again();
  }, t('Removed.')),
});

export async function separations(tools) {
  const rules = await all('separations');
  const { put, remove } = editor(tools, 'separations');
  const write = tools.may('rbac:separation:write');
  const one = (rule) => el('li', {},
    el('strong', {}, rule.name),
    el('span', { class: 'soft' }, t(rule.kind === 'static' ? 'of {roles} nobody has {limit} at once' : 'of {roles} nobody uses {limit} at once', { roles: rule.roles.join(', '), limit: rule.limit })),
    write && careful(t('Remove'), () => remove(rule.name)));
  const kinds = [['static', t('static: nobody has them together')], ['dynamic', t('dynamic: nobody uses them together')]];
  return [el('article', {},
    el('h2', {}, t('Separation of duty')),
    list(rules.map(one), t('No roles are kept apart.')),
    write && [el('h3', {}, t('Set one')), form([
      field(t('Name'), { name: 'name', required: true }),
      field(t('Kind'), { name: 'kind' }, kinds),
      field(t('Roles, with commas'), { name: 'roles', required: true }),
      field(t('How many are too many'), { name: 'limit', type: 'number', min: 2, value: 2, required: true }),
    ], t('Set'), ({ name, kind, roles, limit }) => put(name, { kind, roles: roles.split(',').map((role) => role.trim()).filter(Boolean), limit: Number(limit) }))])];
}

/** A field for the node above, out of those that there are. */
const above = (nodes) => field(t('Below'), { name: 'parent' }, [['', t('nothing')], ...nodes.map((node) => [node.id, node.title || node.id])]);

export async function departments(tools) {
  const nodes = await all('departments');
  const { put, remove } = editor(tools, 'departments');
  const write = tools.may('rbac:department:write');
  const show = (node) => el('span', {}, node.title || node.id, ' ', el('code', { class: 'soft' }, node.id), write && [' ', careful(t('Remove'), () => remove(node.id))]);
  return [el('article', {},
    el('h2', {}, t('Departments')),
    tree(nodes, show) ?? el('p', { class: 'soft' }, t('There are none.')),
    write && [el('h3', {}, t('Make or change one')), form([
      field(t('Id'), { name: 'id', required: true }), field(t('Title'), { name: 'title' }), above(nodes),
    ], t('Set'), ({ id, title, parent }) => put(id, { title, parent: parent || null }))])];
}

export async function resources(tools) {
  const nodes = await all('resources');
  const { put, remove } = editor(tools, 'resources');
  const write = tools.may('rbac:resource:write');
  const sorted = [...nodes].sort((a, b) => a.order - b.order || (a.id < b.id ? -1 : 1));
  const show = (node) => el('span', {},
    el('span', { class: 'soft' }, `${t(node.kind)} `), node.title || node.id, ' ', el('code', { class: 'soft' }, node.id),
    node.target && el('span', { class: 'soft' }, ` → ${node.target}`),
    node.permission && [el('span', { class: 'soft' }, ` ${t('needs')} `), el('code', {}, node.permission)],
    write && [' ', careful(t('Remove'), () => remove(node.id))]);
  const kinds = ['menu', 'button', 'api'].map((name) => [name, t(name)]);
  return [el('article', {},
    el('h2', {}, t('Resources')),
    el('p', { class: 'soft' }, t('Menus and buttons are shown to those who have the permission that they need.')),
    tree(sorted, show) ?? el('p', { class: 'soft' }, t('There are none.')),
    write && [el('h3', {}, t('Make or change one')), form([
      field(t('Id'), { name: 'id', required: true }), field(t('Kind'), { name: 'kind' }, kinds), field(t('Title'), { name: 'title' }),
      field(t('Target'), { name: 'target' }), above(nodes), field(t('Permission'), { name: 'permission' }),
      field(t('Place'), { name: 'order', type: 'number', value: 0 }),
    ], t('Set'), ({ id, parent, permission, order, ...rest }) => put(id, { ...rest, parent: parent || null, permission: permission || null, order: Number(order) }))])];
}
