// What was decided and changed, and what the application's routes need.

import { ask, get } from './api.js';
import { attempt, button, el, field, form, table, when } from './dom.js';
import { t } from './words.js';

const HEAD = ['Number', 'When', 'Who', 'What', 'On', 'Decision', 'Reason', 'Request'].map((name) => t(name));
const row = (one) => [String(one.number), when(one.at), one.who || t('somebody unknown'), one.what, one.on, t(one.decision), one.reason, one.request_id];

export async function audit() {
  const place = el('div');
  const filters = { who: '', what: '', decision: '' };
  async function show(before = null) {
    const page = await ask('GET', ['audit'], { query: { ...filters, before, limit: 50 } });
    place.replaceChildren(
      page.items.length ? table(HEAD, page.items.map(row)) : el('p', { class: 'soft' }, t('Nothing fits here.')),
      page.next ? button(t('Older'), () => attempt(() => show(page.next))) : el('span', { class: 'soft' }, t('That is all.')));
  }
  const verdict = el('span', { role: 'status' });
  async function verify() {
    const found = await get('audit', 'verification');
    verdict.textContent = ` ${found.intact ? t('Intact: {entries} entries, the last is {last}.', found) : t('Broken at {broken_at}.', found)}`;
    verdict.className = found.intact ? 'soft' : 'off';
  }
  const decisions = ['all', 'granted', 'denied', 'changed', 'attempted'].map((name) => [name === 'all' ? '' : name, t(name)]);
  await show();
  return [el('article', {},
    el('h2', {}, t('Audit log')),
    el('p', {}, button(t('Verify the chain'), () => attempt(verify)), verdict),
    form([field(t('Who'), { name: 'who' }), field(t('What'), { name: 'what' }), field(t('Decision'), { name: 'decision' }, decisions)], t('Find'), (values) => {
      Object.assign(filters, values);
      return attempt(() => show());
    }),
    place)];
}

export async function routes() {
  const known = await get('routes');
  return [el('article', {},
    el('h2', {}, t('Routes, and what they need')),
    table([t('Method'), t('Path'), t('Needs')], known.map((one) => [one.method, el('code', {}, one.path), el('code', {}, one.policy)])))];
}
