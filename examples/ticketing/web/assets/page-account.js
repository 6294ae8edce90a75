// Who I am here: name, language, telephone, address, password, and where I am signed in.

import { ask, get } from './api.js';
import { changed, forget } from './account.js';
import { el } from './dom.js';
import { moment } from './format.js';
import { t } from './i18n.js';
import { button, runPage } from './page.js';
import { leave, providers } from './providers.js';
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

/** The providers that lead into the account, and those that could. */
function ways(identities, offered, again) {
  if (identities.length === 0 && offered.length === 0) return [];
  const label = (name) => offered.find((one) => one.name === name)?.label ?? name;
  const remove = async (name) => {
    try {
      await ask('DELETE', `/me/identities/${name}`, { signed: true });
      notify(t('account.saved'));
      await again();
    } catch (problem) {
      notify(friendly(problem), 'bad');
    }
  };
  const row = ({ provider, since }) => el('li', { class: 'order' },
    el('div', { class: 'order-text' }, el('h3', {}, label(provider)),
      el('p', { class: 'note' }, t('account.providerSince', { time: moment(since) })),
      el('button', { class: 'button quiet small', type: 'button', on: { click: () => remove(provider) } }, t('account.providerRemove'))));
  const missing = offered.filter(({ name }) => !identities.some(({ provider }) => provider === name));
  return [el('section', { class: 'sign', id: 'ways' }, el('h2', {}, t('account.providers')), el('p', { class: 'note' }, t('account.providersLead')),
    identities.length > 0 && el('ul', { class: 'orders' }, identities.map(row)),
    el('div', { class: 'actions' }, missing.map(({ name, label: text }) => el('button', {
      class: 'button quiet', type: 'button', id: `add-${name}`, on: { click: () => leave(`/me/identities/${name}`, '/account', { signed: true }) },
    }, t('account.providerAdd', { label: text })))))];
}

runPage({
  title: 'account.title',
  signed: true,
  async load(main) {
    const again = async () => {
      const [me, { sessions }, { identities }, offered] = await Promise.all([
        get('/me', { signed: true }), get('/me/sessions', { signed: true }), get('/me/identities', { signed: true }), providers(),
      ]);
      main.replaceChildren(el('header', { class: 'lead' }, el('h1', {}, t('account.title'))),
        profile(me), address(me, again), password(again), ...ways(identities, offered, again), devices(sessions, again));
    };
    await again();
  },
});
