// The language of the page: chosen on it before, else the browser's.

import zh from './words-zh.js';

const STORED = 'nebula-language';
const WORDS = { en: {}, 'zh-CN': zh };

function choose() {
  const before = localStorage.getItem(STORED);
  if (before && Object.hasOwn(WORDS, before)) return before;
  const browser = navigator.languages.find((tag) => /^(en|zh)\b/i.test(tag));
  return browser && /^zh/i.test(browser) ? 'zh-CN' : 'en';
}

/** A language of `WORDS`. */
export const lang = choose();

/** A text in that language; `{name}` is replaced from `values`. */
export function t(text, values = {}) {
  const own = Object.hasOwn(WORDS[lang], text) ? WORDS[lang][text] : text;
  return own.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** Keeps the other language, and draws the page anew. */
export function switchLanguage() {
  localStorage.setItem(STORED, lang === 'en' ? 'zh-CN' : 'en');
  document.location.reload();
}
