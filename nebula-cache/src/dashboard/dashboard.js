// Asks for the numbers every two seconds and draws what has changed since.

const EVERY = 2000;
const KEPT = 90;
const base = document.body.dataset.base;
const $ = (id) => document.getElementById(id);
const whole = new Intl.NumberFormat();
const short = new Intl.NumberFormat(undefined, { notation: 'compact', maximumFractionDigits: 1 });

/** Rates by series, oldest first. */
const series = new Map();
let before = null;

function el(name, attributes = {}, ...children) {
  const svg = ['svg', 'polyline', 'rect'].includes(name);
  const node = svg ? document.createElementNS('http://www.w3.org/2000/svg', name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== false) node.setAttribute(key, value);
  node.append(...children.filter((child) => child !== null));
  return node;
}

function push(key, value) {
  const values = series.get(key) ?? [];
  values.push(value);
  if (values.length > KEPT) values.shift();
  series.set(key, values);
}

/** Lines over the last three minutes; all begin at zero. */
function lines(title, entries) {
  const all = entries.flatMap(([, key]) => series.get(key) ?? []);
  const top = Math.max(1, ...all);
  const draw = ([, key], place) => {
    const values = series.get(key) ?? [];
    const x = (i) => (((KEPT - values.length + i) * 300) / (KEPT - 1)).toFixed(1);
    const points = values.map((value, i) => `${x(i)},${(98 - (94 * value) / top).toFixed(1)}`).join(' ');
    return el('polyline', { class: 'abcd'[place], points });
  };
  const last = (key) => short.format(series.get(key)?.at(-1) ?? 0);
  const labels = entries.map(([name, key], place) => el('i', { class: 'abcd'[place] }, `${name} ${last(key)}`));
  const chart = el('svg', { viewBox: '0 0 300 100', preserveAspectRatio: 'none', role: 'img', 'aria-label': title }, ...entries.map(draw));
  return el('figure', {}, chart, el('figcaption', {}, title, ...labels));
}

function time(micros) {
  if (micros === null) return 'more';
  return micros < 1000 ? `${micros} µs` : micros < 1e6 ? `${micros / 1000} ms` : `${micros / 1e6} s`;
}

function histogram(title, classes) {
  const top = Math.max(1, ...classes.map(([, count]) => count));
  const width = 300 / classes.length;
  const bars = classes.map(([end, count], i) => {
    const height = count ? Math.max(2, (94 * count) / top) : 0;
    return el('rect', { x: i * width + 1, y: 100 - height, width: width - 2, height });
  });
  const used = classes.filter(([, count]) => count);
  const range = used.length ? `up to ${time(used.at(-1)[0])}` : 'none yet';
  const label = classes.map(([end, count]) => `${time(end)}: ${count}`).join(', ');
  const chart = el('svg', { viewBox: '0 0 300 100', preserveAspectRatio: 'none', role: 'img', 'aria-label': label }, ...bars);
  return el('figure', {}, chart, el('figcaption', {}, title, el('i', { class: 'a' }, range)));
}

function tile(name, value, bad = false) {
  return el('article', { 'data-bad': bad && '' }, el('p', {}, el('strong', {}, value), name));
}

function facts(entries) {
  return el('dl', {}, ...entries.map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value))));
}

function cache(now) {
  const rate = (name) => [name, `${now.name}/${name}`];
  const reads = now.local_hits + now.shared_hits + now.misses;
  const hits = reads ? `${((100 * (now.local_hits + now.shared_hits)) / reads).toFixed(1)} %` : '–';
  return el('article', {},
    el('h2', {}, now.name),
    el('div', { class: 'charts' },
      lines('Reads a second', [rate('local'), rate('shared'), rate('missing'), rate('stale')]),
      lines('Loads a second', [rate('loads'), rate('joined'), rate('slow'), rate('failed')]),
      histogram('Time of loads', now.load_histogram),
      now.shared_histogram.some(([, count]) => count) ? histogram('Time of the shared level', now.shared_histogram) : null),
    facts([
      ['Hits', hits],
      ['Entries', `${whole.format(now.entries)}`],
      ['Weight', `${whole.format(now.weight)} of ${short.format(now.capacity)}`],
      ['Known absent', whole.format(now.known_absent)],
      ['Loading', whole.format(now.loading)],
      ['Puts', whole.format(now.puts)],
      ['Evict calls', whole.format(now.evicted)],
      ['Left: evicted', whole.format(now.evictions.explicit)],
      ['Left: invalidated', whole.format(now.evictions.invalidated)],
      ['Left: expired', whole.format(now.evictions.expired)],
      ['Left: replaced', whole.format(now.evictions.replaced)],
      ['Left: for room', `${whole.format(now.evictions.capacity)} (weight ${short.format(now.evictions.capacity_weight)})`],
      ['Overtaken loads', whole.format(now.refused_fills)],
      ['Other schema', whole.format(now.other_schema)],
      ['Undecodable', whole.format(now.undecodable)],
      ['Shared errors', whole.format(now.shared_errors)],
      ['Slow answers of it', whole.format(now.slow_shared)],
      ['Timed out loads', whole.format(now.timed_out_loads)],
    ]));
}

function limits(now) {
  const head = ['Rule', 'Allowed', 'Denied', 'By lease', 'Known denial', 'While down'];
  const row = (rule) => [rule.name, rule.allowed, rule.denied, rule.by_lease, rule.by_known_denial, rule.while_down];
  const cells = (row) => row.map((value) => el('td', {}, typeof value === 'number' ? whole.format(value) : value));
  const table = el('table', {},
    el('thead', {}, el('tr', {}, ...head.map((name) => el('th', { scope: 'col' }, name)))),
    el('tbody', {}, ...now.rules.map((rule) => el('tr', {}, ...cells(row(rule))))));
  return el('article', {},
    el('h2', {}, 'Rate limits'),
    el('div', { class: 'charts' }, lines('Decisions a second', [['allowed', 'limits/allowed'], ['denied', 'limits/denied']])),
    el('div', { class: 'scroll', tabindex: '0' }, table),
    facts([['Version', whole.format(now.version)], ['Nodes', whole.format(now.nodes)], ['Breaker', now.breaker], ['Store errors', whole.format(now.store_errors)]]));
}

function slow(commands) {
  const row = (one) => [one.command, time(one.micros), new Date(one.at * 1000).toLocaleTimeString()];
  const rows = commands.map((one) => el('tr', {}, ...row(one).map((text) => el('td', {}, text))));
  const head = ['Command', 'Time', 'At'].map((name) => el('th', { scope: 'col' }, name));
  const table = el('table', {}, el('thead', {}, el('tr', {}, ...head)), el('tbody', {}, ...rows));
  return el('article', {}, el('h2', {}, 'Slow commands of the server'), commands.length ? el('div', { class: 'scroll', tabindex: '0' }, table) : el('p', {}, 'None.'));
}

function note(now, seconds) {
  const of = (snapshot) => new Map((snapshot?.caches?.caches ?? []).map((one) => [one.name, one]));
  const [old, current] = [of(before), of(now)];
  for (const [name, one] of current) {
    const was = old.get(name) ?? one;
    const rate = (field) => Math.max(0, (one[field] - was[field]) / seconds);
    const fields = { local: 'local_hits', shared: 'shared_hits', missing: 'misses', stale: 'stale_served', loads: 'loads', joined: 'joined_loads', slow: 'slow_loads', failed: 'failed_loads' };
    for (const [key, field] of Object.entries(fields)) push(`${name}/${key}`, rate(field));
  }
  if (now.limits) {
    const sum = (snapshot, field) => snapshot.limits.rules.reduce((all, rule) => all + rule[field], 0);
    for (const field of ['allowed', 'denied']) {
      const grown = sum(now, field) - sum(before?.limits ? before : now, field);
      push(`limits/${field}`, Math.max(0, grown / seconds));
    }
  }
}

function show(now) {
  const { caches: all, limits: rules } = now;
  const tiles = all ? [
    tile('Caches', whole.format(all.caches.length)),
    tile('Entries here', short.format(all.caches.reduce((sum, one) => sum + one.entries, 0))),
    tile('Invalidations', all.trusted ? 'followed' : 'lost', !all.trusted),
    tile('Age of that knowledge', `${whole.format(all.staleness_ms)} ms`),
    tile('Invalidation lag', `${whole.format(all.invalidation_lag_ms)} ms`),
    tile('Slow evictions and news', whole.format(all.slow_shared)),
    tile('Pending evictions', whole.format(all.pending_evictions), all.pending_evictions > 0),
    tile(`Breaker (opened ${whole.format(all.breaker_opened)}×)`, all.breaker, all.breaker !== 'closed'),
  ] : [];
  $('overview').replaceChildren(...tiles);
  $('caches').replaceChildren(...(all?.caches ?? []).map(cache));
  $('slow').replaceChildren(...(now.slow ? [slow(now.slow)] : []));
  $('limits').replaceChildren(...(rules ? [limits(rules)] : []));
}

let asked = performance.now();

async function round() {
  try {
    const response = await fetch(`${base}/snapshot.json`, { cache: 'no-store', signal: AbortSignal.timeout(5000) });
    if (!response.ok) throw new Error(`status ${response.status}`);
    const now = await response.json();
    const at = performance.now();
    note(now, Math.max(0.1, (at - asked) / 1000));
    [asked, before] = [at, now];
    show(now);
    $('state').removeAttribute('data-bad');
    $('state').textContent = `as of ${new Date().toLocaleTimeString()}`;
  } catch (error) {
    $('state').setAttribute('data-bad', '');
    $('state').textContent = `no numbers: ${error.message}`;
  }
  setTimeout(round, document.hidden ? EVERY * 5 : EVERY);
}

round();
