// The counter's first page: what is on sale, the clerk's own till, and the way back to a sale.

import { get, post } from './api.js';
import { deskForm } from './desk-form.js';
import { el } from './dom.js';
import { count, place, price, showTime } from './format.js';
import { localized, t } from './i18n.js';
import { notify } from './notice.js';
import { icon } from './icons.js';

const CURRENCY = 'CNY';

function session(one, go) {
  const free = one.available === undefined ? null : t('counter.free', { count: one.available, free: count(one.available) });
  return el('li', { class: 'desk-item', 'data-session': one.id },
    el('div', {}, el('strong', {}, localized(one, 'title')),
      el('span', { class: 'note' }, [showTime(one), place({ name: one.venue, city: one.city }), free].filter(Boolean).join(' · '))),
    el('button', { class: 'button small', type: 'button', on: { click: () => go({ session: one.id }) } }, t('counter.choose')));
}

function ownTill({ path }, report) {
  const facts = el('dl', { class: 'ops-counts', id: 'own-till' });
  const fill = ({ tills }) => facts.replaceChildren(...(tills.length ? tills.flatMap((till) => [
    el('div', {}, el('dt', {}, t('till.start')), el('dd', {}, price(till.opening))),
    el('div', {}, el('dt', {}, t('till.expected')), el('dd', { 'data-expected': till.expected_cash.amount }, price(till.expected_cash))),
    till.closing && el('div', {}, el('dt', {}, t('till.counted')), el('dd', {}, price(till.closing.counted))),
  ]).filter(Boolean) : [el('p', { class: 'note' }, t('till.nothing'))]));
  fill(report);
  const form = deskForm({
    id: 'open-till', title: 'till.own', submit: 'till.open', extra: [facts],
    fields: [{ name: 'opening', label: t('till.opening'), inputmode: 'decimal', required: true, autocomplete: 'off' }],
    send: async ({ opening }) => {
      fill(await post(`${path}/till`, { opening: { amount: opening, currency: CURRENCY } }, { signed: true }));
      notify(t('till.noted'), 'good');
    },
  });
  return form;
}

export async function sessionsOf(desk) {
  const [offer, till] = await Promise.all([get(desk.path, { signed: true }), get(`${desk.path}/till`, { signed: true })]);
  const find = el('form', { class: 'desk-bar', on: { submit: (event) => {
    event.preventDefault();
    const order = event.target.elements.number.value.trim();
    if (order) desk.go({ order });
  } } }, el('input', { name: 'number', id: 'find', autocomplete: 'off', 'aria-label': t('counter.number'), placeholder: t('counter.number') }),
  el('button', { class: 'button small quiet' }, t('counter.look')));
  const channel = [t(`counter.${offer.channel}`), offer.channel === 'AGENT' && offer.commission_bp !== undefined && t('counter.commission', { percent: offer.commission_bp / 100 })];
  return el('div', { class: 'desk-columns' },
    el('section', { class: 'panel' }, el('h2', {}, t('counter.sessions')),
      el('p', { class: 'meta' }, icon('ticket'), el('span', { id: 'channel', 'data-channel': offer.channel }, channel.filter(Boolean).join(' · '))),
      offer.sessions.length ? el('ul', { class: 'desk-list' }, offer.sessions.map((one) => session(one, desk.go)))
        : el('p', { class: 'note' }, t('counter.noSessions'))),
    el('div', { class: 'desk-list' }, ownTill(desk, till),
      el('section', { class: 'panel' }, el('h2', {}, t('counter.find')), find)));
}
