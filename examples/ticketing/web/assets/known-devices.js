// The devices that an account was entered on, whoever is signed in there now: their owner takes them away.

import { ask, get } from './api.js';
import { nameOf } from './device.js';
import { el } from './dom.js';
import { moment } from './format.js';
import { t } from './i18n.js';
import { notify } from './notice.js';
import { friendly } from './problem.js';

const PATH = '/me/devices';
const signed = { signed: true };

export async function knownDevices(again) {
  const { devices } = await get(PATH, signed);
  const forget = async (id) => {
    try {
      await ask('DELETE', `${PATH}/${id}`, signed);
      notify(t('account.forgotten'));
      await again();
    } catch (problem) {
      notify(friendly(problem), 'bad');
    }
  };
  const row = ({ id, device, since, seen_at: seen, until, current }) => {
    const name = device ? nameOf(device) : t('account.knownDevice', { time: moment(since) });
    return el('li', { class: 'order', 'data-known': id },
      el('div', { class: 'order-text' },
        el('h3', {}, name, ' ', current && el('span', { class: 'badge' }, t('account.here'))),
        el('p', { class: 'note' }, t('account.knownUntil', { seen: moment(seen), until: moment(until) })),
        el('button', { class: 'button quiet small', type: 'button', 'aria-label': t('account.forgetDevice', { device: name }), on: { click: () => forget(id) } }, t('account.forget'))));
  };
  return el('section', { class: 'sign', id: 'known-devices' }, el('h2', {}, t('account.known')), el('p', { class: 'note' }, t('account.knownLead')),
    el('ul', { class: 'orders' }, devices.map(row)));
}
