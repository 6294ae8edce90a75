// Users: what they were given, where it comes from, their sessions.

import { all, ask, get } from './api.js';
import { attempt, button, careful, el, field, form, list, moment, table, when } from './dom.js';
import { t } from './words.js';

async function index({ to }, after) {
  const page = await ask('GET', ['users'], { query: { after, limit: 50 } });
  const one = (user) => el('li', {},
    el('a', { href: `#/users/${encodeURIComponent(user.id)}` }, user.id),
    el('span', { class: 'soft' }, user.roles.map((role) => role.name).join(', ') || t('no roles')),
    user.disabled && el('span', { class: 'off' }, t('disabled')));
  return el('article', {},
    el('h2', {}, t('Users')),
    form([field(t('Id of a user'), { name: 'id', required: true })], t('Open'), ({ id }) => to('users', id)),
    list(page.items.map(one), t('Nobody was given anything yet.')),
    page.next && el('p', {}, el('a', { href: `#/users//${encodeURIComponent(page.next)}` }, t('More'))));
}

function given(title, items, take, remove) {
  const one = (item) => el('li', {},
    el('code', {}, item.name),
    el('span', { class: 'soft' }, item.until ? t('by {by}, until {until}', { by: item.by, until: when(item.until) }) : t('by {by}', item)),
    remove && button(t('Take away'), () => take(item.name)));
  return [el('h3', {}, title), list(items.map(one), t('None.'))];
}

async function details(tools, id) {
  const { me, may, again } = tools;
  const write = may('rbac:user:write');
  const [user, departments, roles] = await Promise.all([
    get('users', id).catch((error) => {
      if (error.status === 404) return null;
      throw error;
    }),
    may('rbac:department:read') ? all('departments') : [],
    may('rbac:role:read') ? all('roles') : [],
  ]);
  const change = (method, parts, body, done) => attempt(async () => {
    await ask(method, ['users', id, ...parts], { body });
    await again();
  }, done);
  const until = () => field(t('Until (optional)'), { name: 'until', type: 'datetime-local' });
  const names = el('datalist', { id: 'roles' }, roles.map((role) => el('option', { value: role.name }, role.title)));
  const choices = [['', t('none')], ...departments.map((one) => [one.id, one.title || one.id])];
  return el('article', {},
    el('h2', {}, id, user?.disabled && el('span', { class: 'off' }, ` (${t('disabled')})`)),
    !user && el('p', { class: 'soft' }, t('This user was not given anything yet.')),
    given(t('Roles'), user?.roles ?? [], (name) => change('DELETE', ['roles', name], undefined, t('Taken away.')), write),
    write && form([field(t('Role'), { name: 'role', required: true, list: 'roles' }), until()], t('Give'), ({ role, until: end }) => change('PUT', ['roles', role], { until: moment(end) }, t('Given.'))),
    names,
    given(t('Permissions without a role'), user?.grants ?? [], (name) => change('DELETE', ['grants', name], undefined, t('Taken away.')), write),
    write && form([field(t('Permission'), { name: 'permission', required: true, placeholder: 'order:read' }), until()], t('Give'), ({ permission, until: end }) => change('PUT', ['grants', permission], { until: moment(end) }, t('Given.'))),
    departments.length > 0 && el('h3', {}, t('Department')),
    departments.length > 0 && form([field(t('Department'), { name: 'department', value: user?.department ?? '', disabled: !write }, choices)], t('Set'), ({ department }) => change('PATCH', [], { department: department || null }, t('Set.'))),
    explanation(id),
    await authority(id),
    may('auth:session:read') && me.sessions && await sessions(tools, id),
    write && user && el('h3', {}, t('The whole account')),
    write && user && el('form', {},
      button(user.disabled ? t('Give everything back') : t('Withhold everything'), () => change('PATCH', [], { disabled: !user.disabled }, user.disabled ? t('Given back.') : t('Withheld.'))),
      careful(t('Remove'), () => change('DELETE', [], undefined, t('Removed.')))));
}

function explanation(id) {
  const answer = el('p', { role: 'status', class: 'soft' });
  return [el('h3', {}, t('Why, or why not?')),
    form([field(t('Permission'), { name: 'permission', required: true, placeholder: 'order:read' })], t('Explain'), ({ permission }) => attempt(async () => {
      const found = await ask('GET', ['users', id, 'explanation'], { query: { permission } });
      answer.textContent = found.text;
    })), answer];
}

async function authority(id) {
  const all = await get('users', id, 'authority');
  const names = (items) => items.join(', ') || t('none');
  const rule = (one) => el('li', {},
    el('code', {}, one.entity),
    el('span', { class: 'soft' }, one.reach === 'all' ? t('all records') : [one.reach.own && t('their own'), ...one.reach.departments].filter(Boolean).join(', ')),
    el('span', { class: 'soft' }, Object.entries(one.fields).map(([name, access]) => `${name}: ${access}`).join(', ')));
  return el('details', {},
    el('summary', {}, t('Everything that comes of it')),
    el('p', {}, `${t('Roles, inherited ones included')}: `, el('code', {}, names(all.roles))),
    el('p', {}, `${t('Permissions')}: `, el('code', {}, names(all.permissions))),
    list(all.data.map(rule), t('No records.')),
    all.until && el('p', { class: 'soft' }, t('The first of it ends {time}.', { time: when(all.until) })));
}

async function sessions({ may, again }, id) {
  const live = await get('users', id, 'sessions');
  const revoke = may('auth:session:revoke');
  const end = (parts, done) => attempt(async () => {
    await ask('DELETE', ['users', id, 'sessions', ...parts]);
    await again();
  }, done);
  const row = (one) => [
    one.current ? t('{name} (yours)', { name: one.label ?? t('this one') }) : one.label,
    one.methods.join(', '), when(one.created_at), when(one.refreshed_at), when(one.expires_at),
    revoke ? button(t('End'), () => end([one.id], t('Ended.'))) : null,
  ];
  return [el('h3', {}, t('Sessions')),
    live.length ? table([...['Device', 'Proof', 'Began', 'Refreshed', 'Ends'].map((name) => t(name)), ''], live.map(row)) : el('p', { class: 'soft' }, t('None.')),
    revoke && live.length > 0 && careful(t('End all'), () => end([], t('All ended.')))];
}

export async function users(tools, id, after) {
  const [left, right] = await Promise.all([index(tools, after), id ? details(tools, id) : null]);
  return right ? [left, right] : [left];
}
