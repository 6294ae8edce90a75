// Categories with their prices, each a switch that shows its seats alone; and what the marks of seats mean.

import { el, svg } from './dom.js';
import { price } from './format.js';
import { t } from './i18n.js';

const swatch = (name, color) => svg('svg', { class: 'swatch', viewBox: '0 0 16 16', 'aria-hidden': 'true' },
  svg('g', { fill: color ?? 'currentColor' }, svg('circle', { class: name, cx: 8, cy: 8, r: 6 })));

/** `show(category or null)` is called when the visitor switches. */
export function legend(plan, show) {
  let only = null;
  const buttons = plan.categories.map(({ name, title, price: cost }) => el('button', { class: 'chip', type: 'button', 'aria-pressed': 'false',
    on: { click: () => {
      only = only === name ? null : name;
      buttons.forEach((button, index) => button.setAttribute('aria-pressed', String(plan.categories[index].name === only)));
      show(only);
    } } }, swatch('seat', plan.colorOf(name)), el('span', {}, title), el('strong', {}, price(cost))));
  return el('div', { class: 'chips', role: 'group', 'aria-label': t('legend.label') }, buttons);
}

/** What the marks of seats mean. */
export function seatKey() {
  const marks = [['seat', 'state.free'], ['seat mine', 'state.mine'], ['seat held', 'state.held'], ['seat sold', 'state.sold']];
  return el('ul', { class: 'key', 'aria-label': t('legend.key') }, marks.map(([name, word]) => el('li', {}, swatch(name), t(word))));
}
