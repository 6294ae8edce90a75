// Asks why, before something is done that the log keeps.

import { el } from './dom.js';
import { t } from './i18n.js';

/** Opens a dialog under this title; gives the reason, or null. `ask` and `act` are keys of texts. */
export function reasonFor(title, { ask, act, danger = false }) {
  const input = el('input', { id: 'why', required: true, maxlength: 200 });
  const dialog = el('dialog', { class: 'dialog', 'aria-labelledby': 'why-title' },
    el('form', { method: 'dialog' }, el('h2', { id: 'why-title' }, title),
      el('div', { class: 'field' }, el('label', { for: 'why' }, t(ask)), input),
      el('div', { class: 'actions' }, el('button', { class: 'button quiet', value: '', formnovalidate: true }, t('close')),
        el('button', { class: danger ? 'button danger' : 'button', value: 'yes', id: 'why-yes' }, t(act)))));
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((done) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      done(dialog.returnValue === 'yes' ? input.value : null);
    });
  });
}
