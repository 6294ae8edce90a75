// The language of the page: asked for by ?lang=, else chosen before, else the browser's.

import en from './words-en.js';
import zh from './words-zh.js';
import problemsEn from './problems-en.js';
import problemsZh from './problems-zh.js';
import { keep, kept } from './store.js';

const WORDS = { en: { ...en, ...problemsEn }, zh: { ...zh, ...problemsZh } };
const STORED = 'nebula.lang';

function choose() {
  const asked = new URLSearchParams(location.search).get('lang');
  if (asked && Object.hasOwn(WORDS, asked)) {
    keep(STORED, asked);
    return asked;
  }
  const before = kept(STORED);
  if (before && Object.hasOwn(WORDS, before)) return before;
  const browser = (navigator.languages ?? [navigator.language]).find((tag) => /^(en|zh)\b/i.test(tag));
  return browser?.slice(0, 2).toLowerCase() ?? 'en';
}

/** `en` or `zh`. */
export const lang = choose();

/** The locale for Intl: the browser's own variant of English where it has one. */
export const locale = lang === 'zh'
  ? 'zh-CN'
  : (navigator.languages ?? []).find((tag) => /^en-/i.test(tag)) ?? 'en-GB';

document.documentElement.lang = lang === 'zh' ? 'zh-CN' : 'en';

const plurals = new Intl.PluralRules(locale);

/** Adds the texts of some pages, by language; a page loads those that it needs. */
export function teach(dictionaries) {
  for (const [language, words] of Object.entries(dictionaries)) Object.assign(WORDS[language], words);
}

/** True when the dictionary has the key. */
export const has = (key) => Object.hasOwn(WORDS[lang], key);

/**
 * The text of a key. `{name}` is replaced from `values`; an entry with `one` and `other` is chosen by `values.count`.
 * An unknown key shows itself, so that it is seen and repaired.
 */
export function t(key, values = {}) {
  let text = WORDS[lang][key] ?? key;
  if (typeof text === 'object') text = text[plurals.select(values.count)] ?? text.other;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** The field in this language, as the API names it: `title` and `title_zh`. */
export const localized = (object, field) => (lang === 'zh' && object[`${field}_zh`]) || object[field] || '';

/** What the parts and categories of a seating plan are called; one that has no name in this language keeps its own. */
export function namesIn({ names_zh: names = {} }) {
  const zh = new Map(Object.entries(names));
  return (name) => (lang === 'zh' && zh.get(name)) || name;
}

/** Stores the other language and draws the page anew. */
export function switchTo(other) {
  keep(STORED, other);
  const url = new URL(location.href);
  url.searchParams.delete('lang');
  history.replaceState(history.state, '', url);
  location.reload();
}
