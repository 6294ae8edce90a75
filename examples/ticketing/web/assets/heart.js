// The shows that the visitor wants to see, and the button that says so.

import { ask, get } from './api.js';
import { goSignIn, user } from './account.js';
import { el } from './dom.js';
import { icon } from './icons.js';
import { localized, t } from './i18n.js';
import { announce, notify } from './notice.js';
import { friendly } from './problem.js';

const PAGE = 100;
/** A page is of use without the hearts of shows beyond so many. */
const PAGES = 5;

let known = null;

async function collect() {
  const all = new Set();
  let after = '';
  for (let page = 0; page < PAGES; page += 1) {
    const { shows, next } = await get(`/me/wanted?limit=${PAGE}${after}`, { signed: true });
    for (const { show } of shows) all.add(show.id);
    if (!next) break;
    after = `&after=${encodeURIComponent(next)}`;
  }
  return all;
}

/** The identifiers of those shows; asked for once. */
const wanted = () => { known ??= user() ? collect().catch(() => new Set()) : Promise.resolve(new Set()); return known; };

/** A button that puts a show on the list, or takes it off; `changed(pressed)` is called when it did. */
export function heart(show, changed = () => {}) {
  const title = localized(show, 'title');
  const button = el('button', { class: 'heart icon-button', type: 'button', 'data-heart': show.id, 'aria-pressed': 'false', 'aria-label': t('want.label', { title }), title: t('want.title') }, icon('heart'));
  const draw = (pressed) => button.setAttribute('aria-pressed', String(pressed));
  wanted().then((shows) => draw(shows.has(show.id)));
  button.addEventListener('click', async () => {
    if (!user()) {
      goSignIn();
      return;
    }
    if (button.getAttribute('aria-disabled') === 'true') return;
    const shows = await wanted();
    const pressed = !shows.has(show.id);
    button.setAttribute('aria-disabled', 'true');
    try {
      await ask(pressed ? 'PUT' : 'DELETE', `/me/wanted/${encodeURIComponent(show.id)}`, { signed: true });
      shows[pressed ? 'add' : 'delete'](show.id);
      draw(pressed);
      announce(t(pressed ? 'want.added' : 'want.removed', { title }));
      changed(pressed);
    } catch (problem) {
      notify(friendly(problem), 'bad');
    } finally {
      button.removeAttribute('aria-disabled');
    }
  });
  return button;
}
