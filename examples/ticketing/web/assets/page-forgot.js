// Set a password that was forgotten, by a code to the address or to a confirmed telephone number.

import { forget } from './account.js';
import { el } from './dom.js';
import { lang, t } from './i18n.js';
import { linkButton, messageBox, runPage } from './page.js';
import { askCode } from './second-factor.js';
import { signForm } from './sign-form.js';

const digits = { name: 'code', type: 'text', autocomplete: 'one-time-code', inputmode: 'numeric', maxlength: 12 };
const fresh = { name: 'password', type: 'password', autocomplete: 'new-password', hint: 'register.passwordHint' };
const purpose = 'reset-password';

runPage({
  title: 'forgot.title',
  load(main) {
    const done = () => {
      // Every session of the account has ended, this one as well.
      forget();
      main.replaceChildren(messageBox({
        symbol: 'user', title: t('forgot.done'), text: t('forgot.doneText'), actions: [linkButton('signIn.title', `/login${location.search}`)],
      }));
    };
    // It is set, or after one step more.
    const onward = (prefix) => (answer) => {
      const password = document.getElementById(`${prefix}password`).value;
      if (answer?.second_factor) askCode(main, answer.second_factor, done, { path: '/auth/password/second-factor', extra: { password } });
      else done();
    };
    main.replaceChildren(signForm({
      title: 'forgot.title', lead: 'forgot.lead', submit: 'forgot.submit', path: '/auth/password',
      fields: [
        { name: 'email', type: 'email', autocomplete: 'username', inputmode: 'email' },
        { ...digits, sends: ({ email }) => ['/auth/codes', { email, purpose, language: lang }] },
        fresh,
      ],
      foot: [
        el('details', { class: 'more', id: 'by-phone' }, el('summary', {}, t('forgot.phone')), signForm({
          submit: 'forgot.submit', path: '/auth/phone/password', prefix: 'phone-', done: onward('phone-'),
          fields: [
            { name: 'phone', type: 'tel', autocomplete: 'tel', maxlength: 32, hint: 'account.phoneHint' },
            { ...digits, label: 'field.codeText', sent: 'code.texted', sends: ({ phone }) => ['/auth/phone/codes', { phone, purpose, language: lang }] },
            fresh,
          ],
        })),
        el('p', { class: 'sign-foot' }, el('a', { href: `/login${location.search}` }, t('signIn.title'))),
      ],
      done: onward(''),
    }));
  },
});
