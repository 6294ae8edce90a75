import { states, statuses, words } from './words.js';

const base = location.pathname.replace(/\/page\/?$/, '');
const view = document.getElementById('view');
let language = navigator.language.startsWith('zh') ? 'zh' : 'en';
let current = 'jobs';

const word = (name) => words[language][name];
const say = (text) => { document.getElementById('message').textContent = text ?? ''; };

/** An element with texts and elements in it: never markup, since what is shown comes from outside. */
function make(tag, attributes, ...inner) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (typeof value === 'function') element.addEventListener(name, value);
    else if (value !== undefined) element.setAttribute(name, value);
  }
  element.append(...inner.filter((one) => one !== undefined && one !== null && one !== ''));
  return element;
}

async function ask(method, path, body) {
  const headers = { 'x-requested-with': 'page' };
  const token = document.getElementById('token').value;
  if (token) headers.authorization = `Bearer ${token}`;
  if (body !== undefined) headers['content-type'] = 'application/json';
  const answer = await fetch(base + path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const text = await answer.text();
  if (!answer.ok) {
    let detail = text;
    try { detail = JSON.parse(text).detail; } catch { /* it is no problem document */ }
    throw new Error(`${answer.status} ${detail ?? ''}`);
  }
  return text ? JSON.parse(text) : null;
}

/** Runs what may fail, and shows why it did. */
const trying = (work) => async (event) => {
  event?.preventDefault?.();
  say('');
  try { await work(event); } catch (error) { say(error.message); }
};

const query = (fields) => {
  const filled = Object.entries(fields).filter(([, value]) => value);
  return filled.length ? `?${new URLSearchParams(filled)}` : '';
};

/** A table whose cells know their heads, for screens that have no room for them. */
function table(heads, rows) {
  for (const row of rows) {
    heads.forEach((name, at) => { if (row.cells[at].hasChildNodes()) row.cells[at].dataset.head = word(name); });
  }
  const head = make('tr', {}, ...heads.map((name) => make('th', { scope: 'col' }, word(name))));
  if (rows[0]?.cells.length > heads.length) head.append(make('td', {}));
  return make('table', {}, make('thead', {}, head), make('tbody', {}, ...rows));
}

/** What the server calls by an English word, in the reader's language. */
const called = (name) => states[language][name] ?? name;

async function jobs(asked = {}) {
  const field = (name) => make('label', {}, word(name), make('input', { name, value: asked[name] ?? '' }));
  const select = make('select', { name: 'status' }, make('option', { value: '' }, word('any')),
    ...statuses.map((name) => make('option', name === asked.status ? { value: name, selected: '' } : { value: name }, called(name))));
  const form = make('form', { submit: trying((event) => jobs(Object.fromEntries(new FormData(event.target)))) },
    field('address'), field('template'), field('tenant'), make('label', {}, word('status'), select),
    make('button', {}, word('search')));
  const found = await ask('GET', `/jobs${query({ ...asked, limit: 50 })}`);
  const act = (job, name) => trying(async () => {
    await ask('POST', `/jobs/${encodeURIComponent(job.id)}/${name}`);
    await jobs(asked);
    say(word('done'));
  });
  const row = (job) => make('tr', {},
    make('td', {}, new Date(job.created).toLocaleString(language)), make('td', {}, called(job.channel)), make('td', {}, job.address),
    make('td', {}, job.template), make('td', { 'data-state': job.status }, called(job.status)), make('td', { class: 'long' }, job.reason),
    make('td', { class: 'long' }, job.attempts.length
      ? make('div', {}, ...job.attempts.map((one) => make('div', {}, `${one.provider}: ${called(one.state)} ${one.code ?? ''}`))) : ''),
    make('td', {}, job.cost ? `${job.cost.micros / 1e6} ${job.cost.currency}` : ''),
    make('td', {},
      job.resendable ? make('button', { click: act(job, 'resend') }, word('resend')) : '',
      job.status === 'waiting' ? make('button', { click: act(job, 'cancel') }, word('cancel')) : ''));
  const heads = ['time', 'channel', 'address', 'template', 'status', 'reason', 'attempts', 'cost'];
  const list = table(heads, found.map(row));
  view.replaceChildren(form, found.length ? list : make('p', {}, word('nothing')));
  if (found.length === 50) {
    view.append(make('button', { click: trying(() => jobs({ ...asked, before: found.at(-1).id })) }, word('more')));
  }
}

async function statistics() {
  const all = await ask('GET', '/statistics');
  const count = (value) => make('td', { class: 'number' }, value === null ? '–' : String(value));
  const row = (one) => make('tr', {}, make('td', {}, one.provider), make('td', {}, one.template), count(one.attempts),
    count(one.sent), count(one.delivered), count(one.undelivered), count(one.refused), count(one.unknown), count(one.sent_per_mille));
  const heads = ['provider', 'template', 'attempts', 'sent', 'delivered', 'undelivered', 'refused', 'unknown', 'rate'];
  view.replaceChildren(all.length ? table(heads, all.map(row)) : make('p', {}, word('nothing')));
}

async function templates() {
  const all = await ask('GET', '/templates');
  const row = (one) => make('tr', {}, make('td', {}, make('button', { click: trying(() => edit(one)) }, one.template.name)),
    make('td', {}, called(one.template.kind)), make('td', {}, String(one.version)), make('td', {}, new Date(one.stored).toLocaleString(language)));
  const list = table(['name', 'kind', 'version', 'time'], all.map(row));
  const fresh = { version: 0, template: { name: 'new', kind: 'notice', params: {}, contents: { en: { title: null, text: '' } }, fallback: 'en' } };
  view.replaceChildren(list, make('p', {}, make('button', { click: trying(() => edit(fresh)) }, word('fresh'))));
}

async function edit(stored) {
  const source = make('textarea', { spellcheck: 'false' });
  source.value = JSON.stringify(stored.template, null, 2);
  const values = make('input', { value: '{}' });
  const locale = make('input', { value: language });
  const shown = make('div', {});
  const path = (name) => `/templates/${encodeURIComponent(name)}`;
  const save = trying(async () => {
    const template = JSON.parse(source.value);
    await ask('PUT', `${path(template.name)}?expected=${stored.version}`, template);
    await templates();
    say(word('stored'));
  });
  const preview = trying(async () => {
    const template = JSON.parse(source.value);
    const params = JSON.parse(values.value);
    const rendered = await ask('POST', `${path(template.name)}/preview`, { locale: locale.value, params, template });
    shown.replaceChildren(...['title', 'text', 'html'].filter((part) => rendered[part])
      .flatMap((part) => [make('h3', {}, part), make('pre', {}, rendered[part])]));
  });
  const remove = trying(async () => {
    if (!confirm(word('sure'))) return;
    await ask('DELETE', path(stored.template.name));
    await templates();
    say(word('removed'));
  });
  view.replaceChildren(source, make('form', { submit: preview },
    make('label', {}, word('locale'), locale), make('label', {}, word('values'), values),
    make('button', {}, word('preview')), make('button', { type: 'button', click: save }, word('save')),
    stored.version ? make('button', { type: 'button', click: remove }, word('remove')) : ''), shown);
}

const views = { jobs: () => jobs(), statistics, templates };

const show = trying(async () => {
  document.documentElement.lang = language;
  document.title = word('title');
  for (const element of document.querySelectorAll('[data-word]')) element.textContent = word(element.dataset.word);
  for (const element of document.querySelectorAll('[data-view]')) {
    element.setAttribute('aria-current', String(element.dataset.view === current));
  }
  document.getElementById('language').textContent = word('other');
  await views[current]();
});

for (const element of document.querySelectorAll('[data-view]')) {
  element.addEventListener('click', () => { current = element.dataset.view; show(); });
}
document.getElementById('language').addEventListener('click', () => { language = language === 'zh' ? 'en' : 'zh'; show(); });
document.getElementById('token').addEventListener('change', show);
show();
