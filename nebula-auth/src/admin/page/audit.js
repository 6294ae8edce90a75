// What was decided and changed, and what the application's routes need.

import { ask, get } from './api.js';
import { attempt, button, el, field, form, table, when } from './dom.js';

const HEAD = ['Number', 'When', 'Who', 'What', 'On', 'Decision', 'Reason', 'Request'];
const row = (one) => [String(one.number), when(one.at), one.who || 'somebody unknown', one.what, one.on, one.decision, one.reason, one.request_id];

export async function audit() {
  const place = el('div');
  const filters = { who: '', what: '', decision: '' };
  async function show(before = null) {
    const page = await ask('GET', ['audit'], { query: { ...filters, before, limit: 50 } });
    place.replaceChildren(
      page.items.length ? table(HEAD, page.items.map(row)) : el('p', { class: 'soft' }, 'Nothing fits here.'),
      page.next ? button('Older', () => attempt(() => show(page.next))) : el('span', { class: 'soft' }, 'That is all.'));
  }
  const verdict = el('span', { role: 'status' });
  async function verify() {
    const found = await get('audit', 'verification');
    verdict.textContent = found.intact ? ` Intact: ${found.entries} entries, the last is ${found.last}.` : ` Broken at ${found.broken_at}.`;
    verdict.className = found.intact ? 'soft' : 'off';
  }
  const decisions = [['', 'all'], ['granted', 'granted'], ['denied', 'denied'], ['changed', 'changed']];
  await show();
  return [el('article', {},
    el('h2', {}, 'Audit log'),
    el('p', {}, button('Verify the chain', () => attempt(verify)), verdict),
    form([field('Who', { name: 'who' }), field('What', { name: 'what' }), field('Decision', { name: 'decision' }, decisions)], 'Find', (values) => {
      Object.assign(filters, values);
      return attempt(() => show());
    }),
    place)];
}

export async function routes() {
  const known = await get('routes');
  return [el('article', {},
    el('h2', {}, 'Routes, and what they need'),
    table(['Method', 'Path', 'Needs'], known.map((one) => [one.method, el('code', {}, one.path), el('code', {}, one.policy)])))];
}
