// Choosing seats of a session, live, on the map or in the list: what every page that sells seats has in common.

import { ChooseForm, StandingForm } from './choose-form.js';
import { darkScheme } from './color.js';
import { el } from './dom.js';
import { count, listed, seatName } from './format.js';
import { icon } from './icons.js';
import { t } from './i18n.js';
import { legend, seatKey } from './legend.js';
import { follow } from './live.js';
import { product } from './money.js';
import { announce, notify } from './notice.js';
import { Plan } from './plan.js';
import { SeatList } from './seat-list.js';
import { SeatMap } from './seat-map.js';
import { SeatStates } from './seat-states.js';
import { Selection } from './selection.js';
import { keep, kept } from './store.js';

const VIEW = 'nebula.view';

export class SeatPicker {
  #busy = false;

  /**
   * `limit` is how many seats may be chosen; `keptAs` names the choice while the tab lives; `best` is called with what somebody wants
   * who leaves the choice to the server.
   */
  constructor(session, layout, snapshot, { limit, keptAs, best }) {
    this.id = session.id;
    this.plan = new Plan(layout, session);
    this.states = new SeatStates(snapshot, (position) => position >= this.plan.seats.length || this.plan.priceOf(position) !== undefined);
    this.selection = new Selection(keptAs, this.plan, this.states, limit);
    const pick = (position) => this.pick(position);
    this.map = new SeatMap(this.plan, this.states, this.selection, pick);
    this.list = new SeatList(this.plan, this.states, this.selection, pick);
    this.standing = this.plan.standing.map((area) => new StandingForm(this.#priced(area), this.states, limit, best));
    this.choose = this.plan.seats.length > 0 ? new ChooseForm(this.plan, limit, best) : null;
    this.forms = [...this.standing, this.choose].filter(Boolean);
    this.badge = el('span', { class: 'live', id: 'live', role: 'status' });
    this.free = el('span', { class: 'note', id: 'free' });
    this.states.addEventListener('change', ({ detail }) => {
      this.#countFree();
      if (!this.busy) this.dropTaken(detail);
    });
    this.#countFree();
    this.#showLive('connecting');
    this.element = this.#draw();
  }

  #draw() {
    const mapButton = el('button', { type: 'button', id: 'view-map', on: { click: () => this.#show('map') } }, icon('map'), t('view.map'));
    const listButton = el('button', { type: 'button', id: 'view-list', on: { click: () => this.#show('list') } }, icon('list'), t('view.list'));
    this.viewButtons = { map: mapButton, list: listButton };
    const tool = (name, key, run) => el('button', { class: 'icon-button', type: 'button', 'aria-label': t(key), title: t(key), on: { click: run } }, icon(name));
    this.mapPane = el('div', { class: 'pane' }, this.map.element,
      el('div', { class: 'map-tools', role: 'group', 'aria-label': t('map.tools') },
        tool('plus', 'map.closer', () => this.map.zoom(1.6)), tool('minus', 'map.farther', () => this.map.zoom(1 / 1.6)), tool('fit', 'map.whole', () => this.map.viewport.fit())),
      seatKey(), el('p', { class: 'map-help', id: 'map-help' }, t('map.help')));
    this.listPane = el('div', { class: 'pane', hidden: true }, this.list.element);
    this.legend = this.#newLegend();
    return el('div', { class: 'picker' },
      el('div', { class: 'picker-bar' },
        el('div', { class: 'switch', role: 'group', 'aria-label': t('view.label') }, mapButton, listButton),
        el('p', { class: 'status' }, this.free, this.badge)),
      this.forms.length > 0 && el('div', { class: 'choosers' }, this.forms.map(({ element }) => element)),
      this.legend, this.mapPane, this.listPane);
  }

  /** To be called once the element stands in the page: the map has a size, and the seats are followed. */
  start(snapshot) {
    if (this.hasSeats) this.#startMap();
    else for (const part of [this.mapPane, this.listPane, this.legend, this.element.querySelector('.switch')]) part.remove();
    this.stream = follow(this.id, snapshot, {
      onSnapshot: (answer) => this.states.replace(answer),
      onChange: (data) => this.states.apply(data),
      onState: (state) => this.#showLive(state),
    });
  }

  #startMap() {
    this.map.start();
    darkScheme.addEventListener('change', () => {
      this.map.recolor();
      this.redrawLegend();
    });
    this.#show(kept(VIEW) === 'list' ? 'list' : 'map');
    if (this.selection.lost.length) this.#tellLost(this.selection.lost);
  }

  /** Otherwise standing areas are all there is. */
  get hasSeats() {
    return this.plan.seats.length > 0;
  }

  /** While an order is on its way, its seats are taken by ourselves. */
  get busy() {
    return this.#busy;
  }

  set busy(busy) {
    this.#busy = busy;
    this.forms.forEach((form) => form.wait(busy));
  }

  /** What so many of these cost, if that is known. */
  costOf({ category, count: wanted }) {
    const cost = category && this.plan.byCategory.get(category)?.price;
    return cost ? product(cost, wanted) : null;
  }

  #priced(area) {
    return { ...area, price: this.plan.byCategory.get(area.category)?.price };
  }

  /** The names of the chosen seats. */
  get seats() {
    return this.selection.positions.map((position) => this.plan.seats[position].guid);
  }

  #newLegend() {
    return legend(this.plan, (category) => {
      this.map.highlight(category);
      this.list.highlight(category);
    });
  }

  #show(view) {
    keep(VIEW, view);
    this.mapPane.hidden = view !== 'map';
    this.listPane.hidden = view !== 'list';
    if (view === 'list') this.list.shown();
    for (const [name, button] of Object.entries(this.viewButtons)) button.setAttribute('aria-pressed', String(name === view));
  }

  #showLive(state) {
    if (this.liveState === state) return;
    this.liveState = state;
    this.badge.className = `live live-${state}`;
    this.badge.textContent = t(`live.${state}`);
  }

  #countFree() {
    const { available } = this.states.counts ?? {};
    if (available === undefined) return;
    this.free.textContent = available === 0 ? t('session.soldOut') : t('session.free', { count: available, free: count(available) });
  }

  /** Chooses a seat or gives it back, if it may be. */
  pick(position) {
    const name = seatName(this.plan.seats[position]);
    if (this.busy) return;
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

  /** Gives up those of these seats that are chosen here and somebody else's by now. */
  dropTaken(positions = this.selection.positions) {
    const lost = this.selection.remove(...positions.filter((position) => this.selection.has(position) && !this.states.isFree(position)));
    if (lost.length) this.#tellLost(lost);
  }

  #tellLost(positions) {
    notify(t('picked.lost', { count: positions.length, seats: listed(positions.map((position) => seatName(this.plan.seats[position]))) }), 'bad');
  }

  /** An order was refused since somebody else was quicker. */
  refused(problem) {
    const named = (problem.members.seats ?? []).map((guid) => this.plan.positions.get(guid)).filter((position) => position !== undefined);
    this.states.apply({ seats: named.filter((position) => this.states.isFree(position)).map((position) => [position, 'L']) });
    // Those seen as taken before the refusal arrived are still chosen.
    this.dropTaken();
    this.stream.resync();
  }

  /** The catalogue has changed under the page. */
  setPrices(prices) {
    this.plan.setPrices(prices);
    this.list.redraw();
    this.redrawLegend();
    for (const form of this.standing) {
      Object.assign(form.plan, this.#priced(form.plan));
      form.redraw();
    }
    this.choose?.redraw();
  }

  redrawLegend() {
    this.map.highlight(null);
    this.list.highlight(null);
    const fresh = this.#newLegend();
    this.legend.replaceWith(fresh);
    this.legend = fresh;
  }
}
