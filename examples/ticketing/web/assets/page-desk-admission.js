// Back office: what each sale asks of buyers.

import { ask, get } from './api.js';
import { deskMenu } from './desk-menu.js';
import { el } from './dom.js';
import { showTime } from './format.js';
import { localized, t } from './i18n.js';
import { notify } from './notice.js';
import { runPage } from './page.js';
import { friendly } from './problem.js';

const STEPS = ['sold_out', 'blacklist', 'limits', 'behaviour', 'qualification', 'reservation', 'slider', 'room'];
const ROOM = { admitted: 1000, stay_seconds: 900, grace_seconds: 30 };

const labelled = (key, input) => el('div', { class: 'field' }, el('label', { for: input.id }, t(key)), input);
const number = (id, value) => el('input', { id, type: 'number', min: 1, step: 1, required: true, value });

function form(session, settings) {
  const { policy } = settings;
  const boxes = Object.fromEntries(STEPS.map((step) => [step, el('input', { type: 'checkbox', id: `step-${step}`, checked: Boolean(policy[step]) })]));
  const flash = el('input', { type: 'checkbox', id: 'flash', checked: settings.flash });
  const room = { ...ROOM, ...policy.room };
  const fields = { admitted: number('admitted', room.admitted), stay_seconds: number('stay', room.stay_seconds), grace_seconds: number('grace', room.grace_seconds) };
  const person = policy.per_person ?? {};
  const most = (id, value) => el('input', { id, type: 'number', min: 1, max: 1000, step: 1, value: value ?? '' });
  const perPerson = { orders_per_day: most('orders-per-day', person.orders_per_day), seats: most('seats-per-person', person.seats) };
  const people = el('div', { class: 'desk-fields' },
    labelled('desk.ordersPerDay', perPerson.orders_per_day), labelled('desk.seatsPerPerson', perPerson.seats));
  const names = policy.real_name;
  const choose = (id, key, options, value) => el('select', { id }, options.map((name) => el('option', { value: name, selected: name === value }, t(`${key}.${name || 'off'}`))));
  const realName = {
    names: choose('real-name', 'desk.realName', ['', 'per-ticket', 'per-order'], names?.names ?? ''),
    tickets: most('tickets-per-document', names ? names.tickets : 1),
    perDay: most('tickets-per-day', names?.tickets_per_day ?? 10),
    down: choose('when-down', 'desk.whenDown', ['refuse', 'later'], names?.when_down),
  };
  const limitsOfNames = el('div', { class: 'desk-fields' }, labelled('desk.ticketsPerDocument', realName.tickets),
    labelled('desk.ticketsPerDay', realName.perDay), labelled('desk.whenDown', realName.down));
  const showNames = () => { limitsOfNames.hidden = !realName.names.value; };
  realName.names.addEventListener('change', showNames);
  showNames();
  const numbers = el('div', { class: 'desk-fields' },
    labelled('desk.admitted', fields.admitted), labelled('desk.stay', fields.stay_seconds), labelled('desk.grace', fields.grace_seconds));
  const show = () => { numbers.hidden = !boxes.room.checked; };
  boxes.room.addEventListener('change', show);
  show();
  const step = (box, key) => el('div', { class: 'desk-step' }, box, el('label', { for: box.id }, t(key)));
  const made = el('form', { class: 'panel', id: 'policy' },
    el('fieldset', { class: 'desk-steps' }, el('legend', { class: 'visually-hidden' }, t('desk.admission')),
      STEPS.map((name) => step(boxes[name], `step.${name}`)), step(flash, 'desk.flash')),
    numbers, people, el('p', { class: 'note' }, t('desk.perPersonNote')),
    labelled('desk.realName', realName.names), limitsOfNames, el('div', { class: 'actions' }, el('button', { class: 'button', id: 'save' }, t('desk.save'))));
  made.addEventListener('submit', async (event) => {
    event.preventDefault();
    const wanted = Object.fromEntries(STEPS.filter((name) => name !== 'room').map((name) => [name, boxes[name].checked]));
    wanted.room = boxes.room.checked ? Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, Number(field.value)])) : null;
    const limits = Object.fromEntries(Object.entries(perPerson).filter(([, field]) => field.value).map(([name, field]) => [name, Number(field.value)]));
    if (Object.keys(limits).length) wanted.per_person = limits;
    if (realName.names.value) {
      wanted.real_name = {
        names: realName.names.value, when_down: realName.down.value, tickets_per_day: Number(realName.perDay.value) || 10,
        ...(realName.tickets.value && { tickets: Number(realName.tickets.value) }),
      };
    }
    try {
      await ask('PUT', `/admin/sessions/${encodeURIComponent(session)}/admission`, { signed: true, body: { flash: flash.checked, policy: wanted } });
      notify(t('desk.saved'), 'good');
    } catch (problem) {
      notify(friendly(problem), 'bad');
    }
  });
  return made;
}

runPage({
  title: 'desk.admission',
  signed: true,
  async load(main) {
    const { shows } = await get('/shows');
    const sessions = shows.flatMap((show) => show.sessions);
    const choice = el('select', { id: 'session' }, sessions.map((session) =>
      el('option', { value: session.id }, `${localized(session, 'title')} · ${showTime(session)}`)));
    const asked = new URLSearchParams(location.search).get('session');
    if (sessions.some((session) => session.id === asked)) choice.value = asked;
    const place = el('div', {});
    const draw = async () => {
      const settings = await get(`/admin/sessions/${encodeURIComponent(choice.value)}/admission`, { signed: true });
      place.replaceChildren(form(choice.value, settings));
    };
    choice.addEventListener('change', () => draw().catch((problem) => notify(friendly(problem), 'bad')));
    if (sessions.length) await draw();
    main.replaceChildren(el('div', { class: 'desk' }, await deskMenu(),
      el('header', { class: 'lead' }, el('h1', {}, t('desk.admission')), el('p', {}, t('desk.admissionLead'))),
      labelled('desk.session', choice), place));
  },
});
