// Charts of our own: drawn for the eye, and the same numbers as a table for everybody. Nothing moves by itself.

import { el, svg } from './dom.js';
import { compact, count } from './format.js';
import { t } from './i18n.js';

const HEIGHT = 190;
const [LEFT, RIGHT, TOP, BOTTOM] = [52, 10, 10, 26];

/** The first round number that is not below the greatest value. */
function roundTop(most) {
  if (most <= 1) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 5, 10].map((factor) => factor * power).find((top) => top >= most);
}

/**
 * A chart over time. `lines` are `{ name, label, kind: 'bars' | 'line', tone }`; `update` gives it the values of each by name
 * (null for unknown), and the label of each interval. `format` writes a value, `axis` one beside the grid, where there is little
 * room.
 */
export class TimeChart {
  constructor({ id, title, lines, format = count, axis = compact }) {
    Object.assign(this, { title, lines, format, axis, data: null });
    this.plot = el('div', { class: 'chart-plot' });
    this.table = el('table', {});
    const details = el('details', { class: 'chart-table', on: { toggle: () => this.fillTable() } },
      el('summary', {}, t('chart.table')), el('div', { class: 'chart-scroll', tabindex: 0, role: 'region', 'aria-label': title }, this.table));
    this.details = details;
    this.element = el('figure', { class: 'panel chart', id },
      el('figcaption', {}, el('h2', {}, title), el('ul', { class: 'chart-key' }, lines.map(({ label, tone, kind }) =>
        el('li', {}, svg('svg', { class: `chart-swatch tone-${tone} ${kind}`, viewBox: '0 0 18 10', 'aria-hidden': 'true' },
          kind === 'bars' ? svg('rect', { x: 2, y: 0, width: 14, height: 10 }) : svg('path', { d: 'M0 5H18' })), label)))),
      this.plot, details);
    new ResizeObserver(() => this.draw()).observe(this.plot);
  }

  update(labels, values) {
    this.data = { labels, values };
    this.draw();
    this.fillTable();
  }

  /** The newest value of a line, for those who hear the chart instead of seeing it. */
  summary() {
    const { values } = this.data;
    return this.lines.map(({ name, label }) => {
      const known = values[name].filter((value) => value !== null);
      return t('chart.summary', { label, last: this.format(known.at(-1) ?? 0), most: this.format(Math.max(0, ...known)) });
    }).join(' ');
  }

  draw() {
    const width = this.plot.clientWidth;
    if (!this.data || !width) return;
    const { labels, values } = this.data;
    const top = roundTop(Math.max(...this.lines.flatMap(({ name }) => values[name].map((value) => value ?? 0))));
    const step = (width - LEFT - RIGHT) / labels.length;
    const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top);
    const x = (place) => LEFT + step * (place + 0.5);
    const ticks = top === 1 ? [0, 1] : [0, top / 2, top];
    const every = Math.ceil(labels.length / Math.max(2, Math.floor(width / 130)));
    this.plot.replaceChildren(svg('svg', { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: 'img', 'aria-label': `${this.title}. ${this.summary()}` },
      svg('g', { class: 'chart-grid' }, ticks.map((tick) => [
        svg('path', { d: `M${LEFT} ${y(tick)}H${width - RIGHT}` }),
        svg('text', { x: LEFT - 8, y: y(tick) + 4, 'text-anchor': 'end' }, this.axis(tick))])),
      svg('g', { class: 'chart-grid' }, labels.map((label, place) => (labels.length - 1 - place) % every === 0
        && svg('text', { x: Math.min(x(place), width - RIGHT - 16), y: HEIGHT - 6, 'text-anchor': 'middle' }, label))),
      this.lines.map(({ name, kind, tone }) => svg('g', { class: `tone-${tone} ${kind}`, 'data-line': name },
        kind === 'bars' ? bars(values[name], { x, y, step }) : svg('path', { d: path(values[name], { x, y }) })))));
  }

  fillTable() {
    if (!this.details.open || !this.data) return;
    const { labels, values } = this.data;
    const cell = (value) => el('td', {}, value === null ? '–' : this.format(value));
    this.table.replaceChildren(
      el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, t('chart.time')), this.lines.map(({ label }) => el('th', { scope: 'col' }, label)))),
      el('tbody', {}, labels.map((label, place) => el('tr', {}, el('th', { scope: 'row' }, label), this.lines.map(({ name }) => cell(values[name][place])))).reverse()));
  }
}

function bars(values, { x, y, step }) {
  const wide = Math.max(1, step * 0.7);
  return values.map((value, place) => value > 0
    && svg('rect', { x: x(place) - wide / 2, y: y(value), width: wide, height: y(0) - y(value) }));
}

/** A line that has gaps where a value is unknown. */
function path(values, { x, y }) {
  let pen = 'M';
  return values.map((value, place) => {
    if (value === null) { pen = 'M'; return ''; }
    const point = `${pen}${x(place).toFixed(1)} ${y(value).toFixed(1)}`;
    pen = 'L';
    return point;
  }).join('');
}

/** A bar of parts, each a number of `whole` with a tone. The row that it stands in says the same in words. */
export function bar(parts, whole) {
  let at = 0;
  return svg('svg', { class: 'bar', viewBox: '0 0 100 10', preserveAspectRatio: 'none', 'aria-hidden': 'true', focusable: 'false' },
    svg('rect', { class: 'bar-ground', width: 100, height: 10 }),
    parts.map(([number, tone]) => {
      const width = whole > 0 ? (100 * number) / whole : 0;
      at += width;
      return width > 0 && svg('rect', { class: `tone-${tone}`, x: at - width, width, height: 10 });
    }));
}
