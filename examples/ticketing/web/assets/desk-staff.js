// Who works for the merchant, and who is invited to.

import { ask, get, post } from './api.js';
import { deskForm } from './desk-form.js';
import { el } from './dom.js';
import { t } from './i18n.js';
import { notify } from './notice.js';
import { friendly } from './problem.js';

const signed = { signed: true };

export async function staff(desk) {
  const { staff: people, invitations, roles } = await get(`${desk.path}/staff`, signed);
  const manage = desk.may('staff:manage');
  const change = (method, path) => async () => {
    try {
      await ask(method, `${desk.path}${path}`, signed);
    } catch (problem) {
      notify(problem.code === 'invalid-value' ? problem.detail : friendly(problem), 'bad');
    }
    await desk.draw();
  };
  const button = (key, values, run) => el('button', { class: 'button small quiet', type: 'button', on: { click: run } }, t(key, values));
  const name = (role) => t(`desk.role.${role}`);
  const rows = people.map((person) => el('li', { class: 'desk-item' },
    el('div', {}, el('strong', {}, person.display_name), el('span', { class: 'note' }, person.email)),
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
  return el('div', { class: 'desk-columns' }, el('ul', { class: 'desk-list' }, rows, open), manage && invite);
}

/** For somebody who works nowhere yet. */
export function acceptForm(done) {
  return deskForm({
    id: 'accept', title: 'desk.accept.title', submit: 'desk.accept.submit', fields: [{ name: 'code', required: true, autocomplete: 'off' }],
    send: async (body) => { await post('/invitations/accept', body, signed); await done(); },
  });
}
