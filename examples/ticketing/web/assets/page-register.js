// Open an account.

import { get } from './api.js';
import { el } from './dom.js';
import { lang, t } from './i18n.js';
import { runPage } from './page.js';
import { signForm } from './sign-form.js';

runPage({
  title: 'register.title',
  async load(main) {
    const { confirm } = await get('/auth/rules');
    const sends = ({ email }) => ['/auth/codes', { email, purpose: 'register', language: lang }];
    main.replaceChildren(signForm({
      title: 'register.title', lead: 'register.lead', submit: 'register.submit', path: '/auth/register',
      extra: { language: lang },
      fields: [
        { name: 'display_name', type: 'text', autocomplete: 'name', maxlength: 80 },
        { name: 'email', type: 'email', autocomplete: 'username', inputmode: 'email' },
        confirm && { name: 'code', type: 'text', autocomplete: 'one-time-code', inputmode: 'numeric', maxlength: 12, sends },
        { name: 'password', type: 'password', autocomplete: 'new-password', hint: 'register.passwordHint' },
      ].filter(Boolean),
      foot: el('p', { class: 'sign-foot' }, t('register.have'), ' ', el('a', { href: `/login${location.search}` }, t('signIn.title'))),
    }));
  },
});
