// Building the page. Text only ever becomes text: nothing here reads markup.

import { lang, t } from './words.js';

/** An element; attributes that are null or false are left out, functions are listeners. */
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === 'function') node.addEventListener(key, value);
    else if (value !== null && value !== false && value !== undefined) node.setAttribute(key, value === true ? '' : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const notice = document.getElementById('notice');

export function say(text, bad = false) {
  notice.textContent = text;
  notice.toggleAttribute('data-bad', bad);
}

/** Does something and says what came of it. Answers whether it was done. */
export async function attempt(what, done = '') {
  try {
    await what();
    say(done);
    return true;
  } catch (error) {
    say(error.message, true);
    return false;
  }
}

export const button = (text, click, kind = null) => el('button', { type: 'button', class: kind, click }, text);

/** For what cannot be undone: asks once more, on the button itself. */
export function careful(text, act) {
  let armed = null;
  const node = button(text, () => {
    if (armed) {
      clearTimeout(armed);
      act();
      return;
    }
    node.textContent = t('{text}: sure?', { text });
    armed = setTimeout(() => {
      armed = null;
      node.textContent = text;
    }, 4000);
  }, 'bad');
  return node;
}

export function field(label, attributes = {}, options = null) {
  const input = options
    ? el('select', attributes, options.map(([value, text]) => el('option', { value, selected: value === attributes.value }, text)))
    : el('input', { autocomplete: 'off', spellcheck: 'false', ...attributes });
  return el('label', {}, label, input);
}

/** A form; `submit` gets its values, trimmed. */
export function form(fields, action, submit, attributes = {}) {
  const send = el('button', { class: 'main' }, action);
  return el('form', {
    ...attributes,
    submit: async (event) => {
      event.preventDefault();
      const values = Object.fromEntries([...new FormData(event.target)].map(([key, value]) => [key, value.trim()]));
      send.disabled = true;
      try {
        await submit(values, event.target);
      } finally {
        send.disabled = false;
      }
    },
  }, ...fields, send);
}

/** Rows of cells; on narrow screens each cell says what it is. */
export function table(head, rows) {
  const cells = (row) => row.map((cell, at) => el('td', { 'data-label': head[at] }, cell instanceof Node ? cell : el('span', {}, cell ?? '–')));
  return el('div', { class: 'scroll' }, el('table', {},
    el('thead', {}, el('tr', {}, head.map((name) => el('th', { scope: 'col' }, name)))),
    el('tbody', {}, rows.map((row) => el('tr', {}, cells(row))))));
}

export const list = (items, nothing) => (items.length ? el('ul', { class: 'list' }, items) : el('p', { class: 'soft' }, nothing));

/** Nodes below the one that `parent` names, each with what is below it. */
export function tree(nodes, show, parent = null, seen = new Set()) {
  const below = nodes.filter((node) => (node.parent ?? null) === parent && !seen.has(node.id));
  if (!below.length) return null;
  return el('ul', { class: parent === null ? 'list' : 'tree' }, below.map((node) => {
    const inner = tree(nodes, show, node.id, new Set([...seen, node.id]));
    return parent === null ? el('li', {}, el('div', {}, show(node), inner)) : el('li', {}, show(node), inner);
  }));
}

export const when = (text) => (text ? new Date(text).toLocaleString(lang === 'en' ? undefined : lang) : null);

/** What a `datetime-local` field says, for the server; nothing for nothing. */
export const moment = (text) => (text ? new Date(text).toISOString() : null);
