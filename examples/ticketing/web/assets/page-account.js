// Who I am here: name, language, telephone, address, password, and where I am signed in.

import { ask, get } from './api.js';
import { changed, forget } from './account.js';
import { el } from './dom.js';
import { moment } from './format.js';
import { t } from './i18n.js';
import { button, runPage } from './page.js';
import { notify } from './notice.js';
import { friendly } from './problem.js';
import { signForm } from './sign-form.js';

const LANGUAGES = ['en', 'zh'];

/** The form of what may be changed without further ado. */
function profile(me) {
  const language = el('select', { id: 'language-of-messages' },
    LANGUAGES.map((name) => el('option', { value: name, selected: name === me.language }, t(`account.language.${name}`))));
  const form = signForm({
    title: 'account.profile', submit: 'account.save', path: '/me', method: 'PATCH', signed: true, prefix: 'profile-', heading: 'h2',
    fields: [
      { name: 'display_name', type: 'text', autocomplete: 'name', maxlength: 80, value: me.display_name },
      { name: 'phone', type: 'tel', autocomplete: 'tel', maxlength: 32, required: false, value: me.phone, hint: 'account.phoneHint' },
    ],
    extra: { get language() { return language.value; } },
    done(answer) {
      changed(answer);
      notify(t('account.saved'));
    },
  });
  form.querySelector('form').prepend(el('div', { class: 'field' }, el('label', { for: 'language-of-messages' }, t('account.language')), language));
  return form;
}

const address = (me, again) => signForm({
  title: 'account.address', submit: 'account.addressSubmit', path: '/me/email', method: 'PUT', signed: true, prefix: 'address-', heading: 'h2',
  foot: el('p', { class: 'sign-foot' }, t('account.addressNow', { email: me.email })),
  fields: [
    { name: 'email', type: 'email', autocomplete: 'email', inputmode: 'email' },
    { name: 'password', type: 'password', autocomplete: 'current-password', unsent: true },
    { name: 'code', type: 'text', autocomplete: 'one-time-code', inputmode: 'numeric', maxlength: 12,
      sends: ({ email, password }) => ['/me/email/codes', { email, password }] },
  ],
  done(answer) {
    changed(answer);
    notify(t('account.saved'));
    return again();
  },
});

const password = (again) => signForm({
  title: 'account.password', lead: 'account.passwordLead', submit: 'account.passwordSubmit', path: '/me/password', signed: true, prefix: 'password-', heading: 'h2',
  fields: [
    { name: 'current', type: 'password', autocomplete: 'current-password' },
    { name: 'password', type: 'password', autocomplete: 'new-password', hint: 'register.passwordHint' },
  ],
  done() {
    notify(t('account.saved'));
    return again();
  },
});

/** The devices that are signed in. */
function devices(sessions, again) {
  const end = async (path, here) => {
    try {
      await ask('DELETE', path, { signed: true });
      if (here) {
        forget();
        location.assign('/');
      } else {
        notify(t('account.ended'));
        await again();
      }
    } catch (problem) {
      notify(friendly(problem), 'bad');
    }
  };
  const row = ({ id, device, seen_at: seen, current }) => el('li', { class: 'order', 'data-current': String(current) },
    el('div', { class: 'order-text' },
      el('h3', {}, device ?? t('account.device'), current && el('span', { class: 'badge' }, t('account.here'))),
      el('p', { class: 'note' }, t('account.seen', { time: moment(seen) })),
      el('button', { class: 'button quiet small', type: 'button', on: { click: () => end(`/me/sessions/${id}`, current) } }, t('account.end'))));
  return el('section', { class: 'sign', id: 'devices' }, el('h2', {}, t('account.devices')),
    el('ul', { class: 'orders' }, sessions.map(row)),
    el('div', { class: 'actions' },
      button('account.endOthers', () => end('/me/sessions?others=true', false), 'button quiet'),
      button('account.endAll', () => end('/me/sessions', true), 'button quiet')));
}

runPage({
  title: 'account.title',
  signed: true,
  async load(main) {
    const again = async () => {
      const [me, { sessions }] = await Promise.all([get('/me', { signed: true }), get('/me/sessions', { signed: true })]);
      main.replaceChildren(el('header', { class: 'lead' }, el('h1', {}, t('account.title'))),
        profile(me), address(me, again), password(again), devices(sessions, again));
    };
    await again();
  },
});
