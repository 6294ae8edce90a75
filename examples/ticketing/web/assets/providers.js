// Providers of identities: what the server offers, and the way to them.

import { get, post } from './api.js';
import { el } from './dom.js';
import { t } from './i18n.js';
import { notify } from './notice.js';
import { friendly } from './problem.js';

/** The providers that this page can use: a sign-in begins and ends on one host. */
export const providers = async () => (await get('/auth/providers')).providers.filter(({ origin }) => origin === location.origin);

/** Leaves for a provider, which sends the browser back to `/sign-in/…`. */
export async function leave(path, returnTo, options) {
  try {
    const { url } = await post(path, { return_to: returnTo }, options);
    location.assign(url);
  } catch (problem) {
    notify(friendly(problem), 'bad');
  }
}

/** Buttons for signing in, or nothing where there is no provider. */
export const signInButtons = (list, returnTo) => list.length > 0 && el('div', { class: 'providers' },
  el('p', { class: 'note' }, t('provider.or')),
  list.map(({ name, label }) => el('button', {
    class: 'button quiet large', type: 'button', id: `provider-${name}`, on: { click: () => leave(`/auth/providers/${name}/begin`, returnTo) },
  }, t('provider.with', { label }))));
