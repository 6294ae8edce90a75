// Before the seats: the countdown, a reservation, and the waiting room. The server remembers the place; this page only asks
// again and again, so it may be reloaded or opened anew.

import { ask, get, post } from './api.js';
import { goSignIn, user } from './account.js';
import { now } from './clock.js';
import { countdown } from './countdown.js';
import { el } from './dom.js';
import { clockFace, count, moment, showTime } from './format.js';
import { icon } from './icons.js';
import { localized, t } from './i18n.js';
import { announce, notify } from './notice.js';
import { button, idOfPath, linkButton, runPage, setTitle } from './page.js';
import { keepPass } from './pass.js';
import { friendly } from './problem.js';

const id = idOfPath();
const path = `/sessions/${encodeURIComponent(id)}`;
const seats = `/sessions/${encodeURIComponent(id)}`;

/** "about 3 minutes": a guess is not told by the second. */
function roughly(seconds) {
  if (seconds < 60) return t('waiting.underMinute');
  return t('waiting.minutes', { count: Math.round(seconds / 60) });
}

class WaitingRoom {
  constructor() {
    this.first = null;
    this.said = '';
    this.face = el('strong', { class: 'gate-number number', id: 'position' });
    this.label = el('p', { class: 'gate-label' });
    this.bar = el('progress', { id: 'progress', max: 1, value: 0, 'aria-label': t('waiting.progress') });
    this.wait = el('p', { class: 'note', id: 'wait' });
    // Read out when it changes, but not with each poll.
    this.live = el('p', { class: 'visually-hidden', role: 'status', 'aria-live': 'polite', id: 'waiting-live' });
    this.leaving = button('waiting.leave', () => this.leave(), 'button quiet');
    this.element = el('section', { class: 'panel gate-panel', id: 'room', 'aria-labelledby': 'room-title' },
      el('h2', { id: 'room-title', class: 'visually-hidden' }, t('waiting.title')), this.label, this.face, this.bar, this.wait, this.live,
      el('p', { class: 'note' }, t('waiting.keepOpen')), el('div', { class: 'actions' }, this.leaving));
  }

  say(text) {
    if (text === this.said) return;
    this.said = text;
    this.live.textContent = text;
  }

  draw(view) {
    this.element.dataset.state = view.state;
    if (view.state === 'waiting' && view.ahead === undefined) {
      this.label.textContent = t('waiting.early');
      this.face.textContent = count(view.waiting);
      this.bar.hidden = true;
      this.wait.textContent = t('waiting.drawn');
      this.say(`${this.label.textContent} ${this.wait.textContent}`);
    } else if (view.state === 'waiting') {
      this.first = Math.max(this.first ?? 0, view.ahead + 1);
      this.label.textContent = t('waiting.position');
      this.face.textContent = count(view.ahead + 1);
      this.bar.hidden = false;
      this.bar.max = this.first;
      this.bar.value = this.first - view.ahead - 1;
      this.wait.textContent = view.wait_seconds === undefined ? t('waiting.unknown') : t('waiting.wait', { time: roughly(view.wait_seconds) });
      this.say(t('waiting.said', { position: count(view.ahead + 1), wait: this.wait.textContent }));
    }
  }

  /** Until let in, or left. */
  async run() {
    for (;;) {
      let pause = 2000;
      try {
        const view = await post(`${path}/waiting-room`, {}, { signed: true, repeats: 5 });
        this.draw(view);
        if (view.state === 'inside' || view.state === 'not-needed') return view;
        pause = view.poll_after_ms;
      } catch (problem) {
        if (problem.needsSignIn) {
          goSignIn();
          return null;
        }
        if (!problem.passing) throw problem;
        // The place is kept for a while: go on asking.
        this.wait.textContent = friendly(problem);
      }
      await new Promise((done) => { this.timer = setTimeout(done, pause * (0.85 + Math.random() * 0.3)); });
      if (this.left) return null;
    }
  }

  async leave() {
    this.left = true;
    await ask('DELETE', `${path}/waiting-room`, { signed: true, repeats: 2 }).catch(() => {});
    location.assign(`/shows/${encodeURIComponent(this.show)}`);
  }
}

function reservationPanel(reservation) {
  const panel = el('section', { class: 'panel gate-panel', id: 'reservation', 'aria-labelledby': 'reservation-title' });
  const draw = () => {
    const { open, reserved } = reservation;
    const state = reserved ? 'reserved' : open ? 'open' : 'closed';
    panel.dataset.state = state;
    const act = async (run) => {
      if (!user()) {
        goSignIn();
        return;
      }
      try {
        await run();
        draw();
      } catch (problem) {
        if (problem.needsSignIn) goSignIn();
        else notify(friendly(problem), 'bad');
      }
    };
    const reserve = button('reserve.do', () => act(async () => {
      Object.assign(reservation, await post(`${path}/reservation`, {}, { signed: true, repeats: 2 }));
      if (reservation.token) keepPass(id, 'Qualification', reservation.token);
      announce(t('reserve.reserved'));
    }));
    const cancel = button('reserve.undo', () => act(async () => {
      await ask('DELETE', `${path}/reservation`, { signed: true, repeats: 2 });
      reservation.reserved = false;
      announce(t('reserve.undone'));
    }), 'button quiet');
    reserve.id = 'reserve';
    cancel.id = 'unreserve';
    panel.replaceChildren(
      el('h2', { id: 'reservation-title' }, t('reserve.title')),
      el('p', {}, t(`reserve.${state}`, { time: moment(reservation.closes_at) })),
      el('div', { class: 'actions' }, state === 'open' && reserve, state === 'reserved' && open && !reservation.token && cancel));
  };
  draw();
  return panel;
}

function countdownPanel(opensAt, opened) {
  const face = el('strong', { class: 'gate-number number', id: 'opens-in' });
  const panel = el('section', { class: 'panel gate-panel' }, el('p', { class: 'gate-label' }, t('waiting.opens', { time: moment(opensAt) })), face);
  countdown(Date.parse(opensAt), (left) => { face.textContent = clockFace(left); }, () => {
    panel.remove();
    announce(t('sale.nowOpen'));
    opened();
  });
  return panel;
}

runPage({
  title: 'waiting.title',
  async load(main) {
    const [session, admission] = await Promise.all([get(path), get(`${path}/admission`, { signed: Boolean(user()) })]);
    const title = localized(session, 'title');
    setTitle(`${t('waiting.title')} · ${title}`);
    const needsRoom = admission.steps.includes('waiting-room');
    const early = Date.parse(admission.sale_opens_at) > now();
    const { reservation } = admission;
    if (reservation?.token) keepPass(id, 'Qualification', reservation.token);
    const room = needsRoom && user() ? new WaitingRoom() : null;
    main.replaceChildren(el('div', { class: 'gate' },
      el('header', { class: 'lead' },
        el('a', { class: 'back', href: `/shows/${encodeURIComponent(session.show_id)}` }, icon('back'), title),
        el('h1', {}, t(needsRoom ? 'waiting.title' : 'reserve.title')),
        el('p', { class: 'meta' }, icon('clock'), showTime(session))),
      early && countdownPanel(admission.sale_opens_at, () => { if (!room) location.reload(); }),
      reservation && reservationPanel(reservation),
      room?.element,
      needsRoom && !user() && el('div', { class: 'actions' }, button('waiting.signIn', goSignIn)),
      !needsRoom && el('div', { class: 'actions' }, linkButton('session.choose', seats))));
    if (!room) return;
    room.show = session.show_id;
    room.run().then((view) => {
      if (!view) return;
      if (view.token) keepPass(id, 'Admission', view.token);
      announce(t('waiting.inside'));
      location.replace(seats);
    }).catch((problem) => notify(friendly(problem), 'bad'));
  },
});
