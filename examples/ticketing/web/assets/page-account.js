// Who I am here: name, language, telephone, address, password, and where I am signed in.

import { ask, get } from './api.js';
import { changed, forget } from './account.js';
import { addresses } from './addresses.js';
import { contacts, identity } from './contacts.js';
import { nameOf } from './device.js';
import { el } from './dom.js';
import { moment } from './format.js';
import { t } from './i18n.js';
import { knownDevices } from './known-devices.js';
import { button, runPage } from './page.js';
import { leave, providers } from './providers.js';
import { notify } from './notice.js';
import { friendly } from './problem.js';
import { secondFactor } from './second-factor.js';
import { signForm } from './sign-form.js';

const LANGUAGES = ['en', 'zh'];

/** The form of what may be changed without further ado. */
function profile(me) {
  const language = el('select', { id: 'language-of-messages' },
    LANGUAGES.map((name) => el('option', { value: name, selected: name === me.language }, t(`account.language.${name}`))));
  const texts = el('input', { type: 'checkbox', id: 'text-messages', checked: me.text_messages });
  const form = signForm({
    title: 'account.profile', submit: 'account.save', path: '/me', method: 'PATCH', signed: true, prefix: 'profile-', heading: 'h2',
    fields: [
      { name: 'display_name', type: 'text', autocomplete: 'name', maxlength: 80, value: me.display_name },
    ],
    extra: { get language() { return language.value; }, get text_messages() { return texts.checked; } },
    done(answer) {
      changed(answer);
      notify(t('account.saved'));
    },
  });
  form.querySelector('form').lastElementChild.before(el('div', { class: 'check' }, texts, el('label', { for: 'text-messages' }, t('account.texts'))));
  form.querySelector('form').prepend(el('div', { class: 'field' }, el('label', { for: 'language-of-messages' }, t('account.language')), language));
  return form;
}

/** The telephone number, which a code confirms. */
function phone(me, again) {
  const remove = async () => {
    try {
      await ask('DELETE', '/me/phone', { signed: true });
      notify(t('account.saved'));
      await again();
    } catch (problem) {
      notify(friendly(problem), 'bad');
    }
  };
  const state = me.phone && el('p', { class: 'sign-foot', 'data-confirmed': String(me.phone_confirmed) },
    t(me.phone_confirmed ? 'account.phoneNow' : 'account.phoneOpen', { phone: me.phone }), ' ',
    el('button', { class: 'button quiet small', type: 'button', id: 'phone-remove', on: { click: remove } }, t('account.phoneRemove')));
  const section = signForm({
    title: 'account.phone', lead: 'account.phoneLead', submit: 'account.phoneSubmit', path: '/me/phone', method: 'PUT', signed: true, prefix: 'phone-', heading: 'h2',
    foot: state,
    fields: [
      { name: 'phone', type: 'tel', autocomplete: 'tel', maxlength: 32, hint: 'account.phoneHint' },
      { name: 'password', type: 'password', autocomplete: 'current-password', unsent: true },
      { name: 'code', type: 'text', autocomplete: 'one-time-code', inputmode: 'numeric', maxlength: 12, label: 'field.codeText', sent: 'code.texted',
        sends: ({ phone: number, password: secret }) => ['/me/phone/codes', { phone: number, password: secret }] },
    ],
    done(answer) {
      changed(answer);
      notify(t('account.saved'));
      return again();
    },
  });
  section.id = 'phone';
  return section;
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
      el('h3', {}, device ? nameOf(device) : t('account.device'), ' ', current && el('span', { class: 'badge' }, t('account.here'))),
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
      const [factor, known, me, { sessions }, { identities }, offered, mine, people, places] = await Promise.all([
        secondFactor(again), knownDevices(again),
        get('/me', { signed: true }), get('/me/sessions', { signed: true }), get('/me/identities', { signed: true }), providers(),
        get('/me/identity', { signed: true }), get('/me/contacts', { signed: true }), get('/me/addresses', { signed: true }),
      ]);
      main.replaceChildren(el('header', { class: 'lead' }, el('h1', {}, t('account.title'))),
        profile(me), identity(mine, again), contacts(people.contacts, again), addresses(places.addresses, again), address(me, again), phone(me, again), password(again), factor, ...ways(identities, offered, again), devices(sessions, again), known);
    };
    await again();
    // A link to a part of the page.
    if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
  },
});
