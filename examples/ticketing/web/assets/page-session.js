// Choosing seats: the map or the list, live, with the tray that buys them.

import { get } from './api.js';
import { goSignIn, user } from './account.js';
import { chooseAttendees } from './attendees.js';
import { el } from './dom.js';
import { place, seatName, showTime, venueTimeNote, visitorTime } from './format.js';
import { icon } from './icons.js';
import { localized, t } from './i18n.js';
import { passGate } from './gate.js';
import { notify } from './notice.js';
import { placeOrder } from './order-attempt.js';
import { waitingAddress } from './pass.js';
import { idOfPath, runPage, setTitle } from './page.js';
import { friendly } from './problem.js';
import { agreed } from './quote.js';
import { saleState } from './sale.js';
import { SeatPicker } from './seat-picker.js';
import { Tray } from './tray.js';

const MOST_SEATS_OF_ORDER = 10;

const id = idOfPath();
const path = `/sessions/${encodeURIComponent(id)}`;

class SessionPage {
  constructor(session, layout, snapshot) {
    this.session = session;
    const limit = Math.min(MOST_SEATS_OF_ORDER, session.seats_per_user ?? MOST_SEATS_OF_ORDER);
    this.picker = new SeatPicker(session, layout, snapshot, { limit, keptAs: id, best: (best) => this.buyBest(best) });
    this.tray = new Tray(session, this.picker.plan, this.picker.selection, { remove: (position) => this.picker.pick(position), buy: () => this.buySelected() });
  }

  draw(main, snapshot) {
    const { session } = this;
    const title = localized(session, 'title');
    setTitle(title);
    main.replaceChildren(
      el('header', { class: 'session-head' },
        el('div', {}, el('a', { class: 'back', href: `/shows/${encodeURIComponent(session.show_id)}` }, icon('back'), title), el('h1', {}, t('session.title'))),
        el('div', { class: 'session-where' },
          el('p', { class: 'meta' }, icon('clock'), el('span', {}, showTime(session), el('span', { class: 'note' },
            [venueTimeNote(session), visitorTime(session)].filter(Boolean).join(' · ')))),
          el('p', { class: 'meta' }, icon('pin'), el('span', {}, place(session.venue))))),
      this.picker.element, this.picker.hasSeats ? this.tray.element : '');
    this.showSteps(main);
    this.picker.start(snapshot);
  }

  /** Where the sale has a waiting room or takes reservations, the way there. */
  async showSteps(main) {
    const admission = await get(`${path}/admission`).catch(() => null);
    this.realName = admission?.real_name ?? null;
    const way = admission?.steps.includes('waiting-room') ? 'waiting.way' : admission?.reservation?.open ? 'reserve.way' : null;
    if (!way) return;
    main.querySelector('.session-head').after(el('p', { class: 'banner wait', id: 'way' }, icon('clock'), el('span', {}, t(`${way}Text`)),
      el('a', { class: 'button small', href: waitingAddress(id) }, t(way))));
  }

  get buying() {
    return this.picker.busy;
  }

  set buying(buying) {
    this.picker.busy = buying;
    this.tray.busy = buying;
  }

  /** The chosen seats, at the prices shown. */
  buySelected() {
    return this.buy({ seats: this.picker.seats }, this.tray.expectedTotal);
  }

  /** Good seats, or places to stand, chosen by the server: ordered at once, since what is chosen and not held is soon gone. */
  buyBest(best) {
    if (saleState(this.session) !== 'open') {
      notify(t(saleState(this.session) === 'soon' ? 'tray.notYet' : 'tray.closed'));
      return null;
    }
    // Of any price, the buyer sees on the next page what it is.
    return this.buy({ best }, this.picker.costOf(best));
  }

  /** Whom the places are for; null when the buyer goes back. */
  attendees(places) {
    const names = places.best ? Array.from({ length: places.best.count }, (_, index) => t('attendee.ticket', { number: index + 1 }))
      : this.picker.selection.positions.map((position) => seatName(this.picker.plan.seats[position]));
    return chooseAttendees(this.realName, names);
  }

  /** `before` is what the buyer has agreed to already. */
  async buy(places, expected, before = null) {
    if (this.buying && !before) return;
    if (!user()) {
      goSignIn();
      return;
    }
    this.buying = true;
    let agreement = before;
    try {
      agreement ??= await agreed(id, places);
      if (agreement && this.realName && !agreement.attendees) {
        const attendees = await this.attendees(places);
        agreement = attendees && { ...agreement, attendees };
      }
      if (!agreement) {
        this.buying = false;
        this.picker.dropTaken();
        return;
      }
      const total = expected && (agreement.total ?? expected);
      const order = await placeOrder(id, places, total, agreement.coupon, agreement.attendees);
      if (places.seats) this.picker.selection.clear();
      location.assign(`/checkout/${encodeURIComponent(order.id)}`);
    } catch (problem) {
      this.buying = false;
      await this.explain(problem, { places, expected, agreement });
    }
  }

  async explain(problem, { places, expected, agreement }) {
    if (problem.needsSignIn) {
      goSignIn();
      return;
    }
    if (problem.code === 'seat-taken' && places.seats) {
      this.picker.refused(problem);
      return;
    }
    if (problem.code === 'real-name-required' && problem.members.names) {
      // The sale asks since a moment ago.
      this.realName = { names: problem.members.names };
      await this.buy(places, expected, { ...agreement, attendees: null });
      return;
    }
    const again = await passGate(id, problem).catch(() => null);
    if (again) {
      await this.buy(places, expected, agreement);
      return;
    }
    if (again === false) return;
    notify(friendly(problem), 'bad');
    if (['price-changed', 'sale-not-open', 'sale-closed'].includes(problem.code)) await this.renew();
    this.picker.dropTaken();
  }

  /** The catalogue has changed under the page: prices and times anew. */
  async renew() {
    const session = await get(path).catch(() => null);
    if (!session) return;
    this.session = session;
    this.picker.setPrices(session.prices);
    this.tray.renew(session);
  }
}

runPage({
  title: 'session.title',
  async load(main) {
    const [session, layout, snapshot] = await Promise.all([get(path), get(`${path}/seatmap`, { cache: 'default' }), get(`${path}/seats`)]);
    new SessionPage(session, layout, snapshot).draw(main, snapshot);
  },
});

// A page from the back-forward cache would still be "buying": the tray and the seats are of another time.
addEventListener('pageshow', (event) => { if (event.persisted) location.reload(); });
