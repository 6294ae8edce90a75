// Back from a provider: in, or one step more.

import { signedIn } from './account.js';
import { post } from './api.js';
import { el } from './dom.js';
import { lang, t } from './i18n.js';
import { linkButton, messageBox, runPage } from './page.js';
import { Problem, friendly } from './problem.js';
import { askCode } from './second-factor.js';
import { signForm } from './sign-form.js';

const [, , provider] = location.pathname.split('/');
const answer = Object.fromEntries(new URLSearchParams(location.search));

/** Only once: what came back is used up by the first request, and stays in no address. */
let returned = null;
function finish() {
  returned ??= post(`/auth/providers/${provider}/finish`, {
    state: answer.state ?? '', code: answer.code, iss: answer.iss, error: answer.error, language: lang,
  });
  history.replaceState(null, '', location.pathname);
  return returned;
}

function enter(main, result, returnTo) {
  const next = result.return_to ?? returnTo;
  if (result.second_factor) {
    askCode(main, result.second_factor, (answer) => enter(main, answer, next));
    return;
  }
  signedIn(result);
  location.replace(result.second_factor_demanded ? '/account#second-factor' : next ?? '/');
}

/** Shows that the address is theirs: by a code, or by the password of its account. */
function confirmForm(main, { email, return_to: returnTo }, by) {
  const path = `/auth/providers/${provider}/confirm`;
  const sends = ({ email: to }) => ['/auth/codes', { email: to, purpose: 'sign-in', language: lang }];
  const proof = by === 'code'
    ? { name: 'code', type: 'text', autocomplete: 'one-time-code', inputmode: 'numeric', maxlength: 12, sends }
    : { name: 'password', type: 'password', autocomplete: 'current-password' };
  const other = by === 'code' ? 'password' : 'code';
  main.replaceChildren(signForm({
    title: 'provider.confirm', lead: `provider.confirm.${by}`, submit: 'provider.confirmSubmit', path, extra: { language: lang },
    fields: [{ name: 'email', type: 'email', autocomplete: 'username', inputmode: 'email', value: email }, proof],
    foot: el('p', { class: 'sign-foot' }, el('button', {
      class: 'button quiet small', type: 'button', id: `by-${other}`, on: { click: () => confirmForm(main, { email, return_to: returnTo }, other) },
    }, t(`provider.by.${other}`))),
    done: (result) => enter(main, result, returnTo),
  }));
}

runPage({
  title: 'signIn.title',
  async load(main) {
    let result;
    try {
      result = await finish();
    } catch (problem) {
      // Whatever it was, it has to be begun again.
      if (!(problem instanceof Problem)) throw problem;
      main.replaceChildren(messageBox({
        symbol: 'alert', title: t('provider.refused'), text: friendly(problem), actions: [linkButton('signIn.title', '/login')], role: 'alert',
      }));
      return;
    }
    if (result.status === 'signed-in' || result.status === 'second-factor') {
      enter(main, result);
    } else if (result.status === 'linked') {
      location.replace(result.return_to ?? '/account');
    } else {
      confirmForm(main, result, 'code');
    }
  },
});
