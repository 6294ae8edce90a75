// Choosing seats: the map or the list, live, with the tray that buys them.

import { get } from './api.js';
import { goSignIn, user } from './account.js';
import { darkScheme } from './color.js';
import { el } from './dom.js';
import { count, listed, place, seatName, showTime, venueTimeNote, visitorTime } from './format.js';
import { icon } from './icons.js';
import { localized, t } from './i18n.js';
import { legend, seatKey } from './legend.js';
import { passGate } from './gate.js';
import { follow } from './live.js';
import { announce, notify } from './notice.js';
import { placeOrder } from './order-attempt.js';
import { waitingAddress } from './pass.js';
import { idOfPath, runPage, setTitle } from './page.js';
import { Plan } from './plan.js';
import { friendly } from './problem.js';
import { agreed } from './quote.js';
import { SeatList } from './seat-list.js';
import { SeatMap } from './seat-map.js';
import { SeatStates } from './seat-states.js';
import { Selection } from './selection.js';
import { keep, kept } from './store.js';
import { Tray } from './tray.js';

const MOST_SEATS_OF_ORDER = 10;
const VIEW = 'nebula.view';

const id = idOfPath();
const path = `/sessions/${encodeURIComponent(id)}`;

class SessionPage {
  constructor(session, layout, snapshot) {
    this.session = session;
    this.plan = new Plan(layout, session);
    this.states = new SeatStates(snapshot, (position) => this.plan.priceOf(position) !== undefined);
    this.selection = new Selection(id, this.plan, this.states, Math.min(MOST_SEATS_OF_ORDER, session.seats_per_user ?? MOST_SEATS_OF_ORDER));
    this.buying = false;
    const pick = (position) => this.pick(position);
    this.map = new SeatMap(this.plan, this.states, this.selection, pick);
    this.list = new SeatList(this.plan, this.states, this.selection, pick);
    this.tray = new Tray(session, this.plan, this.selection, { remove: pick, buy: () => this.buy() });
    this.badge = el('span', { class: 'live', id: 'live', role: 'status' });
    this.free = el('span', { class: 'note', id: 'free' });
    this.states.addEventListener('change', ({ detail }) => this.statesChanged(detail));
    this.countFree();
    this.showLive('connecting');
  }

  draw(main) {
    const { session } = this;
    const title = localized(session, 'title');
    setTitle(title);
    const mapButton = el('button', { type: 'button', id: 'view-map', on: { click: () => this.show('map') } }, icon('map'), t('view.map'));
    const listButton = el('button', { type: 'button', id: 'view-list', on: { click: () => this.show('list') } }, icon('list'), t('view.list'));
    this.viewButtons = { map: mapButton, list: listButton };
    const tool = (name, key, run) => el('button', { class: 'icon-button', type: 'button', 'aria-label': t(key), title: t(key), on: { click: run } }, icon(name));
    this.mapPane = el('div', { class: 'pane' }, this.map.element,
      el('div', { class: 'map-tools', role: 'group', 'aria-label': t('map.tools') },
        tool('plus', 'map.closer', () => this.map.zoom(1.6)), tool('minus', 'map.farther', () => this.map.zoom(1 / 1.6)), tool('fit', 'map.whole', () => this.map.viewport.fit())),
      seatKey(), el('p', { class: 'map-help', id: 'map-help' }, t('map.help')));
    this.listPane = el('div', { class: 'pane', hidden: true }, this.list.element);
    this.legend = this.newLegend();
    main.replaceChildren(
      el('header', { class: 'session-head' },
        el('div', {}, el('a', { class: 'back', href: `/shows/${encodeURIComponent(session.show_id)}` }, icon('back'), title), el('h1', {}, t('session.title'))),
        el('div', { class: 'session-where' },
          el('p', { class: 'meta' }, icon('clock'), el('span', {}, showTime(session), el('span', { class: 'note' },
            [venueTimeNote(session), visitorTime(session)].filter(Boolean).join(' · ')))),
          el('p', { class: 'meta' }, icon('pin'), el('span', {}, place(session.venue))))),
      el('div', { class: 'picker' },
        el('div', { class: 'picker-bar' },
          el('div', { class: 'switch', role: 'group', 'aria-label': t('view.label') }, mapButton, listButton),
          el('p', { class: 'status' }, this.free, this.badge)),
        this.legend, this.mapPane, this.listPane),
      this.tray.element);
    this.showSteps(main);
    this.map.start();
    darkScheme.addEventListener('change', () => {
      this.map.recolor();
      this.redrawLegend();
    });
    this.show(kept(VIEW) === 'list' ? 'list' : 'map');
    if (this.selection.lost.length) this.tellLost(this.selection.lost);
  }

  /** Where the sale has a waiting room or takes reservations, the way there. */
  async showSteps(main) {
    const admission = await get(`${path}/admission`).catch(() => null);
    const way = admission?.steps.includes('waiting-room') ? 'waiting.way' : admission?.reservation?.open ? 'reserve.way' : null;
    if (!way) return;
    main.querySelector('.session-head').after(el('p', { class: 'banner wait', id: 'way' }, icon('clock'), el('span', {}, t(`${way}Text`)),
      el('a', { class: 'button small', href: waitingAddress(id) }, t(way))));
  }

  newLegend() {
    return legend(this.plan, (category) => {
      this.map.highlight(category);
      this.list.highlight(category);
    });
  }

  show(view) {
    keep(VIEW, view);
    this.mapPane.hidden = view !== 'map';
    this.listPane.hidden = view !== 'list';
    if (view === 'list') this.list.shown();
    for (const [name, button] of Object.entries(this.viewButtons)) button.setAttribute('aria-pressed', String(name === view));
  }

  follow(snapshot) {
    this.stream = follow(id, snapshot, {
      onSnapshot: (answer) => this.states.replace(answer),
      onChange: (data) => this.states.apply(data),
      onState: (state) => this.showLive(state),
    });
  }

  showLive(state) {
    if (this.liveState === state) return;
    this.liveState = state;
    this.badge.className = `live live-${state}`;
    this.badge.textContent = t(`live.${state}`);
  }

  countFree() {
    const { available } = this.states.counts ?? {};
    if (available === undefined) return;
    this.free.textContent = available === 0 ? t('session.soldOut') : t('session.free', { count: available, free: count(available) });
  }

  /** Chooses a seat or gives it back, if it may be. */
  pick(position) {
    const name = seatName(this.plan.seats[position]);
    if (this.buying) return;
    if (this.selection.has(position)) {
      this.selection.remove(position);
      announce(t('picked.removed', { seat: name, count: this.selection.size }));
    } else if (!this.states.isFree(position)) {
      announce(t('picked.taken', { seat: name }));
    } else if (this.selection.full) {
      notify(t('picked.full', { count: this.selection.limit }));
    } else {
      this.selection.add(position);
      announce(t('picked.added', { seat: name, count: this.selection.size }));
    }
  }

  statesChanged(changed) {
    this.countFree();
    // While our own order is on its way, these seats are taken by ourselves.
    if (this.buying) return;
    this.dropTaken(changed);
  }

  dropTaken(positions) {
    const lost = this.selection.remove(...positions.filter((position) => this.selection.has(position) && !this.states.isFree(position)));
    if (lost.length) this.tellLost(lost);
  }

  tellLost(positions) {
    notify(t('picked.lost', { count: positions.length, seats: listed(positions.map((position) => seatName(this.plan.seats[position]))) }), 'bad');
  }

  /** `before` is what the buyer has agreed to already. */
  async buy(before = null) {
    if (!user()) {
      goSignIn();
      return;
    }
    this.buying = true;
    this.tray.busy = true;
    let agreement = before;
    try {
      const seats = this.selection.positions.map((position) => this.plan.seats[position].guid);
      agreement ??= await agreed(id, seats);
      if (!agreement) {
        this.buying = false;
        this.tray.busy = false;
        this.dropTaken(this.selection.positions);
        return;
      }
      const order = await placeOrder(id, seats, agreement.total ?? this.tray.expectedTotal, agreement.coupon);
      this.selection.clear();
      location.assign(`/checkout/${encodeURIComponent(order.id)}`);
    } catch (problem) {
      this.buying = false;
      this.tray.busy = false;
      await this.explain(problem, agreement);
    }
  }

  async explain(problem, agreement) {
    if (problem.needsSignIn) {
      goSignIn();
      return;
    }
    if (problem.code === 'seat-taken') {
      const named = (problem.members.seats ?? []).map((guid) => this.plan.positions.get(guid)).filter((position) => position !== undefined);
      this.states.apply({ seats: named.filter((position) => this.states.isFree(position)).map((position) => [position, 'L']) });
      // Those seen as taken before the refusal arrived are still chosen.
      this.dropTaken(this.selection.positions);
      this.stream.resync();
      return;
    }
    const again = await passGate(id, problem).catch(() => null);
    if (again) {
      await this.buy(agreement);
      return;
    }
    if (again === false) return;
    notify(friendly(problem), 'bad');
    if (['price-changed', 'sale-not-open', 'sale-closed'].includes(problem.code)) await this.renew();
    this.dropTaken(this.selection.positions);
  }

  /** The catalogue has changed under the page: prices and times anew. */
  async renew() {
    const session = await get(path).catch(() => null);
    if (!session) return;
    this.plan.setPrices(session.prices);
    this.list.redraw();
    this.redrawLegend();
    this.tray.renew(session);
  }

  redrawLegend() {
    this.map.highlight(null);
    this.list.highlight(null);
    const fresh = this.newLegend();
    this.legend.replaceWith(fresh);
    this.legend = fresh;
  }
}

runPage({
  title: 'session.title',
  async load(main) {
    const [session, layout, snapshot] = await Promise.all([get(path), get(`${path}/seatmap`, { cache: 'default' }), get(`${path}/seats`)]);
    const page = new SessionPage(session, layout, snapshot);
    page.draw(main);
    page.follow(snapshot);
  },
});

// A page from the back-forward cache would still be "buying": the tray and the seats are of another time.
addEventListener('pageshow', (event) => { if (event.persisted) location.reload(); });
