// Back office: queues and dead letters.

import { ask, get, post } from './api.js';
import { deskMenu } from './desk-menu.js';
import { reasonFor } from './desk-reason.js';
import { el } from './dom.js';
import { count, instant } from './format.js';
import { has, t } from './i18n.js';
import { notify } from './notice.js';
import { counts, every, known, lasting, word } from './operations-parts.js';
import { runPage } from './page.js';
import { friendly } from './problem.js';

/** How often the page counts again. */
const EVERY_MS = 5000;

const pathOf = (queue) => `/admin/queues/${encodeURIComponent(queue)}`;
const letterOf = (queue, id) => `${pathOf(queue)}/dead-letters/${encodeURIComponent(id)}`;
const said = (key, fallback) => (has(key) ? t(key) : fallback);

/** Does what somebody wants, and says what came of it. */
async function attempt(work) {
  try {
    await work();
  } catch (problem) {
    notify(friendly(problem), 'bad');
  }
}

function card({ name, purpose, store, messages }, open) {
  const dead = messages?.dead ?? 0;
  return el('article', { class: 'panel', 'data-queue': name },
    el('h2', {}, name),
    el('p', { class: 'note' }, t(`queue.purpose.${purpose}`), ' ', word(t(`queue.store.${store}`))),
    messages ? counts([
      ['queue.backlog', known(messages.backlog)], ['queue.overdue', known(messages.overdue), messages.overdue > 0],
      ['queue.delayed', known(messages.delayed)], ['queue.leased', known(messages.leased)],
      ['queue.dead', known(dead), dead > 0], ['queue.lateness', lasting(messages.lateness_ms)],
    ]) : el('p', { class: 'ops-bad', role: 'status' }, t('queue.away')),
    messages?.overdue === null && el('p', { class: 'note' }, t('queue.untold')),
    el('div', { class: 'ops-bar' }, el('button', { class: 'button small quiet', type: 'button', 'data-open': name, on: { click: () => open(name) } },
      t('queue.open'), el('span', { class: 'visually-hidden' }, `: ${name}`))));
}

function eventText({ what, attempt: number, after_ms: after, error }) {
  const details = [number && t('queue.attempt', { count: number }),
    after > 0 && t(what === 'retried' ? 'queue.after' : 'queue.late', { time: lasting(after) }), error].filter(Boolean);
  return [said(`queue.event.${what}`, what), ...details].join(' · ');
}

async function showLife(queue, id) {
  await attempt(async () => {
    const { events } = await get(`${pathOf(queue)}/messages/${encodeURIComponent(id)}`, { signed: true }).catch((problem) => {
      if (problem.status === 404) return { events: [] };
      throw problem;
    });
    const dialog = el('dialog', { class: 'dialog ops-dialog', id: 'life', 'aria-labelledby': 'life-title' },
      el('form', { method: 'dialog' }, el('h2', { id: 'life-title' }, t('queue.life')), el('p', { class: 'note' }, `${queue} · ${id}`),
        events.length ? el('ol', { class: 'ops-life' }, events.map((event) => el('li', { 'data-what': event.what },
          el('time', { datetime: event.at }, instant(event.at)), el('br'), eventText(event)))) : el('p', {}, t('queue.unknown')),
        el('div', { class: 'actions' }, el('button', { class: 'button quiet', id: 'life-close' }, t('close')))));
    document.body.append(dialog);
    dialog.addEventListener('close', () => dialog.remove());
    dialog.showModal();
  });
}

function letter(queue, one, act) {
  const button = (name, run, danger = false) => el('button', { class: `button small ${danger ? 'danger' : 'quiet'}`, type: 'button', 'data-act': name, on: { click: run } },
    t(`queue.${name}`), el('span', { class: 'visually-hidden' }, `: ${one.id}`));
  const replay = async () => {
    const reason = await reasonFor(one.id, { ask: 'queue.why', act: 'queue.replay' });
    if (reason) await act(() => post(`${letterOf(queue, one.id)}/replay`, { reason }, { signed: true }), () => t('queue.replayed', { count: 1 }));
  };
  const purge = async () => {
    const reason = await reasonFor(one.id, { ask: 'queue.why', act: 'queue.purge', danger: true });
    if (reason) await act(() => ask('DELETE', `${letterOf(queue, one.id)}?reason=${encodeURIComponent(reason)}`, { signed: true }), () => t('queue.purged'));
  };
  const reason = said(`queue.reason.${one.reason}`, one.reason);
  return el('li', { class: 'ops-letter', 'data-letter': one.id },
    el('h3', {}, one.id),
    el('p', {}, word(reason, true), ' ', t('queue.attempts', { count: one.attempts }), ' · ', el('time', { datetime: one.died }, instant(one.died))),
    [one.said, one.last_error].filter(Boolean).map((text) => el('p', { class: 'note' }, text)),
    one.body ? el('pre', { class: 'ops-body', tabindex: 0 }, one.body) : el('p', { class: 'note' }, t('queue.notJson', { count: count(one.bytes) })),
    el('div', { class: 'ops-bar' }, button('showLife', () => showLife(queue, one.id)), button('replay', replay), button('purge', purge, true)));
}

runPage({
  title: 'queue.title',
  signed: true,
  async load(main) {
    const cards = el('div', { class: 'ops-cards' });
    const place = el('section', { class: 'panel ops-part', id: 'letters', hidden: true, tabindex: -1, 'aria-live': 'polite' });
    let shown = null;
    let drawn = null;

    const draw = async () => {
      const { queues } = await get('/admin/queues', { signed: true, repeats: 0 });
      // What has not changed stays as it is, under the pointer as well.
      const now = JSON.stringify(queues);
      if (now === drawn) return;
      drawn = now;
      // What somebody is at keeps the focus.
      const at = document.activeElement?.dataset?.open;
      cards.replaceChildren(...queues.map((queue) => card(queue, open)));
      if (at) [...cards.querySelectorAll('[data-open]')].find((button) => button.dataset.open === at)?.focus();
    };

    const act = (work, text) => attempt(async () => {
      const done = await work();
      notify(text(done), 'good');
      await Promise.all([draw(), list(shown, 0)]);
    });

    async function list(queue, skip) {
      const { letters, more } = await get(`${pathOf(queue)}/dead-letters?skip=${skip}`, { signed: true });
      const all = async () => {
        const reason = await reasonFor(queue, { ask: 'queue.why', act: 'queue.replayAll' });
        if (reason) await act(() => post(`${pathOf(queue)}/replays`, { reason }, { signed: true }), ({ replayed }) => t('queue.replayed', { count: count(replayed) }));
      };
      const page = (key, to) => el('button', { class: 'button small quiet', type: 'button', on: { click: () => attempt(() => list(queue, to)) } }, t(key));
      place.hidden = false;
      place.replaceChildren(
        el('h2', {}, t('queue.letters', { queue })),
        letters.length ? el('ol', { class: 'ops-list' }, letters.map((one) => letter(queue, one, act))) : el('p', { class: 'note', id: 'no-letters' }, t('queue.noLetters')),
        el('div', { class: 'ops-bar' }, letters.length > 0 && el('button', { class: 'button small', type: 'button', id: 'replay-all', on: { click: all } }, t('queue.replayAll')),
          skip > 0 && page('queue.first', 0), more && page('queue.next', skip + letters.length)));
    }

    const open = (queue) => attempt(async () => {
      shown = queue;
      await list(queue, 0);
      place.focus();
      place.scrollIntoView({ block: 'nearest' });
    });

    await draw();
    const queue = el('select', { id: 'queue' }, [...cards.querySelectorAll('[data-queue]')].map(({ dataset }) => el('option', {}, dataset.queue)));
    const id = el('input', { id: 'message', required: true, maxlength: 256, autocomplete: 'off' });
    const search = el('form', { class: 'panel', on: { submit: (event) => {
      event.preventDefault();
      showLife(queue.value, id.value.trim());
    } } },
    el('div', { class: 'desk-fields' }, el('div', { class: 'field' }, el('label', { for: 'queue' }, t('queue.queue')), queue),
      el('div', { class: 'field' }, el('label', { for: 'message' }, t('queue.message')), id)),
    el('div', { class: 'ops-bar' }, el('button', { class: 'button quiet', id: 'find' }, t('queue.showLife'))));
    main.replaceChildren(el('div', { class: 'desk' }, await deskMenu(),
      el('header', { class: 'lead' }, el('h1', {}, t('queue.title')), el('p', {}, t('queue.lead'))), cards, place, search));
    every(EVERY_MS, draw);
  },
});
