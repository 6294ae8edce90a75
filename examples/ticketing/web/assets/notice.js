// Short messages: shown for a while, and read out by screen readers.

import { el } from './dom.js';
import { icon } from './icons.js';
import { t } from './i18n.js';

const region = (className, live) => {
  const node = el('div', { class: className, role: live === 'assertive' ? 'alert' : 'status', 'aria-live': live });
  document.body.append(node);
  return node;
};

let toasts;
let whisper;

/** Says something to screen readers only. */
export function announce(text) {
  whisper ??= region('visually-hidden', 'polite');
  // The same text twice is spoken twice only if it changes in between.
  whisper.textContent = whisper.textContent === text ? `${text}\u00a0` : text;
}

/** Shows a message at the edge of the page; `kind` is `info`, `good` or `bad`. */
export function notify(text, kind = 'info') {
  toasts ??= region('toasts', 'polite');
  const dismiss = () => toast.remove();
  const toast = el('div', { class: `toast toast-${kind}` },
    icon({ info: 'clock', good: 'check', bad: 'alert' }[kind]),
    el('p', {}, text),
    el('button', { class: 'icon-button', type: 'button', 'aria-label': t('close'), on: { click: dismiss } }, icon('close')));
  toasts.append(toast);
  while (toasts.children.length > 3) toasts.firstChild.remove();
  // Long enough to read, and not taken away under the pointer.
  const expire = () => (toast.matches(':hover, :focus-within') ? setTimeout(expire, 2000) : dismiss());
  setTimeout(expire, 5000 + text.length * 60);
}
