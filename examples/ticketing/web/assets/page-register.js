// Open an account.

import { el } from './dom.js';
import { t } from './i18n.js';
import { runPage } from './page.js';
import { signForm } from './sign-form.js';

runPage({
  title: 'register.title',
  load(main) {
    main.replaceChildren(signForm({
      title: 'register.title', lead: 'register.lead', submit: 'register.submit', path: '/auth/register',
      fields: [
        { name: 'display_name', type: 'text', autocomplete: 'name', maxlength: 80 },
        { name: 'email', type: 'email', autocomplete: 'username', inputmode: 'email' },
        { name: 'password', type: 'password', autocomplete: 'new-password', hint: 'register.passwordHint' },
      ],
      foot: el('p', { class: 'sign-foot' }, t('register.have'), ' ', el('a', { href: `/login${location.search}` }, t('signIn.title'))),
    }));
  },
});
