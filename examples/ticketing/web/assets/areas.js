// The shapes of a plan around its seats: stage, walls, texts. Attributes only, no styles: the page's policy forbids those.

import { svg } from './dom.js';

const points = (list) => list.map(({ x, y }) => `${x},${y}`).join(' ');

function shapeOf({ shape, circle, ellipse, polygon, rectangle, color, border_color }) {
  const paint = { fill: color || 'none', stroke: border_color || 'none', 'stroke-width': 2 };
  switch (shape) {
    case 'circle': return svg('circle', { r: circle?.radius ?? 0, ...paint });
    case 'ellipse': return svg('ellipse', { rx: ellipse?.radius?.x ?? 0, ry: ellipse?.radius?.y ?? 0, ...paint });
    case 'polygon': return svg('polygon', { points: points(polygon?.points ?? []), ...paint });
    case 'rectangle': return svg('rect', { width: rectangle?.width ?? 0, height: rectangle?.height ?? 0, ...paint });
    default: return null; // `text` has no shape
  }
}

function textOf({ text }) {
  if (!text?.text) return null;
  return svg('text', { class: 'area-text', x: text.position?.x ?? 0, y: text.position?.y ?? 0, fill: text.color || 'currentColor',
    'font-size': text.size ?? 16, 'text-anchor': 'middle', 'dominant-baseline': 'central' }, text.text);
}

export function drawAreas(areas) {
  return svg('g', { class: 'areas', 'aria-hidden': 'true' }, areas.map((area) => {
    const { x = 0, y = 0 } = area.position ?? {};
    return svg('g', { transform: `translate(${x} ${y}) rotate(${area.rotation ?? 0})` }, shapeOf(area), textOf(area));
  }));
}
