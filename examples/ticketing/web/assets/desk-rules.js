// The rules of prices: edited as text, tried, put in force, put back.

import { ask, get, post } from './api.js';
import { el } from './dom.js';
import { moment } from './format.js';
import { localized, t } from './i18n.js';
import { notify } from './notice.js';
import { friendly } from './problem.js';

const signed = { signed: true };
const START = `name: rules
currency: CNY
floor: basket.subtotal * 0.5
phases: [{ id: sale, groups: [{ id: offers, stacking: best }] }]
rules:
  - id: four
    title: Four seats and more
    group: offers
    order: 1
    when: seats >= 4
    then: { percent-off: 10 }
`;

function failure(problem) {
  const found = (problem.members?.problems ?? []).map(({ place, message }) => el('li', {}, place && el('strong', {}, place), place && ' ', message));
  return el('div', { class: 'desk-findings bad', role: 'alert' }, el('p', {}, found.length ? friendly(problem) : problem.detail || friendly(problem)), el('ul', {}, found));
}

export async function rules(desk) {
  const [{ active, revisions, text }, { sessions }] = await Promise.all([get(`${desk.path}/rules`, signed), get(`${desk.path}/sessions`, signed)]);
  const write = desk.may('rule:write');
  const area = el('textarea', { id: 'rules-text', rows: 22, spellcheck: 'false', 'aria-label': t('desk.part.rules'), readonly: !write });
  area.value = text ?? START;
  const result = el('div', { class: 'desk-form', 'aria-live': 'polite', id: 'rules-result' });
  const session = el('select', { id: 'sample-session' }, sessions.map((one) => el('option', { value: one.id }, `${localized(one, 'title')} · ${moment(one.starts_at)}`)));
  const seats = el('input', { id: 'sample-seats', placeholder: t('desk.rules.seatsHint') });
  const buyer = el('select', { id: 'sample-buyer' }, ['NORMAL', 'VIP'].map((kind) => el('option', { value: kind }, t(`desk.buyer.${kind}`))));
  const field = (key, input) => el('div', { class: 'field' }, el('label', { for: input.id }, t(key)), input);
  const run = (work) => async () => {
    try {
      await work();
    } catch (problem) {
      if (!('code' in problem)) throw problem;
      result.replaceChildren(failure(problem));
    }
  };
  const check = run(async () => {
    const names = seats.value.split(/[\s,，]+/).filter(Boolean);
    const sample = names.length > 0 && session.value ? { session_id: session.value, seats: names, buyer: buyer.value } : null;
    const checked = await post(`${desk.path}/rules/check`, { text: area.value, sample }, { ...signed, timeout: 60_000 });
    result.replaceChildren(el('pre', { class: 'desk-code', id: 'rules-proof' }, checked.proof),
      ...checked.warnings.map((warning) => el('p', { class: 'note' }, warning)),
      ...(checked.sample ? [el('pre', { class: 'desk-code', id: 'rules-sample' }, checked.sample)] : []));
  });
  const publish = run(async () => {
    await post(`${desk.path}/rules`, { text: area.value, active: active ?? null }, { ...signed, timeout: 60_000 });
    notify(t('desk.rules.published'));
    await desk.draw();
  });
  const back = (revision) => run(async () => {
    await ask('PUT', `${desk.path}/rules/active`, { ...signed, body: { revision, active: active ?? null } });
    await desk.draw();
  });
  const button = (key, id, work, quiet) => el('button', { class: `button ${quiet ? 'quiet' : ''}`, type: 'button', id, on: { click: work } }, t(key));
  return el('div', { class: 'desk-columns' },
    el('section', { class: 'panel desk-form' }, el('p', { class: 'note' }, active ? t('desk.rules.active', { revision: active }) : t('desk.rules.none')),
      el('div', { class: 'field' }, area), el('p', { class: 'note' }, t('desk.rules.facts')), result,
      write && el('div', { class: 'actions' }, button('desk.rules.check', 'rules-check', check, true), button('desk.rules.publish', 'rules-publish', publish))),
    el('div', { class: 'desk-list' },
      write && el('section', { class: 'panel desk-form' }, el('h2', {}, t('desk.rules.try')), field('desk.rules.session', session), field('desk.rules.seats', seats), field('desk.rules.buyer', buyer)),
      el('ul', { class: 'desk-list' }, revisions.map((revision) => el('li', { class: 'desk-item' },
        el('div', {}, t('desk.rules.revision', { revision })),
        revision === active ? el('span', { class: 'badge badge-open' }, t('desk.rules.inForce'))
          : write && button('desk.rules.back', `rules-back-${revision}`, back(revision), true))))));
}
