// The door: scan, type or let the camera read a code; without a network, by the list that was taken along.

import { get, post } from './api.js';
import { attendeeNote } from './attendee.js';
import { camera } from './camera.js';
import { el } from './dom.js';
import { DoorList } from './door-list.js';
import { instant, moment, seatName } from './format.js';
import { localized, t } from './i18n.js';
import { notify } from './notice.js';
import { messageBox, runPage } from './page.js';
import { friendly } from './problem.js';
import { keep, kept } from './store.js';

const GATE = 'nebula.gate';

function verdictBox() {
  const box = el('div', { class: 'verdict', id: 'verdict', role: 'status', 'aria-live': 'assertive' }, el('strong', {}, t('door.ready')));
  const show = (answer) => {
    const admitted = answer.verdict === 'admitted';
    box.className = `verdict ${admitted ? 'in' : 'out'}`;
    box.dataset.verdict = answer.verdict;
    box.replaceChildren(...[
      el('strong', {}, t(`door.${answer.verdict}`)),
      answer.seat && el('span', {}, seatName(answer.seat)),
      attendeeNote(answer.holder),
      answer.first_at && el('span', {}, t('door.first', { time: instant(answer.first_at), gate: answer.first_gate ?? '' })),
      answer.offline && el('span', {}, t('door.byList'))].filter(Boolean));
  };
  return { box, show };
}

function door(main, sessions) {
  const select = el('select', { id: 'session' }, sessions.map((session) =>
    el('option', { value: session.id }, `${localized(session, 'title')} · ${moment(session.starts_at)} · ${session.venue}`)));
  const gate = el('input', { id: 'gate', maxlength: 40, value: kept(GATE) ?? t('door.gateName'), autocomplete: 'off' });
  const code = el('input', { id: 'code', autocomplete: 'off', autocapitalize: 'characters', spellcheck: 'false', autofocus: true });
  const counts = el('p', { class: 'note', id: 'counts' });
  const listed = el('p', { class: 'note', id: 'listed', role: 'status' });
  const { box, show } = verdictBox();
  let list = null;
  const path = () => `/admin/sessions/${encodeURIComponent(select.value)}/check-in`;

  const describe = () => {
    listed.textContent = [list.madeAt ? t('door.list', { time: instant(list.madeAt), count: list.tickets.size }) : t('door.noList'),
      list.waiting.length > 0 && t('door.waiting', { count: list.waiting.length })].filter(Boolean).join(' · ');
  };
  const count = async () => {
    const { valid, used } = await get(path(), { signed: true }).catch(() => ({}));
    if (used !== undefined) counts.textContent = t('door.counts', { used, all: used + valid });
  };
  const tell = async () => {
    while (list.waiting.length > 0) {
      const scans = list.scans;
      const done = await post(`${path()}/scans`, { gate: gate.value, scans }, { signed: true });
      list.told(scans);
      for (const conflict of done.conflicts) notify(t('door.conflict', { what: t(`door.${conflict.verdict}`), time: instant(conflict.at) }), 'bad');
    }
    describe();
  };
  const scan = async (text) => {
    if (!text.trim()) return;
    try {
      show(await post(path(), { code: text, gate: gate.value }, { signed: true, timeout: 6000 }));
      await tell();
      count();
    } catch (problem) {
      if (problem.passing && list.ready) show(await list.judge(text));
      else notify(friendly(problem), 'bad');
      describe();
    }
  };
  const open = () => {
    list = new DoorList(select.value);
    describe();
    count();
    if (list.waiting.length > 0) tell().catch((problem) => notify(friendly(problem), 'bad'));
  };

  const form = el('form', { class: 'desk-form', on: { submit: async (event) => {
    event.preventDefault();
    const text = code.value;
    code.value = '';
    await scan(text);
    code.focus();
  } } },
  el('label', {}, t('door.session'), select), el('label', {}, t('door.gate'), gate), el('label', {}, t('door.code'), code),
  el('div', { class: 'desk-bar' }, el('button', { class: 'button', id: 'check' }, t('door.check')),
    el('button', { class: 'button quiet', type: 'button', id: 'take-list', on: { click: async () => {
      try {
        list.take(await get(`${path()}/list`, { signed: true }));
        describe();
      } catch (problem) {
        notify(friendly(problem), 'bad');
      }
    } } }, t('door.takeList')), camera(scan)), counts, listed);
  select.addEventListener('change', open);
  gate.addEventListener('change', () => keep(GATE, gate.value));
  addEventListener('online', () => tell().catch(() => {}));
  main.replaceChildren(el('header', { class: 'lead' }, el('h1', {}, t('door.title')), el('p', {}, t('door.lead'))),
    el('div', { class: 'desk-columns two' }, el('section', { class: 'panel' }, form), box));
  open();
  code.focus();
}

runPage({
  title: 'door.title',
  signed: true,
  async load(main) {
    const { sessions } = await get('/admin/check-in/sessions', { signed: true });
    if (sessions.length === 0) main.replaceChildren(messageBox({ title: t('door.none') }));
    else door(main, sessions);
  },
});
