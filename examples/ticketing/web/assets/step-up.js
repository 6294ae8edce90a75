// What asks for a fresh proof gets one: a dialog for a code, and the request goes on.

import { stronger } from './account.js';
import { onStepUp } from './api.js';
import { el } from './dom.js';
import { t } from './i18n.js';
import { codeField, signForm } from './sign-form.js';

/** Whether somebody showed the second factor. Only the session that was begun with one, or a password, can. */
function prove() {
  return new Promise((done) => {
    const dialog = el('dialog', { class: 'dialog', id: 'step-up', 'aria-label': t('factor.prove') });
    const end = (shown) => {
      dialog.close();
      dialog.remove();
      done(shown);
    };
    dialog.append(signForm({
      title: 'factor.prove', lead: 'factor.proveLead', submit: 'factor.proveSubmit', path: '/me/second-factor/show', signed: true, prefix: 'prove-', heading: 'h2',
      fields: [codeField],
      foot: el('p', { class: 'sign-foot' }, el('button', { class: 'button quiet small', type: 'button', id: 'prove-cancel', on: { click: () => end(false) } }, t('cancel.not'))),
      done({ access_token: token }) {
        stronger(token);
        end(true);
      },
    }));
    dialog.addEventListener('cancel', (event) => { event.preventDefault(); end(false); });
    document.body.append(dialog);
    dialog.showModal();
  });
}

let asking = null;

/** Several requests of a page ask once. */
onStepUp(() => {
  asking ??= prove().finally(() => { asking = null; });
  return asking;
});

