// Venues with their seating plans, shows, and the sales calendar.

import { ask, get, post } from './api.js';
import { deskForm } from './desk-form.js';
import { findings } from './desk-plan.js';
import { posterForm } from './desk-poster.js';
import { el } from './dom.js';
import { moment, price } from './format.js';
import { localized, namesIn, t } from './i18n.js';
import { notify } from './notice.js';
import { poster } from './poster.js';
import { friendly } from './problem.js';

const GENRES = ['concert', 'theatre', 'opera', 'musical', 'dance', 'comedy', 'sport', 'exhibition', 'family', 'other'];
const signed = { signed: true };
const columns = (list, ...forms) => el('div', { class: 'desk-columns' }, list, el('div', { class: 'desk-list' }, forms));
const items = (rows, empty) => el('ul', { class: 'desk-list' }, rows.length ? rows : el('li', { class: 'note' }, t(empty)));

/** A button that publishes or hides, on the version that is shown. */
function publication(desk, path, { id, version, published }) {
  const run = async () => {
    try {
      await ask('PUT', `${desk.path}/${path}/${id}/publication`, { ...signed, body: { version, published: !published } });
    } catch (problem) {
      notify(friendly(problem), 'bad');
    }
    await desk.draw();
  };
  return [
    el('span', { class: `badge ${published ? 'badge-open' : 'badge-closed'}` }, t(published ? 'desk.published' : 'desk.draft')),
    desk.may('catalog:publish') && el('button', { class: 'button small quiet', type: 'button', 'data-publish': id, on: { click: run } },
      t(published ? 'desk.hide' : 'desk.publish')),
  ];
}

const degrees = { inputmode: 'decimal', autocomplete: 'off' };
const venueFields = ({ name, city, address, latitude, longitude }) => [
  { name: 'name', value: name, required: true }, { name: 'city', value: city }, { name: 'address', value: address },
  { name: 'latitude', value: latitude, ...degrees }, { name: 'longitude', value: longitude, ...degrees }];

/** Degrees as numbers; a field that is left empty says nothing. What is no number, the server refuses. */
function venueBody({ latitude, longitude, ...about }) {
  const number = (text) => (Number.isFinite(Number(text)) ? Number(text) : text);
  return { ...about, ...(latitude && { latitude: number(latitude) }), ...(longitude && { longitude: number(longitude) }) };
}

function venueForm(desk, venue) {
  return el('details', { 'data-venue': venue.id }, el('summary', {}, t('desk.venue.change')), deskForm({
    id: `venue-${venue.id}`, mark: `${venue.id}-`, title: 'desk.venue.change', submit: 'desk.save', fields: venueFields(venue),
    send: async (body) => {
      await ask('PUT', `${desk.path}/venues/${venue.id}`, { ...signed, body: { version: venue.version, ...venueBody(body) } });
      await desk.draw();
    },
  }));
}

export async function venues(desk) {
  const [{ venues: list }, { plans }] = await Promise.all([get(`${desk.path}/venues`, signed), get(`${desk.path}/plans`, signed)]);
  const rows = list.map((venue) => el('li', { class: 'desk-item' },
    el('div', {}, el('strong', {}, venue.name), el('span', { class: 'note' }, [venue.city, venue.address].filter(Boolean).join(' · ')),
      plans.filter((plan) => plan.venue_id === venue.id).map((plan) => el('span', { class: 'note', 'data-plan': plan.id }, t('desk.plan.line', { name: plan.name, count: plan.seats }))),
      desk.may('catalog:write') && venueForm(desk, venue))));
  const add = deskForm({
    id: 'new-venue', title: 'desk.venue.new', submit: 'desk.add',
    fields: venueFields({}),
    send: async (body) => { await post(`${desk.path}/venues`, venueBody(body), signed); await desk.draw(); },
  });
  return columns(items(rows, 'desk.venue.none'), desk.may('catalog:write') && [add, list.length > 0 && upload(desk, list)]);
}

function upload(desk, list) {
  const found = el('div', { class: 'desk-form', 'aria-live': 'polite' });
  let plan = null;
  const form = deskForm({
    id: 'new-plan', title: 'desk.plan.new', submit: 'desk.plan.store',
    fields: [
      { name: 'venue', options: list.map(({ id, name }) => [id, name]) },
      { name: 'file', type: 'file', accept: '.json,application/json', required: true },
    ],
    extra: [found],
    send: async ({ venue }) => {
      if (!plan) return;
      await post(`${desk.path}/venues/${venue}/plans`, plan, { ...signed, timeout: 60_000 });
      notify(t('desk.plan.stored'));
      await desk.draw();
    },
  });
  form.elements.file.addEventListener('change', async ({ target }) => {
    plan = null;
    const [file] = target.files;
    if (!file) return;
    let body;
    try {
      body = JSON.parse(await file.text());
    } catch (error) {
      found.replaceChildren(el('div', { class: 'desk-findings bad', role: 'alert' }, t('desk.plan.notJson'), ' ', error.message));
      return;
    }
    try {
      const checked = await post(`${desk.path}/plans/check`, body, { ...signed, timeout: 60_000 });
      if (checked.usable) plan = body;
      found.replaceChildren(...findings(checked).filter(Boolean));
    } catch (problem) {
      found.replaceChildren(el('div', { class: 'desk-findings bad', role: 'alert' }, friendly(problem)));
    }
  });
  return form;
}

export async function shows(desk) {
  const { shows: list } = await get(`${desk.path}/shows`, signed);
  const rows = list.map((show) => el('li', { class: 'desk-item' },
    el('div', {}, el('strong', {}, localized(show, 'title')), el('span', { class: 'note' }, localized(show, 'description')),
      el('span', { class: 'note', 'data-wanted': show.id }, t('desk.show.wanted', { count: show.wanted ?? 0 })),
      desk.may('catalog:write') && posterForm(desk, show)),
    el('div', { class: 'thumb' }, poster(show.title, show.poster, { sizes: '84px' })),
    publication(desk, 'shows', show)));
  return columns(items(rows, 'desk.show.none'), desk.may('catalog:write') && deskForm({
    id: 'new-show', title: 'desk.show.new', submit: 'desk.add',
    fields: [{ name: 'title', required: true }, { name: 'title_zh', required: true }, { name: 'artist' }, { name: 'artist_zh' },
      { name: 'genre', options: GENRES.map((genre) => [genre, t(`genre.${genre}`)]) }, { name: 'description' }, { name: 'description_zh' }],
    send: async (body) => { await post(`${desk.path}/shows`, body, signed); await desk.draw(); },
  }));
}

/** `380.5` as the interface writes money. */
const yuan = (text) => ({ amount: text, currency: 'CNY' });
const instant = (text) => new Date(text).toISOString();
/** For `datetime-local`: this many days from now, in the visitor's time. */
function inDays(days) {
  const at = new Date(Date.now() + days * 86_400_000);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function priceForm(desk, session) {
  const names = Object.keys(session.prices);
  return el('details', {}, el('summary', {}, t('desk.price.change')), deskForm({
    id: `prices-${session.id}`, mark: `${session.id}-`, title: 'desk.price.change', submit: 'desk.save',
    fields: names.map((name) => ({ name, label: name, value: session.prices[name].amount, inputmode: 'decimal', required: true })),
    send: async (values) => {
      const prices = Object.fromEntries(names.map((name) => [name, { ...session.prices[name], amount: values[name] }]));
      await ask('PUT', `${desk.path}/sessions/${session.id}/prices`, { ...signed, body: { version: session.version, prices } });
      await desk.draw();
    },
  }));
}

export async function sessions(desk) {
  const [{ sessions: list }, { shows: all }, { plans }] = await Promise.all([
    get(`${desk.path}/sessions`, signed), get(`${desk.path}/shows`, signed), get(`${desk.path}/plans`, signed)]);
  const rows = list.map((session) => el('li', { class: 'desk-item' },
    el('div', {}, el('a', { href: `/sessions/${session.id}` }, localized(session, 'title')),
      el('span', { class: 'note' }, `${moment(session.starts_at)} · ${session.venue}`),
      el('span', { class: 'note' }, t('desk.session.sale', { from: moment(session.sale_opens_at), to: moment(session.sale_closes_at) })),
      el('span', { class: 'note' }, Object.entries(session.prices).map(([name, amount]) => `${name} ${price(amount)}`).join(' · ')),
      desk.may('sale:audit') && el('a', { href: `${desk.path}/screen/${session.id}`, 'data-screen': session.id }, t('screen.open')),
      desk.may('catalog:write') && priceForm(desk, session)),
    publication(desk, 'sessions', session)));
  const ready = all.length > 0 && plans.length > 0;
  return columns(items(rows, 'desk.session.none'), desk.may('catalog:write') && (ready ? newSession(desk, all, plans) : el('p', { class: 'note' }, t('desk.session.needs'))));
}

function newSession(desk, all, plans) {
  const prices = el('div', { class: 'desk-form' });
  const planOf = (id) => plans.find((plan) => plan.id === id);
  const form = deskForm({
    id: 'new-session', title: 'desk.session.new', submit: 'desk.add',
    fields: [
      { name: 'show_id', options: all.map((show) => [show.id, localized(show, 'title')]) },
      { name: 'plan_id', options: plans.map((plan) => [plan.id, `${plan.venue} · ${plan.name}`]) },
      { name: 'starts_at', type: 'datetime-local', required: true, value: inDays(30) },
      { name: 'sale_opens_at', type: 'datetime-local', required: true, value: inDays(0) },
      { name: 'sale_closes_at', type: 'datetime-local', required: true, value: inDays(30) },
      { name: 'seats_per_user', type: 'number', min: 1, value: 6, required: true },
    ],
    extra: [prices],
    send: async ({ starts_at, sale_opens_at, sale_closes_at, seats_per_user, ...ids }) => {
      const priced = [...prices.querySelectorAll('input')].filter((input) => input.value.trim());
      await post(`${desk.path}/sessions`, {
        ...ids,
        starts_at: instant(starts_at), sale_opens_at: instant(sale_opens_at), sale_closes_at: instant(sale_closes_at),
        seats_per_user: Number(seats_per_user), hold_seconds: 900,
        prices: Object.fromEntries(priced.map((input) => [input.name, yuan(input.value.trim())])),
      }, signed);
      await desk.draw();
    },
  });
  const drawPrices = () => {
    const plan = planOf(form.elements.plan_id.value);
    const named = namesIn(plan);
    prices.replaceChildren(el('h3', {}, t('desk.price.each')), ...plan.categories.map(({ name }, place) =>
      el('div', { class: 'field' }, el('label', { for: `price-${place}` }, named(name)), el('input', { id: `price-${place}`, name, inputmode: 'decimal', pattern: '\\d+(\\.\\d{1,2})?' }))));
  };
  form.elements.plan_id.addEventListener('change', drawPrices);
  drawPrices();
  return form;
}
