// The dialog in which people show that they are people: a slider, or a question in words for those who cannot use it.

import { post } from './api.js';
import { el } from './dom.js';
import { localized, t } from './i18n.js';
import { announce } from './notice.js';
import { friendly } from './problem.js';

function sliderForm(slider, value) {
  const { width, height, size, top, background, piece } = slider;
  const part = el('img', { class: 'slider-piece', src: piece, alt: '', width: size, height: size });
  const range = el('input', { type: 'range', id: 'slider', min: 0, max: width - size, step: 1, value: 0, 'aria-label': t('challenge.slider') });
  const move = () => {
    value.now = Number(range.value);
    // The picture may be shown smaller than it is.
    part.style.left = `${(value.now / width) * 100}%`;
  };
  part.style.top = `${(top / height) * 100}%`;
  part.style.width = `${(size / width) * 100}%`;
  range.addEventListener('input', move);
  move();
  return [
    el('p', {}, t('challenge.help')),
    el('div', { class: 'slider-picture' }, el('img', { src: background, alt: t('challenge.picture'), width, height }), part),
    range];
}

function questionForm(challenge, value) {
  const input = el('input', { id: 'challenge-answer', inputmode: 'numeric', pattern: '[0-9]*', autocomplete: 'off', required: true });
  input.addEventListener('input', () => { value.now = Number(input.value); });
  return [el('div', { class: 'field' }, el('label', { for: 'challenge-answer' }, localized(challenge, 'question')), input)];
}

/** Shows challenges until one is solved; gives the token, or null when the visitor closes the dialog. */
export function solveChallenge(session) {
  const path = `/sessions/${encodeURIComponent(session)}/challenges`;
  const value = { now: 0 };
  let challenge = null;
  let kind = 'slider';
  let token = null;
  const body = el('div', { class: 'challenge-body' });
  const error = el('p', { class: 'form-error', role: 'alert' });
  const send = el('button', { class: 'button', id: 'challenge-send' }, t('challenge.send'));
  const other = el('button', { class: 'button quiet', type: 'button', id: 'challenge-other' }, t('challenge.question'));
  const close = el('button', { class: 'button quiet', type: 'button', id: 'challenge-close' }, t('close'));
  const form = el('form', {}, el('h2', { id: 'challenge-title' }, t('challenge.title')), body, error,
    el('div', { class: 'actions' }, close, other, send));
  const dialog = el('dialog', { class: 'dialog challenge', 'aria-labelledby': 'challenge-title' }, form);

  async function fetchOne() {
    const wanted = kind;
    const fetched = await post(path, { kind: wanted }, { signed: true, repeats: 2 });
    // The visitor has asked for the other kind meanwhile, which may have come first.
    if (wanted !== kind) return;
    challenge = fetched;
    body.replaceChildren(...(challenge.slider ? sliderForm(challenge.slider, value) : questionForm(challenge, value)));
    body.querySelector('input').focus();
  }
  async function guarded(run) {
    send.setAttribute('aria-disabled', 'true');
    try {
      await run();
    } catch (problem) {
      error.textContent = friendly(problem);
      // A challenge is used up by its answer.
      if (problem.code === 'challenge-failed') await fetchOne().catch((next) => { error.textContent = friendly(next); });
    }
    send.removeAttribute('aria-disabled');
  }

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (send.getAttribute('aria-disabled') === 'true' || !challenge) return;
    guarded(async () => {
      const solved = await post(`${path}/${challenge.id}`, { value: value.now }, { signed: true });
      ({ token } = solved);
      announce(t('challenge.solved'));
      dialog.close();
    });
  });
  other.addEventListener('click', () => {
    kind = kind === 'slider' ? 'question' : 'slider';
    other.textContent = t(kind === 'slider' ? 'challenge.question' : 'challenge.toSlider');
    error.textContent = '';
    guarded(fetchOne);
  });
  close.addEventListener('click', () => dialog.close());
  document.body.append(dialog);
  dialog.showModal();
  guarded(fetchOne);
  return new Promise((done) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      done(token);
    });
  });
}
