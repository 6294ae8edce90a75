// A text field that suggests: a combobox with a list, as the ARIA practices describe it.

import { get } from './api.js';
import { el } from './dom.js';
import { t } from './i18n.js';

/** So long nobody types before the server is asked. */
const PAUSE = 150;

/** Suggestions below `input`; `chosen` gets the one that is taken. The list stands where the answer is put. */
export function suggestions(input, path, chosen) {
  const list = el('ul', { class: 'suggestions', id: `${input.id}-list`, role: 'listbox', 'aria-label': t('search.suggestions'), hidden: true });
  let found = [];
  let active = -1;
  let asked = 0;
  let timer;

  for (const [name, value] of Object.entries({ role: 'combobox', autocomplete: 'off', 'aria-autocomplete': 'list', 'aria-expanded': 'false', 'aria-controls': list.id })) {
    input.setAttribute(name, value);
  }

  const mark = (place) => {
    active = place;
    [...list.children].forEach((option, index) => option.setAttribute('aria-selected', String(index === place)));
    if (place < 0) input.removeAttribute('aria-activedescendant');
    else input.setAttribute('aria-activedescendant', list.children[place].id);
  };
  const close = () => {
    clearTimeout(timer);
    asked += 1;
    list.hidden = true;
    input.setAttribute('aria-expanded', 'false');
    mark(-1);
  };
  const draw = () => {
    list.replaceChildren(...found.map((one, place) => el('li', {
      role: 'option', id: `${list.id}-${place}`, 'aria-selected': 'false',
      // Before the field loses the focus.
      on: { mousedown: (event) => { event.preventDefault(); close(); chosen(one); } },
    }, el('span', {}, one.text), el('span', { class: 'note' }, t(`search.kind.${one.kind}`)))));
    list.hidden = found.length === 0;
    input.setAttribute('aria-expanded', String(found.length > 0));
    mark(-1);
  };
  const look = async () => {
    const question = input.value.trim();
    asked += 1;
    const mine = asked;
    if (!question) {
      close();
      return;
    }
    try {
      const answer = await get(`${path}?${new URLSearchParams({ q: question.slice(0, 100) })}`, { repeats: 0, timeout: 4000 });
      // An older answer may come after a newer one, or after the list was closed.
      if (mine !== asked) return;
      found = answer.suggestions;
      draw();
    } catch {
      // The field is of use without.
    }
  };
  const later = () => { clearTimeout(timer); timer = setTimeout(look, PAUSE); };

  // While an input method composes, the text is not yet what is meant.
  input.addEventListener('input', (event) => { if (!event.isComposing) later(); });
  input.addEventListener('compositionend', later);
  input.addEventListener('blur', close);
  input.addEventListener('keydown', (event) => {
    if (event.isComposing || list.hidden) return;
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key in steps) {
      event.preventDefault();
      // One place before the first is the field itself.
      const places = found.length + 1;
      mark(((active + 1 + steps[event.key] + places) % places) - 1);
    } else if (event.key === 'Escape') {
      event.preventDefault();
      close();
    } else if (event.key === 'Enter' && active >= 0) {
      event.preventDefault();
      const one = found[active];
      close();
      chosen(one);
    }
  });
  return list;
}
