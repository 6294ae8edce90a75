// The form above the list of shows. What is asked for stands in the page's address, so that it can be shared and gone back to.

import { el } from './dom.js';
import { t } from './i18n.js';
import { suggestions } from './suggest.js';

const NAMES = ['q', 'city', 'genre', 'from', 'to', 'price_max', 'on_sale', 'sort'];
const SORTS = ['relevance', 'date', 'price', 'heat'];

/** What the address asks for; nothing on the plain list. */
export function asked() {
  const given = new URLSearchParams(location.search);
  const pairs = NAMES.map((name) => [name, given.get(name)?.trim()]).filter(([, value]) => value);
  return pairs.length > 0 ? Object.fromEntries(pairs) : null;
}

const midnight = (day, later = 0) => {
  const [year, month, date] = day.split('-').map(Number);
  return new Date(year, month - 1, date + later).toISOString();
};

/** The same as the interface understands it: days are the visitor's. */
export function parameters({ from, to, ...rest }) {
  const day = /^\d{4,5}-\d{2}-\d{2}$/;
  return {
    ...rest,
    ...(from && day.test(from) && { from: midnight(from) }),
    ...(to && day.test(to) && { to: midnight(to, 1) }),
  };
}

function field(name, label, input) {
  input.id = `search-${name}`;
  input.name = name;
  return el('div', { class: 'field' }, el('label', { for: input.id }, t(label)), input);
}

function choice(values, chosen, any) {
  const known = values.some(([value]) => value === chosen);
  const all = chosen && !known ? [...values, [chosen, chosen]] : values;
  return el('select', {}, any && el('option', { value: '' }, t(any)),
    all.map(([value, text]) => el('option', { value, selected: value === chosen }, text)));
}

/** `shop` is the path of the shop within the interface; `facets` what can be filtered by. */
export function searchForm({ shop, facets, wanted }) {
  const now = wanted ?? {};
  const input = el('input', { id: 'search-q', name: 'q', type: 'search', maxlength: 100, value: now.q, placeholder: t('search.placeholder'), enterkeyhint: 'search' });
  const submit = () => form.requestSubmit();
  const list = suggestions(input, `${shop}/search/suggestions`, (one) => {
    if (one.show_id) {
      location.assign(`/shows/${encodeURIComponent(one.show_id)}`);
      return;
    }
    input.value = one.text;
    submit();
  });
  const cities = (facets?.cities ?? []).map(({ value, shows }) => [value, `${value} (${shows})`]);
  const genres = (facets?.genres ?? []).map(({ value, shows }) => [value, `${t(`genre.${value}`)} (${shows})`]);
  const sorts = SORTS.map((sort) => [sort, t(`search.sort.${sort}`)]);
  const onSale = el('input', { type: 'checkbox', id: 'search-on_sale', name: 'on_sale', value: 'true', checked: now.on_sale === 'true' });
  const filtered = Object.keys(now).some((name) => name !== 'q');
  const form = el('form', { class: 'search', role: 'search', id: 'search', 'aria-label': t('search.label'), on: { submit: (event) => {
    event.preventDefault();
    const given = [...new FormData(form)].filter(([, value]) => value.trim());
    // Without a reason to sort otherwise, the server knows the best order.
    const question = new URLSearchParams(given.filter(([name, value]) => name !== 'sort' || value !== ''));
    location.assign(`${location.pathname}${[...question].length > 0 ? `?${question}` : ''}`);
  } } },
  el('div', { class: 'search-main' },
    el('label', { class: 'visually-hidden', for: 'search-q' }, t('search.label')),
    el('div', { class: 'search-box' }, input, list),
    el('button', { class: 'button', type: 'submit' }, t('search.submit'))),
  el('details', { class: 'search-filters', id: 'search-filters', open: filtered },
    el('summary', {}, t('search.filters')),
    el('div', { class: 'search-fields' },
      field('city', 'search.city', choice(cities, now.city, 'search.any')),
      field('genre', 'search.genre', choice(genres, now.genre, 'search.any')),
      field('from', 'search.from', el('input', { type: 'date', value: now.from })),
      field('to', 'search.to', el('input', { type: 'date', value: now.to })),
      field('price_max', 'search.priceMax', el('input', { inputmode: 'decimal', pattern: '\\d+(\\.\\d{1,2})?', value: now.price_max })),
      field('sort', 'search.sort', choice(sorts, now.sort, 'search.sort.best')),
      el('div', { class: 'search-check' }, onSale, el('label', { for: 'search-on_sale' }, t('search.onSale'))))));
  return form;
}
