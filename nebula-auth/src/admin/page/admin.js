// Signing in, and going from section to section by the part of the address after `#`.

import { firstStep, forgetToken, get, hasToken, keepToken, secondStep, signIn } from './api.js';
import { el, field, form, say } from './dom.js';
import { audit, routes } from './audit.js';
import { departments, resources, separations } from './policy.js';
import { roles } from './roles.js';
import './step-up.js';
import { users } from './users.js';
import { lang, switchLanguage, t } from './words.js';

const main = document.getElementById('main');
const nav = document.getElementById('sections');
const leave = document.getElementById('leave');
const language = document.getElementById('language');
const SECTIONS = [
  ['users', 'Users', 'rbac:user:read', users],
  ['roles', 'Roles', 'rbac:role:read', roles],
  ['separations', 'Separation of duty', 'rbac:separation:read', separations],
  ['departments', 'Departments', 'rbac:department:read', departments],
  ['resources', 'Resources', 'rbac:resource:read', resources],
  ['routes', 'Routes', 'rbac:permission:read', routes],
  ['audit', 'Audit log', 'auth:audit:read', audit],
];
let me = null;
/** Answers that come after the next question are of no use. */
let turn = 0;

function show(...nodes) {
  main.className = nodes.length > 1 ? 'split' : '';
  main.replaceChildren(...nodes);
}

async function door(message = '') {
  me = null;
  nav.hidden = true;
  leave.hidden = true;
  document.getElementById('who').textContent = '';
  const how = await signIn().catch(() => null);
  const fields = how
    ? [field(t('Account'), { name: 'identifier', required: true, autocomplete: 'username' }), field(t('Password'), { name: 'password', type: 'password', required: true, autocomplete: 'current-password' })]
    : [field(t('Access token'), { name: 'token', type: 'password', required: true })];
  ask(fields, async ({ identifier, password, token }) => {
    await come(how, how ? await firstStep(how, identifier, password) : { token });
  });
  say(message, message !== '');
}

/** A form in front of the door. */
function ask(fields, submit) {
  show(el('article', {}, el('h2', {}, t('Sign in')), form(fields, t('Sign in'), async (values) => {
    try {
      await submit(values);
    } catch (error) {
      forgetToken();
      say(error.message, true);
    }
  })));
}

/** In, or asked for a code. */
async function come(how, { token, challenge }) {
  if (token !== null) {
    keepToken(token);
    await enter();
    return;
  }
  const code = field(t('Code of your authenticator app, or a recovery code'), { name: 'code', required: true, autocomplete: 'one-time-code', maxlength: 64 });
  ask([code], async (values) => {
    try {
      await come(how, await secondStep(how, challenge, values.code));
    } catch (error) {
      // Whoever has used up the challenge begins again.
      if ([error.code, error.reason].includes('challenge_exhausted')) await door(error.message);
      else throw error;
    }
  });
  say('');
  code.querySelector('input').focus();
}

async function enter() {
  me = await get('me');
  document.getElementById('who').textContent = me.user;
  leave.hidden = false;
  nav.hidden = false;
  say('');
  await go();
}

const may = (permission) => me.permissions.includes(permission);

async function go() {
  if (!me) return;
  const open = SECTIONS.filter(([id, , permission]) => may(permission) && (id !== 'audit' || me.audit));
  const [, name, ...rest] = document.location.hash.split('/').map(decodeURIComponent);
  const section = open.find(([id]) => id === name) ?? open[0];
  nav.replaceChildren(...open.map((one) => el('a', { href: `#/${one[0]}`, 'aria-current': one === section && 'page' }, t(one[1]))));
  if (!section) {
    show(el('article', {}, el('p', {}, t('There is nothing here that you may see.'))));
    return;
  }
  document.title = `${t(section[1])} – ${t('Access')}`;
  turn += 1;
  const mine = turn;
  try {
    const nodes = await section[3]({ me, may, again: go, to: (...parts) => { document.location.hash = `/${parts.map(encodeURIComponent).join('/')}`; } }, ...rest);
    if (mine === turn) show(...nodes);
  } catch (error) {
    if (mine !== turn) return;
    if (error.status === 401) {
      forgetToken();
      await door(t('Sign in again.'));
    } else {
      show(el('article', {}, el('p', {}, error.message)));
    }
  }
}

document.documentElement.lang = lang;
document.title = t('Access');
document.getElementById('title').textContent = t('Access');
document.getElementById('skip').textContent = t('Skip to the content');
nav.setAttribute('aria-label', t('Sections'));
leave.textContent = t('Sign out');
language.textContent = lang === 'en' ? '中文' : 'English';
language.lang = lang === 'en' ? 'zh-CN' : 'en';
language.hidden = false;
language.addEventListener('click', switchLanguage);
window.addEventListener('hashchange', () => { say(''); go(); });
leave.addEventListener('click', () => { forgetToken(); door(); });

if (hasToken()) enter().catch(() => { forgetToken(); door(t('Sign in again.')); });
else door();
