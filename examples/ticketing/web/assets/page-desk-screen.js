// The live screen of a sale, for those who run it.

import { goSignIn } from './account.js';
import { get } from './api.js';
import { TimeChart, bar } from './chart.js';
import { el } from './dom.js';
import { followSigned } from './event-stream.js';
import { compact, count, instant, moment, price } from './format.js';
import { icon } from './icons.js';
import { has, locale, localized, t } from './i18n.js';
import { notify } from './notice.js';
import { idOfPath, runPage, setTitle } from './page.js';
import { friendly } from './problem.js';

const session = idOfPath();
const merchant = decodeURIComponent(location.pathname.split('/')[2] ?? '');
const path = `/desk/${encodeURIComponent(merchant)}/sessions/${encodeURIComponent(session)}/screen`;

const word = (kind, name) => (has(`${kind}.${name}`) ? t(`${kind}.${name}`) : name);
const percent = (part, whole) => (whole > 0 ? new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 1 }).format(part / whole) : '–');
const numeric = (text) => el('td', { class: 'number' }, text);

function tile(name, value, note) {
  return el('div', { class: 'tile', id: `tile-${name}` }, el('dt', {}, t(`screen.${name}`)), el('dd', {}, value), note && el('dd', { class: 'note' }, note));
}

function tiles({ seats, orders, room }) {
  return [
    tile('sold', count(seats.sold), t('screen.ofSeats', { share: percent(seats.sold, seats.seats), seats: count(seats.seats) })),
    tile('held', count(seats.locked), t('screen.unpaid', { count: orders.unpaid })),
    tile('free', count(seats.available), percent(seats.available, seats.seats)),
    orders.revenue && tile('revenue', price(orders.revenue), t('screen.paidOrders', { count: orders.paid })),
    tile('ended', count(orders.cancelled + orders.timed_out), t('screen.endings', { cancelled: count(orders.cancelled), expired: count(orders.timed_out), refunded: count(orders.refunded) })),
    room && tile('waiting', count(room.waiting), t('screen.inside', { inside: count(room.inside), most: count(room.most_inside), pace: count(room.pace_per_minute) })),
  ].filter(Boolean);
}

/** A panel with a table whose rows carry their own bars. */
class Rows {
  constructor(id, columns) {
    this.body = el('tbody', {});
    this.element = el('section', { class: 'panel rows', id }, el('h2', {}, t(`screen.${id}`)),
      el('div', { class: 'chart-scroll', tabindex: 0, role: 'region', 'aria-label': t(`screen.${id}`) }, el('table', {},
        el('thead', {}, el('tr', {}, columns.map((key) => (key ? el('th', { scope: 'col' }, t(key)) : el('td', {}))))), this.body)));
  }

  update(rows) {
    this.body.replaceChildren(...(rows.length ? rows : [el('tr', {}, el('td', { class: 'note', colspan: 6 }, t('screen.nothing')))]));
  }
}

const zoneRow = ({ zone, zone_zh, seats, available, locked, sold }) => el('tr', { 'data-zone': zone },
  el('th', { scope: 'row' }, localized({ zone, zone_zh }, 'zone') || t('screen.house')), el('td', { class: 'wide-bar' }, bar([[sold, 'sold'], [locked, 'held']], seats)),
  numeric(count(sold)), numeric(count(locked)), numeric(count(available)));

/** Each step, and how many of those before came that far. A reservation is made by choice, so nothing is measured by it. */
function funnelRows(steps) {
  const most = Math.max(1, ...steps.map((step) => step.count));
  return steps.map(({ step, count: number }, place) => {
    const before = steps.slice(0, place).findLast((one) => one.step !== 'reserved');
    return el('tr', { 'data-step': step }, el('th', { scope: 'row' }, t(`screen.step.${step}`)),
      el('td', { class: 'wide-bar' }, bar([[number, 'placed']], most)), numeric(count(number)),
      numeric(step === 'reserved' || !before ? '–' : percent(number, before.count)));
  });
}

function refusalRows(refusals) {
  const most = Math.max(1, ...refusals.map((refused) => refused.count));
  return refusals.map(({ step, code, count: number }) => el('tr', { 'data-refused': `${step}/${code}` },
    el('th', { scope: 'row' }, word('screen.reason', code), el('span', { class: 'note' }, word('screen.gate', step))),
    el('td', { class: 'wide-bar' }, bar([[number, 'refused']], most)), numeric(count(number))));
}

function clockLabels({ from, seconds }, intervals) {
  const begin = new Date(from).getTime();
  const format = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23', ...(seconds < 60 && { second: '2-digit' }) });
  return Array.from({ length: intervals }, (_, place) => format.format(begin + place * seconds * 1000));
}

class Screen {
  constructor(first) {
    this.scale = 0;
    const currency = first.orders.revenue?.currency ?? 'CNY';
    const money = (minor) => price({ amount: (minor / 100).toFixed(2), currency });
    const line = (name, kind, tone) => ({ name, label: t(`screen.line.${name}`), kind, tone });
    const chart = (id, lines, formats) => new TimeChart({ id: `chart-${id}`, title: t(`screen.chart.${id}`), lines, ...formats });
    this.charts = [
      chart('orders', [line('paid', 'bars', 'sold'), line('placed', 'line', 'placed'), line('ended', 'line', 'refused')]),
      chart('revenue', [line('revenue_minor', 'bars', 'sold')], { format: money, axis: (minor) => compact(minor / 100, currency) }),
      chart('room', [line('admitted', 'bars', 'placed'), line('waiting', 'line', 'held')]),
      chart('refused', [line('refused', 'bars', 'refused')]),
    ];
    this.tiles = el('dl', { class: 'tiles' });
    this.zones = new Rows('zones', ['screen.zone', null, 'screen.sold', 'screen.held', 'screen.free']);
    this.funnel = new Rows('funnel', ['screen.stepHead', null, 'screen.number', 'screen.share']);
    this.refusals = new Rows('refusals', ['screen.why', null, 'screen.number']);
    this.stale = el('p', { class: 'banner wait', id: 'stale', role: 'status', hidden: true });
    this.badge = el('span', { class: 'live', id: 'live', role: 'status' });
    this.at = el('time', { class: 'note', id: 'at' });
    this.state('connecting');
    this.update(first);
  }

  state(state) {
    this.badge.className = `live live-${state}`;
    this.badge.textContent = t(`live.${state}`);
  }

  draw(main) {
    const { shown } = this;
    const title = localized(shown, 'show_title');
    setTitle(`${t('screen.title')} · ${title}`);
    const scales = shown.series.map((_, place) => el('button', { type: 'button', id: `scale-${place}`, 'aria-pressed': String(place === this.scale),
      on: { click: ({ currentTarget }) => { this.scale = place; scales.forEach((one) => one.setAttribute('aria-pressed', String(one === currentTarget))); this.update(this.shown); } } }, t(`screen.scale.${place}`)));
    main.replaceChildren(
      el('header', { class: 'screen-head' },
        el('div', {}, el('a', { class: 'back', href: '/desk#sessions' }, icon('back'), t('screen.back')), el('h1', {}, title),
          el('p', { class: 'note' }, `${moment(shown.starts_at)} · ${shown.venue}`),
          el('p', { class: 'note' }, t('desk.session.sale', { from: moment(shown.sale_opens_at), to: moment(shown.sale_closes_at) }))),
        el('div', { class: 'screen-tools' }, this.badge, this.at,
          el('div', { class: 'switch', role: 'group', 'aria-label': t('screen.scale') }, scales), fullScreen(main))),
      this.stale, this.tiles,
      el('div', { class: 'screen-grid' }, this.charts.slice(0, 2).map((one) => one.element), this.funnel.element, this.zones.element,
        this.charts.slice(2).map((one) => one.element), this.refusals.element));
  }

  update(shown) {
    this.shown = shown;
    const series = shown.series[this.scale];
    const labels = clockLabels(series, series.placed.length);
    for (const chart of this.charts) chart.update(labels, series);
    // Without a waiting room there is nothing to show of it.
    this.charts[2].element.hidden = !shown.room && !series.admitted.some((number) => number > 0);
    this.tiles.replaceChildren(...tiles(shown));
    this.zones.update(shown.zones.map(zoneRow));
    this.funnel.update(funnelRows(shown.funnel));
    this.refusals.update(refusalRows(shown.refusals));
    this.stale.hidden = shown.stale.length === 0;
    this.stale.textContent = shown.stale.length ? t('screen.stale', { parts: shown.stale.map((part) => t(`screen.part.${part}`)).join(' · ') }) : '';
    this.at.dateTime = shown.server_time;
    this.at.textContent = instant(shown.server_time);
  }
}

/** For a screen on a wall. Where the browser has no such mode there is no button. */
function fullScreen(main) {
  if (!document.fullscreenEnabled) return null;
  const label = () => t(document.fullscreenElement ? 'screen.leaveFull' : 'screen.full');
  const toggle = el('button', { class: 'button small quiet', type: 'button', id: 'full', on: { click: () => {
    const change = document.fullscreenElement ? document.exitFullscreen() : main.requestFullscreen();
    change.catch(() => notify(t('screen.noFull'), 'bad'));
  } } }, label());
  document.addEventListener('fullscreenchange', () => { toggle.textContent = label(); });
  return toggle;
}

await runPage({ title: 'screen.title', signed: true, load: async (main) => {
  const screen = new Screen(await get(path, { signed: true }));
  screen.draw(main);
  const leaving = new AbortController();
  addEventListener('pagehide', () => leaving.abort());
  addEventListener('pageshow', ({ persisted }) => { if (persisted) location.reload(); });
  followSigned(`${path}/live`, {
    signal: leaving.signal,
    onState: (state) => screen.state(state),
    onEvent: (name, data) => { if (name === 'screen') screen.update(data); },
  }).catch((problem) => {
    screen.state('reconnecting');
    if (problem.needsSignIn) goSignIn(); else notify(friendly(problem), 'bad');
  });
} });
