// A change that asks for a fresh proof of who it is gets one: a dialog for a code, and the change goes on.

import { onStepUp, prove, signIn } from './api.js';
import { button, el, field, form } from './dom.js';
import { t } from './words.js';

/** Whether somebody showed the second factor. */
function shown(how) {
  return new Promise((done) => {
    const wrong = el('p', { class: 'off', id: 'step-up-wrong', role: 'alert' });
    const code = field(t('Code of your authenticator app, or a recovery code'), { name: 'code', required: true, autocomplete: 'one-time-code', maxlength: 64, 'aria-describedby': 'step-up-wrong' });
    const end = (proven) => {
      dialog.close();
      dialog.remove();
      done(proven);
    };
    const send = form([code], t('Go on'), async (values) => {
      wrong.textContent = '';
      try {
        await prove(how, values.code);
        end(true);
      } catch (error) {
        wrong.textContent = `${t('The code was not accepted.')} ${error.message}`;
        code.querySelector('input').select();
      }
    });
    const dialog = el('dialog', { id: 'step-up', 'aria-labelledby': 'step-up-title', cancel: (event) => { event.preventDefault(); end(false); } },
      el('h2', { id: 'step-up-title' }, t('Show your second factor')),
      el('p', { class: 'soft' }, t('Such a change needs a fresh proof that it is you.')),
      send, wrong, button(t('Leave it'), () => end(false)));
    document.body.append(dialog);
    dialog.showModal();
    code.querySelector('input').focus();
  });
}

let asking = null;

/** Several requests of the page ask once. */
onStepUp(() => {
  asking ??= signIn().then((how) => Boolean(how?.step_up) && shown(how)).finally(() => { asking = null; });
  return asking;
});
