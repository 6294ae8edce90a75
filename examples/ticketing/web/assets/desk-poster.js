// The picture of a show at the desk: looked at before it is sent, described in both languages, exchanged, taken away.

import { ask } from './api.js';
import { deskForm } from './desk-form.js';
import { el } from './dom.js';
import { localized, t } from './i18n.js';
import { notify } from './notice.js';
import { poster } from './poster.js';
import { friendly } from './problem.js';

const KINDS = 'image/jpeg,image/png,image/webp';

/** The file as an address that the page may show. */
const addressOf = (file) => new Promise((done, failed) => {
  const reader = new FileReader();
  reader.addEventListener('load', () => done(reader.result));
  reader.addEventListener('error', () => failed(reader.error));
  reader.readAsDataURL(file);
});

/** A form in the show's row. */
export function posterForm(desk, show) {
  const path = `${desk.path}/shows/${show.id}/poster`;
  // What was sent in part goes on from where it is.
  let now = show;
  const art = el('div', { class: 'desk-poster' }, poster(show.title, show.poster, { sizes: '300px' }));
  const bar = el('progress', { max: 1, value: 0, 'aria-label': t('desk.poster.sending'), hidden: true });
  const remove = show.poster && el('button', { class: 'button small quiet', type: 'button', 'data-remove-poster': show.id, on: { click: async () => {
    try {
      await ask('DELETE', `${path}?version=${now.version}`, { signed: true });
      notify(t('desk.poster.removed'), 'good');
    } catch (problem) {
      notify(friendly(problem), 'bad');
    }
    await desk.draw();
  } } }, t('desk.poster.remove'), el('span', { class: 'visually-hidden' }, `: ${localized(show, 'title')}`));

  const form = deskForm({
    id: `poster-${show.id}`, mark: `poster-${show.id}-`, title: 'desk.poster.title', submit: 'desk.save',
    fields: [
      { name: 'picture', type: 'file', accept: KINDS, required: !show.poster },
      { name: 'alt', value: show.poster?.alt, maxlength: 300, placeholder: show.title },
      { name: 'alt_zh', value: show.poster?.alt_zh, maxlength: 300, placeholder: show.title_zh },
    ],
    extra: [art, bar, el('p', { class: 'note' }, t('desk.poster.kinds')), remove],
    send: async ({ alt, alt_zh }) => {
      const [file] = form.elements.picture.files;
      if (file) {
        bar.hidden = false;
        try {
          now = await ask('PUT', `${path}?version=${now.version}`, { signed: true, file, timeout: 60_000, progress: (part) => { bar.value = part; } });
        } finally {
          bar.hidden = true;
          bar.value = 0;
        }
        form.elements.picture.value = '';
      }
      if (alt !== (now.poster?.alt ?? '') || alt_zh !== (now.poster?.alt_zh ?? '')) {
        now = await ask('PUT', `${path}/words`, { signed: true, body: { version: now.version, alt, alt_zh } });
      }
      notify(t('desk.poster.kept'), 'good');
      await desk.draw();
    },
  });
  form.elements.picture.addEventListener('change', async ({ target }) => {
    const [file] = target.files;
    const shown = file
      ? el('img', { class: 'poster', src: await addressOf(file).catch(() => ''), alt: t('desk.poster.preview', { name: file.name }) })
      : poster(show.title, now.poster, { sizes: '300px' });
    art.replaceChildren(shown);
  });
  return el('details', { 'data-poster': show.id }, el('summary', {}, t(show.poster ? 'desk.poster.change' : 'desk.poster.add')), form);
}
