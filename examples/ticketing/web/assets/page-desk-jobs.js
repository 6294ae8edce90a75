// Back office: what the platform does by itself again and again.

import { get, post } from './api.js';
import { deskMenu } from './desk-menu.js';
import { reasonFor } from './desk-reason.js';
import { el } from './dom.js';
import { count, instant } from './format.js';
import { has, t } from './i18n.js';
import { notify } from './notice.js';
import { every, lasting, number, table, word } from './operations-parts.js';
import { runPage } from './page.js';
import { friendly } from './problem.js';

/** How often the page looks again. */
const EVERY_MS = 3000;

const time = (at) => (at ? el('time', { datetime: at }, instant(at)) : '–');
const named = (prefix, name) => (has(`${prefix}.${name}`) ? t(`${prefix}.${name}`) : name);

function schedule({ every_ms: ms, cron, time_zone: zone, place }) {
  const when = cron ? `${cron}${zone ? ` (${zone})` : ''}` : t('jobs.every', { time: lasting(ms) });
  return place === 'each' ? `${when} · ${t('jobs.each')}` : when;
}

/** What a run did: what is not zero. */
function did({ did: counts }) {
  const done = Object.entries(counts).filter(([, many]) => many > 0);
  return done.length ? done.map(([name, many]) => `${named('jobs.did', name)}: ${count(many)}`).join(' · ') : t('jobs.nothing');
}

function state({ running, overdue, last }) {
  if (running) return word(t('jobs.running'), false, { 'data-state': 'running' });
  if (overdue) return word(t('jobs.overdue'), true, { 'data-state': 'overdue' });
  if (!last) return word(t('jobs.never'), false, { 'data-state': 'never' });
  return word(t(`jobs.${last.outcome}`), last.outcome === 'failed', { 'data-state': last.outcome });
}

async function begin(name, draw) {
  const reason = await reasonFor(named('jobs.name', name), { ask: 'jobs.why', act: 'jobs.run' });
  if (!reason) return;
  try {
    await post(`/admin/jobs/${encodeURIComponent(name)}/runs`, { reason }, { signed: true });
    notify(t('jobs.begun'), 'good');
  } catch (problem) {
    notify(friendly(problem), 'bad');
  }
  await draw();
}

runPage({
  title: 'jobs.title',
  signed: true,
  async load(main) {
    const { permissions } = await get('/desk', { signed: true });
    const may = permissions.includes('job:run');
    const place = el('div', { class: 'ops-part', id: 'jobs' });
    let drawn = null;
    const draw = async () => {
      const { jobs } = await get('/admin/jobs', { signed: true, repeats: 0 });
      // What has not changed stays as it is, under the pointer as well.
      const now = JSON.stringify(jobs);
      if (now === drawn) return;
      drawn = now;
      const at = document.activeElement?.dataset?.run;
      const button = ({ name, running }) => may && el('button', { class: 'button small quiet', type: 'button', 'data-run': name, disabled: running === true, on: { click: () => begin(name, draw) } },
        t('jobs.run'), el('span', { class: 'visually-hidden' }, `: ${named('jobs.name', name)}`));
      place.replaceChildren(table(t('jobs.title'), ['jobs.job', 'jobs.state', 'jobs.last', 'jobs.took', 'jobs.next', ...(may ? ['jobs.act'] : []), 'jobs.when', 'jobs.what', 'jobs.runs', 'jobs.failures', 'jobs.who'],
        jobs.map((job) => ({ 'data-job': job.name, cells: [named('jobs.name', job.name), state(job), time(job.last?.began_at),
          number(job.last ? lasting(job.last.took_ms) : '–'), time(job.next_at), ...(may ? [button(job)] : []), schedule(job),
          job.last ? (job.last.error ? el('span', { class: 'ops-bad' }, job.last.error) : did(job.last)) : '–',
          number(count(job.runs)), number(count(job.failures), job.failures > 0), job.last?.process ?? '–'] }))));
      if (at) [...place.querySelectorAll('[data-run]')].find((one) => one.dataset.run === at)?.focus();
    };
    await draw();
    main.replaceChildren(el('div', { class: 'desk' }, await deskMenu(),
      el('header', { class: 'lead' }, el('h1', {}, t('jobs.title')), el('p', {}, t('jobs.lead'))), place));
    every(EVERY_MS, draw);
  },
});
