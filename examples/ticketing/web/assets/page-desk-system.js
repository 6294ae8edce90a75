// Back office: locks, caches, limits, breakers, and what is given up.

import { get } from './api.js';
import { deskMenu } from './desk-menu.js';
import { el } from './dom.js';
import { count } from './format.js';
import { has, localized, t } from './i18n.js';
import { counts, every, known, lasting, number, table, word } from './operations-parts.js';
import { runPage } from './page.js';

/** How often the page looks again. */
const EVERY_MS = 3000;

const named = (prefix, name) => (has(`${prefix}.${name}`) ? t(`${prefix}.${name}`) : name);
const part = (id, title, ...children) => el('section', { class: 'ops-part', id }, el('h2', {}, t(title)), children);

/** The part of reads that found something. */
const rate = (hits, misses) => (hits + misses ? `${Math.floor((100 * hits) / (hits + misses))} %` : '–');

function locks({ round_trip_ms: round, held, waiting, leases, counts: done }) {
  const row = ({ name, holder }) => ({ 'data-lock': name, cells: [name,
    holder ? word(t('system.held')) : t('system.free'),
    holder ? `${holder.owner}… · ${t('system.fence', { fence: count(holder.fence) })}` : '–',
    number(holder ? lasting(holder.remaining_ms) : '–'), number(holder ? count(holder.waiting) : '–')] });
  return part('locks', 'system.locks',
    round === null && el('p', { class: 'ops-bad' }, t('system.locksAway')),
    counts([['system.roundTrip', round === null ? '–' : lasting(round)], ['system.heldHere', known(held)], ['system.waitingHere', known(waiting)],
      ['system.acquired', known(done.acquired)], ['system.busy', known(done.busy)], ['system.failed', known(done.failed), done.failed > 0],
      ['system.lost', known(done.lost), done.lost > 0], ['system.heldLong', known(done.held_long), done.held_long > 0]]),
    table(t('system.locks'), ['system.lock', 'system.state', 'system.holder', 'system.lease', 'system.waiting'], leases.map(row)));
}

const caches = (all) => part('caches', 'system.caches', el('p', { class: 'note' }, t('system.here')),
  table(t('system.caches'), ['system.cache', 'system.entries', 'system.hits', 'system.misses', 'system.rate'],
    all.map(({ name, entries, capacity, hits, misses }) => ({ 'data-cache': name, cells: [name, number(capacity === null ? count(entries) : `${count(entries)} / ${count(capacity)}`),
      number(count(hits)), number(count(misses)), number(rate(hits, misses))] }))));

const hot = (all) => part('hot', 'system.hot', el('p', { class: 'note' }, t('system.hotNote')),
  table(t('system.hot'), ['system.cache', 'system.key', 'system.reads'],
    all.map((one) => ({ 'data-hot': one.key, cells: [one.cache, [one.title && localized(one, 'title'), one.key || t('system.everybody')].filter(Boolean).join(' · '), number(count(one.reads))] })), 'system.noHot'));

const limits = (all, refusals) => part('limits', 'system.limits', el('p', { class: 'note' }, t('system.here')),
  table(t('system.limits'), ['system.limit', 'system.quota', 'system.allowed', 'system.refused', 'system.alone'],
    all.map(({ name, capacity, count: most, current, window_ms: window, allowed, refused, alone }) => ({ 'data-limit': name, cells: [named('system.rule', name),
      number([t('system.per', { count: count(most), time: lasting(window), burst: count(capacity) }), current < most && t('system.warming', { count: count(current) })].filter(Boolean).join(' · ')), number(count(allowed)), number(count(refused), refused > 0), number(count(alone), alone > 0)] }))),
  refusals.length > 0 && table(t('system.refusals'), ['system.refusal', 'system.times'],
    refusals.map(({ name, count: times }) => ({ cells: [el('code', {}, name), number(count(times))] }))));

const breakers = (all) => part('breakers', 'system.breakers',
  table(t('system.breakers'), ['system.part', 'system.state', 'system.opened', 'system.refused'],
    all.map(({ part: name, state, opened, refused }) => ({ 'data-part': name, cells: [named('system.part', name),
      word(t(`system.breaker.${state}`), state !== 'closed'), number(count(opened)), number(count(refused), refused > 0)] }))));

const load = ({ level, refusals }) => part('load', 'system.load', el('p', {}, word(t(`load.level.${level}`), level > 0)),
  table(t('system.load'), ['load.what', 'system.refused'],
    refusals.map(({ name, count: times }) => ({ cells: [t(`load.class.${name}`), number(count(times), times > 0)] }))));

runPage({
  title: 'system.title',
  signed: true,
  async load(main) {
    const place = el('div', { class: 'desk' });
    const draw = async () => {
      const now = await get('/admin/system', { signed: true, repeats: 0 });
      // Whoever reads a table keeps their place in it.
      const at = document.activeElement?.getAttribute('aria-label');
      place.replaceChildren(el('p', { class: 'note' }, t('system.process', { process: now.process })),
        load(now.load), breakers(now.breakers), locks(now.locks), limits(now.limits, now.refusals), caches(now.caches), hot(now.hot));
      if (at) [...place.querySelectorAll('[role=region]')].find((region) => region.getAttribute('aria-label') === at)?.focus();
    };
    await draw();
    main.replaceChildren(el('div', { class: 'desk' }, await deskMenu(),
      el('header', { class: 'lead' }, el('h1', {}, t('system.title')), el('p', {}, t('system.lead'))), place));
    every(EVERY_MS, draw);
  },
});
