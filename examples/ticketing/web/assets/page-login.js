// Sign in.

import { nextAddress } from './account.js';
import { el } from './dom.js';
import { lang, t } from './i18n.js';
import { runPage } from './page.js';
import { providers, signInButtons } from './providers.js';
import { askCode } from './second-factor.js';
import { enter, signForm } from './sign-form.js';

runPage({
  title: 'signIn.title',
  async load(main) {
    // Without an answer there are the password and its form all the same.
    const list = await providers().catch(() => []);
    // In, or one step more.
    const done = (answer) => {
      if (answer.second_factor) askCode(main, answer.second_factor, enter);
      else enter(answer);
    };
    main.replaceChildren(signForm({
      title: 'signIn.title', lead: 'signIn.lead', submit: 'signIn.submit', path: '/auth/login',
      fields: [
        { name: 'email', type: 'email', autocomplete: 'username', inputmode: 'email' },
        { name: 'password', type: 'password', autocomplete: 'current-password' },
      ],
      done,
      foot: [
        el('details', { class: 'more', id: 'by-phone' }, el('summary', {}, t('signIn.phone')), signForm({
          submit: 'signIn.submit', path: '/auth/phone', prefix: 'phone-', done,
          fields: [
            { name: 'phone', type: 'tel', autocomplete: 'tel', maxlength: 32, hint: 'account.phoneHint' },
            { name: 'code', type: 'text', autocomplete: 'one-time-code', inputmode: 'numeric', maxlength: 12, label: 'field.codeText', sent: 'code.texted',
              sends: ({ phone }) => ['/auth/phone/codes', { phone, language: lang }] },
          ],
        })),
        signInButtons(list, nextAddress()),
        el('p', { class: 'sign-foot' }, t('signIn.new'), ' ', el('a', { href: `/register${location.search}` }, t('register.title'))),
        el('p', { class: 'sign-foot' }, el('a', { href: `/forgot${location.search}`, id: 'forgot' }, t('forgot.title'))),
      ],
    }));
  },
});
