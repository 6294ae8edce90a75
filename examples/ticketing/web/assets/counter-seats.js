// Seats for whoever stands at the counter, on the live map; holding them makes their order.

import { get } from './api.js';
import { askPeople } from './counter-people.js';
import { el } from './dom.js';
import { place, seatName, showTime } from './format.js';
import { icon } from './icons.js';
import { lang, localized, t } from './i18n.js';
import { notify } from './notice.js';
import { attempt } from './order-attempt.js';
import { friendly } from './problem.js';
import { SeatPicker } from './seat-picker.js';
import { Tray } from './tray.js';

const MOST_SEATS = 10;

/** What the buyer may leave. */
function buyerFields() {
  const name = el('input', { id: 'buyer-name', maxlength: 80, autocomplete: 'off' });
  const email = el('input', { id: 'buyer-email', type: 'email', autocomplete: 'off' });
  const element = el('details', { class: 'counter-buyer' }, el('summary', {}, t('counter.buyer')),
    el('label', {}, t('counter.name'), name), el('label', {}, t('counter.email'), email));
  return { element, value: () => ({ language: lang, ...(name.value.trim() && { name: name.value.trim() }), ...(email.value.trim() && { email: email.value.trim() }) }) };
}

export async function chooseSeats(main, desk, id) {
  const path = `/sessions/${encodeURIComponent(id)}`;
  const [session, layout, snapshot] = await Promise.all([get(path), get(`${path}/seatmap`, { cache: 'default' }), get(`${path}/seats`)]);
  const picker = new SeatPicker(session, layout, snapshot, { limit: MOST_SEATS, keptAs: `counter.${id}`, best: (best) => hold({ best }, picker.costOf(best)) });
  const buyer = buyerFields();
  const tray = new Tray(session, picker.plan, picker.selection, { words: 'counter', remove: (position) => picker.pick(position), buy: () => hold({ seats: [...picker.seats].sort() }) });
  tray.list.after(buyer.element);

  const busy = (now) => {
    picker.busy = now;
    tray.busy = now;
  };
  /** Whom the places are for, where the sale asks. */
  const people = (places, names) => {
    if (names === 'per-order') return [t('attendee.all')];
    return places.best ? Array.from({ length: places.best.count }, (_, index) => t('attendee.ticket', { number: index + 1 }))
      : places.seats.map((guid) => seatName(picker.plan.seats[picker.plan.positions.get(guid)]));
  };
  const words = (problem) => (problem.code === 'invalid-value' ? problem.detail : friendly(problem));

  /** Holds the places; the problem, if there is one. */
  async function held(places, cost, attendees) {
    busy(true);
    try {
      const body = { session_id: id, ...places, ...(cost && { expected_total: cost }), ...(attendees && { attendees }), buyer: buyer.value() };
      const { order } = await attempt(`counter.${id}`, `${desk.path}/orders`, body);
      if (places.seats) picker.selection.clear();
      desk.go({ order: order.id });
      return null;
    } catch (problem) {
      if (!('code' in problem)) throw problem;
      busy(false);
      return problem;
    }
  }

  /** Says what is wrong beside the names, where it is about them. */
  const named = (places, cost) => async (attendees) => {
    const problem = await held(places, cost, attendees);
    if (!problem) return null;
    const [, index, field] = /^attendees\[(\d+)\](?:\.(?:person\.)?(\w+))?$/.exec(problem.members.field ?? '') ?? [];
    if (index !== undefined || problem.code.startsWith('identity-')) return { text: words(problem), index: Number(index ?? 0), field };
    refused(places, problem);
    return null;
  };

  function refused(places, problem) {
    if (problem.code === 'seat-taken' && places.seats) picker.refused(problem);
    else notify(words(problem), 'bad');
  }

  async function hold(places, cost) {
    if (picker.busy) return;
    const problem = await held(places, cost);
    if (!problem) return;
    const { names } = problem.members;
    if (problem.code === 'real-name-required' && names) askPeople(people(places, names), named(places, cost));
    else refused(places, problem);
  }

  main.replaceChildren(
    el('header', { class: 'session-head' },
      el('div', {}, el('a', { class: 'back', href: `/desk/counter?merchant=${encodeURIComponent(desk.merchant.id)}` }, icon('back'), t('counter.back')),
        el('h1', {}, localized(session, 'title'))),
      el('div', { class: 'session-where' },
        el('p', { class: 'meta' }, icon('clock'), el('span', {}, showTime(session))),
        el('p', { class: 'meta' }, icon('pin'), el('span', {}, place(session.venue))))),
    picker.element, tray.element);
  picker.start(snapshot);
}

// A page from the back-forward cache would still hold seats that are another sale's by now.
addEventListener('pageshow', (event) => { if (event.persisted) location.reload(); });
