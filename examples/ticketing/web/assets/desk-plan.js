// A seating plan before it is stored: what was found in the file, and what it looks like.

import { drawAreas } from './areas.js';
import { visible } from './color.js';
import { el, svg } from './dom.js';
import { namesIn, t } from './i18n.js';

/** Plans may leave a seat's radius out. */
const RADIUS = 10;

export function drawPlan({ name, width, height, categories, areas, seats, standing = [] }) {
  const colors = new Map(categories.map((category) => [category.name, visible(category.color)]));
  const groups = new Map(categories.map((category) => [category.name, svg('g', { fill: colors.get(category.name) })]));
  for (const { x, y, r, category } of seats) groups.get(category)?.append(svg('circle', { cx: x, cy: y, r: r ?? RADIUS }));
  return svg('svg', { class: 'desk-preview', viewBox: `0 0 ${width} ${height}`, role: 'img',
    'aria-label': t('desk.plan.preview', { name, count: seats.length + standingOf({ standing }) }) }, drawAreas(areas ?? []), [...groups.values()]);
}

const standingOf = ({ standing = [] }) => standing.reduce((sum, { places }) => sum + places, 0);
const listed = (texts) => el('ul', {}, texts.map((text) => el('li', {}, text)));

/** The standing areas of a plan, in words. */
function standingAreas(plan) {
  const named = namesIn(plan);
  return listed(plan.standing.map(({ area, category, places }) => t('desk.plan.standing', { area: named(area), category: named(category), count: places })));
}

export function findings({ usable, problems, notes, preview }) {
  return [
    el('p', { role: 'status', id: 'plan-verdict', 'data-usable': String(usable) },
      usable ? t('desk.plan.usable', { count: preview.seats.length + standingOf(preview) }) : t('desk.plan.unusable', { count: problems.length })),
    problems.length > 0 && el('div', { class: 'desk-findings bad' }, listed(problems)),
    notes.length > 0 && el('details', { class: 'desk-findings' }, el('summary', {}, t('desk.plan.notes', { count: notes.length })), listed(notes)),
    usable && preview.standing?.length > 0 && standingAreas(preview),
    usable && drawPlan(preview),
  ];
}
