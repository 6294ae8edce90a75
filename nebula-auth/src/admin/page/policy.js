// Separation of duty, and the trees of departments and resources.

import { all, ask } from './api.js';
import { attempt, careful, el, field, form, list, tree } from './dom.js';

const editor = ({ again }, kind) => ({
  put: (id, body) => attempt(async () => {
    await ask('PUT', [kind, id], { body });
    await again();
  }, 'Set.'),
  remove: (id) => attempt(async () => {
    await ask('DELETE', [kind, id]);
    await again();
  }, 'Removed.'),
});

export async function separations(tools) {
  const rules = await all('separations');
  const { put, remove } = editor(tools, 'separations');
  const write = tools.may('rbac:separation:write');
  const one = (rule) => el('li', {},
    el('strong', {}, rule.name),
    el('span', { class: 'soft' }, `of ${rule.roles.join(', ')} nobody ${rule.kind === 'static' ? 'has' : 'uses'} ${rule.limit} at once`),
    write && careful('Remove', () => remove(rule.name)));
  const kinds = [['static', 'static: nobody has them together'], ['dynamic', 'dynamic: nobody uses them together']];
  return [el('article', {},
    el('h2', {}, 'Separation of duty'),
    list(rules.map(one), 'No roles are kept apart.'),
    write && [el('h3', {}, 'Set one'), form([
      field('Name', { name: 'name', required: true }),
      field('Kind', { name: 'kind' }, kinds),
      field('Roles, with commas', { name: 'roles', required: true }),
      field('How many are too many', { name: 'limit', type: 'number', min: 2, value: 2, required: true }),
    ], 'Set', ({ name, kind, roles, limit }) => put(name, { kind, roles: roles.split(',').map((role) => role.trim()).filter(Boolean), limit: Number(limit) }))])];
}

/** A field for the node above, out of those that there are. */
const above = (nodes) => field('Below', { name: 'parent' }, [['', 'nothing'], ...nodes.map((node) => [node.id, node.title || node.id])]);

export async function departments(tools) {
  const nodes = await all('departments');
  const { put, remove } = editor(tools, 'departments');
  const write = tools.may('rbac:department:write');
  const show = (node) => el('span', {}, node.title || node.id, ' ', el('code', { class: 'soft' }, node.id), write && [' ', careful('Remove', () => remove(node.id))]);
  return [el('article', {},
    el('h2', {}, 'Departments'),
    tree(nodes, show) ?? el('p', { class: 'soft' }, 'There are none.'),
    write && [el('h3', {}, 'Make or change one'), form([
      field('Id', { name: 'id', required: true }), field('Title', { name: 'title' }), above(nodes),
    ], 'Set', ({ id, title, parent }) => put(id, { title, parent: parent || null }))])];
}

export async function resources(tools) {
  const nodes = await all('resources');
  const { put, remove } = editor(tools, 'resources');
  const write = tools.may('rbac:resource:write');
  const sorted = [...nodes].sort((a, b) => a.order - b.order || (a.id < b.id ? -1 : 1));
  const show = (node) => el('span', {},
    el('span', { class: 'soft' }, `${node.kind} `), node.title || node.id, ' ', el('code', { class: 'soft' }, node.id),
    node.target && el('span', { class: 'soft' }, ` → ${node.target}`),
    node.permission && [el('span', { class: 'soft' }, ' needs '), el('code', {}, node.permission)],
    write && [' ', careful('Remove', () => remove(node.id))]);
  const kinds = [['menu', 'menu'], ['button', 'button'], ['api', 'API']];
  return [el('article', {},
    el('h2', {}, 'Resources'),
    el('p', { class: 'soft' }, 'Menus and buttons are shown to those who have the permission that they need.'),
    tree(sorted, show) ?? el('p', { class: 'soft' }, 'There are none.'),
    write && [el('h3', {}, 'Make or change one'), form([
      field('Id', { name: 'id', required: true }), field('Kind', { name: 'kind' }, kinds), field('Title', { name: 'title' }),
      field('Target', { name: 'target' }), above(nodes), field('Permission', { name: 'permission' }),
      field('Place', { name: 'order', type: 'number', value: 0 }),
    ], 'Set', ({ id, parent, permission, order, ...rest }) => put(id, { ...rest, parent: parent || null, permission: permission || null, order: Number(order) }))])];
}
