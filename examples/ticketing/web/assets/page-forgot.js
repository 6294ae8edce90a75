// Set a password that was forgotten.

import { forget } from './account.js';
import { el } from './dom.js';
import { lang, t } from './i18n.js';
import { linkButton, messageBox, runPage } from './page.js';
import { signForm } from './sign-form.js';

runPage({
  title: 'forgot.title',
  load(main) {
    const sends = ({ email }) => ['/auth/codes', { email, purpose: 'reset-password', language: lang }];
    main.replaceChildren(signForm({
      title: 'forgot.title', lead: 'forgot.lead', submit: 'forgot.submit', path: '/auth/password',
      fields: [
        { name: 'email', type: 'email', autocomplete: 'username', inputmode: 'email' },
        { name: 'code', type: 'text', autocomplete: 'one-time-code', inputmode: 'numeric', maxlength: 12, sends },
        { name: 'password', type: 'password', autocomplete: 'new-password', hint: 'register.passwordHint' },
      ],
      foot: el('p', { class: 'sign-foot' }, el('a', { href: `/login${location.search}` }, t('signIn.title'))),
      done() {
        // Every session of the account has ended, this one as well.
        forget();
        main.replaceChildren(messageBox({
          symbol: 'user', title: t('forgot.done'), text: t('forgot.doneText'), actions: [linkButton('signIn.title', `/login${location.search}`)],
        }));
      },
    }));
  },
});
