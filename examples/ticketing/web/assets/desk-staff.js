// Who works for the merchant, and who is invited to.

import { ask, get, post } from './api.js';
import { deskForm } from './desk-form.js';
import { el } from './dom.js';
import { t } from './i18n.js';
import { notify } from './notice.js';
import { friendly } from './problem.js';

const signed = { signed: true };

export async function staff(desk) {
  const { staff: people, invitations, roles, second_factor_demanded: demanded } = await get(`${desk.path}/staff`, signed);
  const manage = desk.may('staff:manage');
  const change = (method, path, body) => to(method, `${desk.path}${path}`, body);
  const to = (method, path, body) => async () => {
    try {
      await ask(method, path, { ...signed, body });
    } catch (problem) {
      notify(problem.code === 'invalid-value' ? problem.detail : friendly(problem), 'bad');
    }
    await desk.draw();
  };
  const button = (key, values, run) => el('button', { class: 'button small quiet', type: 'button', on: { click: run } }, t(key, values));
  const name = (role) => t(`desk.role.${role}`);
  const rows = people.map((person) => el('li', { class: 'desk-item' },
    el('div', {}, el('strong', {}, person.display_name), el('span', { class: 'note' }, person.email)),
    el('span', { class: 'badge', 'data-second-factor': String(person.second_factor) }, t(person.second_factor ? 'desk.staff.factor' : 'desk.staff.noFactor')),
    person.second_factor && desk.may('account:manage') && button('desk.staff.forget', {}, to('DELETE', `/admin/accounts/${person.user_id}/second-factor`)),
    person.roles.map((role) => [el('span', { class: 'badge' }, name(role)),
      manage && button('desk.staff.take', { role: name(role) }, change('DELETE', `/staff/${person.user_id}/roles/${role}`))])));
  const open = invitations.filter((invitation) => !invitation.accepted_at).map((invitation) => el('li', { class: 'desk-item' },
    el('div', {}, el('strong', {}, invitation.email), el('span', { class: 'note' }, t('desk.staff.invited', { role: name(invitation.role) }))),
    manage && button('desk.staff.revoke', {}, change('DELETE', `/invitations/${invitation.id}`))));
  const told = el('div', { 'aria-live': 'polite' });
  const invite = deskForm({
    id: 'invite', title: 'desk.staff.invite', submit: 'desk.staff.send', extra: [told],
    fields: [{ name: 'email', type: 'email', required: true }, { name: 'role', options: roles.map((role) => [role, name(role)]) }],
    send: async (body) => {
      const { code } = await post(`${desk.path}/invitations`, body, signed);
      told.replaceChildren(el('p', { class: 'note' }, t('desk.staff.code')), el('p', { class: 'desk-code', id: 'invitation-code' }, code));
    },
  });
  const factor = el('p', { class: 'note', id: 'factor-demand', 'data-demanded': String(demanded) }, t(demanded ? 'desk.staff.demanded' : 'desk.staff.free'), ' ',
    manage && button(demanded ? 'desk.staff.freeThem' : 'desk.staff.demand', {}, change('PUT', '/second-factor', { demanded: !demanded })));
  return el('div', { class: 'desk-columns' }, el('div', {}, factor, el('ul', { class: 'desk-list' }, rows, open)), manage && invite);
}

/** For somebody who works nowhere yet. */
export function acceptForm(done) {
  return deskForm({
    id: 'accept', title: 'desk.accept.title', submit: 'desk.accept.submit', fields: [{ name: 'code', required: true, autocomplete: 'off' }],
    send: async (body) => { await post('/invitations/accept', body, signed); await done(); },
  });
}
