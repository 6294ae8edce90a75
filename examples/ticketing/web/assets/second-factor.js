// The second factor: asked for when signing in, and set up, renewed and switched off on the account page.

import { goSignIn, stronger } from './account.js';
import { ask, get, post } from './api.js';
import { el } from './dom.js';
import { t } from './i18n.js';
import { notify } from './notice.js';
import { friendly } from './problem.js';
import { qrImage } from './qr.js';
import { codeField, signForm } from './sign-form.js';

const PATH = '/me/second-factor';
const signed = { signed: true };

/** The second step of a sign-in, or of a new password with `path` and `extra`; `done` gets the answer. */
export const codeForm = ({ challenge }, done, { path = '/auth/login/second-factor', extra = {} } = {}) => signForm({
  title: 'factor.title', lead: 'factor.lead', submit: 'factor.submit', path, extra: { challenge, ...extra }, fields: [codeField],
  foot: el('p', { class: 'sign-foot' }, el('a', { href: location.pathname + location.search }, t('factor.anew'))), done,
});

/** Shows the second step instead of the first. */
export function askCode(main, ...step) {
  main.replaceChildren(codeForm(...step));
  main.querySelector('#code').focus();
}

/** What is shown once: the recovery codes. */
const codesOf = (codes, again) => el('section', { class: 'sign', id: 'factor-codes' }, el('h2', {}, t('factor.section')), el('p', {}, t('factor.codes')),
  el('ul', { class: 'factor-codes' }, codes.map((one) => el('li', {}, el('code', {}, one)))),
  el('button', { class: 'button', type: 'button', id: 'factor-done', on: { click: again } }, t('factor.done')));

export async function secondFactor(again) {
  const state = await get(PATH, signed);
  const place = el('div', { id: 'second-factor', 'data-enabled': String(state.enabled) });
  const open = (part) => {
    place.replaceChildren(part);
    (part.querySelector('input') ?? part.querySelector('button')).focus();
  };

  /** Whoever has none yet, and signed in too long ago, signs in again. */
  async function tried(run) {
    try {
      await run();
    } catch (problem) {
      if (!('code' in problem)) throw problem;
      if (problem.code === 'step-up-required' && !state.enabled) goSignIn();
      else notify(friendly(problem), 'bad');
    }
  }

  const begin = () => tried(async () => {
    const { secret, qr } = await post(PATH, {}, signed);
    const form = signForm({
      title: 'factor.section', lead: 'factor.scan', submit: 'factor.confirm', path: `${PATH}/confirm`, signed: true, prefix: 'factor-', heading: 'h2', fields: [codeField],
      done({ recovery_codes: codes, access_token: token }) {
        if (token) stronger(token);
        notify(t('factor.isOn'));
        open(codesOf(codes, again));
      },
    });
    form.querySelector('form').before(el('div', { class: 'pay-code' }, qr && qrImage(qr, t('factor.qr'))),
      el('p', { class: 'note' }, t('factor.secret')), el('p', {}, el('code', { class: 'factor-secret', id: 'factor-secret' }, secret)));
    open(form);
  });
  const renew = () => tried(async () => {
    const { recovery_codes: codes } = await post(`${PATH}/recovery-codes`, {}, signed);
    open(codesOf(codes, again));
  });
  const remove = () => tried(async () => {
    await ask('DELETE', PATH, signed);
    notify(t('factor.isOff'));
    await again();
  });

  const button = (key, id, run) => el('button', { class: 'button quiet', type: 'button', id, on: { click: run } }, t(key));
  place.append(el('section', { class: 'sign' }, el('h2', {}, t('factor.section')),
    el('p', { class: 'note' }, state.enabled ? t('factor.on', { count: state.recovery_codes }) : t('factor.off')),
    state.demanded && !state.enabled && el('p', { class: 'form-error', id: 'factor-demanded' }, t('factor.demanded')),
    el('div', { class: 'actions' }, state.enabled
      ? [button('factor.another', 'factor-another', begin), button('factor.renew', 'factor-renew', renew), button('factor.remove', 'factor-remove', remove)]
      : button('factor.begin', 'factor-begin', begin))));
  return place;
}
