// The life of a page: header, title, contents, and what is shown when the contents cannot be had.

import { goSignIn, user } from './account.js';
import { byId, el } from './dom.js';
import { icon } from './icons.js';
import { t } from './i18n.js';
import { NO_ANSWER, NO_NETWORK, friendly } from './problem.js';
import './step-up.js';
import { drawTop } from './top.js';

export const main = () => byId('main');

export function setTitle(text) {
  document.title = text ? `${text} · ${t('brand')}` : t('brand');
}

/** A large message with something to do about it. */
export function messageBox({ symbol = 'ticket', title, text, actions = [], role }) {
  return el('section', { class: 'message', role },
    el('div', { class: 'message-icon' }, icon(symbol)),
    el('h1', {}, title),
    text && el('p', {}, text),
    actions.length > 0 && el('div', { class: 'actions' }, actions));
}

export const button = (key, run, className = 'button') =>
  el('button', { class: className, type: 'button', on: { click: run } }, t(key));
export const linkButton = (key, href, className = 'button') => el('a', { class: className, href }, t(key));

function failure(problem, again) {
  if (problem.status === 404) {
    return messageBox({ title: t('missing.title'), text: t('missing.text'), actions: [linkButton('missing.home', '/')], role: 'alert' });
  }
  if (problem.code === 'second-factor-required') {
    return messageBox({ symbol: 'user', title: t('factor.needed'), text: friendly(problem), actions: [linkButton('factor.begin', '/account#second-factor')], role: 'alert' });
  }
  const noNetwork = [NO_NETWORK, NO_ANSWER].includes(problem.code);
  return messageBox({
    symbol: noNetwork ? 'offline' : 'alert',
    title: t(noNetwork ? 'failure.network' : 'failure.title'),
    text: friendly(problem),
    actions: [button('again', again)],
    role: 'alert',
  });
}

/**
 * Runs a page. `load` fetches and fills `main`, which shows a skeleton meanwhile; when it throws, the reason stands there
 * with a button to try again, and a return of the network tries by itself. `signed` pages send visitors to sign in first.
 */
export async function runPage({ title, signed = false, load }) {
  drawTop();
  setTitle(title && t(title));
  if (signed && !user()) {
    goSignIn();
    return;
  }
  const skeleton = [...main().childNodes];
  let failed = false;
  const attempt = async () => {
    failed = false;
    main().setAttribute('aria-busy', 'true');
    try {
      await load(main());
    } catch (problem) {
      if (problem.needsSignIn) {
        goSignIn();
        return;
      }
      if (!('code' in problem)) console.error(problem);
      failed = true;
      main().replaceChildren(failure(problem, () => { main().replaceChildren(...skeleton); attempt(); }));
    }
    main().removeAttribute('aria-busy');
  };
  addEventListener('online', () => { if (failed) attempt(); });
  await attempt();
}

/** The last part of the path: pages are `/shows/{id}`. */
export const idOfPath = () => decodeURIComponent(location.pathname.split('/').filter(Boolean).at(-1) ?? '');
