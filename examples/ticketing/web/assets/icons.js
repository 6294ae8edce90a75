// Line icons on a 24 × 24 grid, drawn with the colour of the text around them.

import { svg } from './dom.js';

const SHAPES = {
  alert: 'M12 3 22 20H2Z M12 10v4 M12 17v.5',
  back: 'M15 5l-7 7 7 7',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  clock: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18 M12 7.5V12l3 2',
  close: 'M6 6l12 12 M18 6 6 18',
  fit: 'M4 9V4h5 M20 9V4h-5 M4 15v5h5 M20 15v5h-5',
  heart: 'M12 20s-7.500-4.600-9-9.400C2 7 4.300 4.500 7.300 4.500c2 0 3.700 1.100 4.700 2.800 1-1.700 2.700-2.800 4.700-2.800 3 0 5.300 2.500 4.300 6.100C19.500 15.400 12 20 12 20Z',
  list: 'M9 6h11 M9 12h11 M9 18h11 M4.5 6h.01 M4.5 12h.01 M4.5 18h.01',
  map: 'M9 4 3 6.5v13.5l6-2.5 6 2.5 6-2.5V4l-6 2.5Z M9 4v13.5 M15 6.5V20',
  minus: 'M5 12h14',
  next: 'M9 5l7 7-7 7',
  offline: 'M3 3l18 18 M5 12.5a10 10 0 0 1 4-2.3 M8.5 16a5 5 0 0 1 5.5-.9 M12 19.5v.01 M2 9a15 15 0 0 1 4-2.6 M11 5a15 15 0 0 1 11 4',
  pin: 'M12 21s7-6.2 7-11.5a7 7 0 0 0-14 0C5 14.8 12 21 12 21Z M12 7.500a2.2 2.2 0 1 0 0 4.4 2.2 2.2 0 0 0 0-4.4',
  plus: 'M12 5v14 M5 12h14',
  ticket: 'M4 6h16v4a2 2 0 0 0 0 4v4H4v-4a2 2 0 0 0 0-4Z M14 6.500v2 M14 11v2 M14 15.500v2',
  user: 'M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8 M4.5 20.500a7.5 7.5 0 0 1 15 0',
};

/** An icon that screen readers skip: the text beside it says the same. */
export function icon(name) {
  return svg('svg', { class: 'icon', viewBox: '0 0 24 24', 'aria-hidden': 'true', focusable: 'false' },
    svg('path', { d: SHAPES[name], fill: 'none', stroke: 'currentColor', 'stroke-width': 1.8,
      'stroke-linecap': 'round', 'stroke-linejoin': 'round' }));
}

/** The mark of the shop: a ticket with a star on its way around. */
export function brandMark() {
  return svg('svg', { class: 'brand-mark', viewBox: '0 0 32 32', 'aria-hidden': 'true', focusable: 'false' },
    svg('path', { class: 'brand-body', d: 'M5 8h22a2 2 0 0 1 2 2v3a3 3 0 0 0 0 6v3a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2v-3a3 3 0 0 0 0-6v-3a2 2 0 0 1 2-2Z' }),
    svg('ellipse', { class: 'brand-orbit', cx: 16, cy: 16, rx: 8.5, ry: 3.4, transform: 'rotate(-24 16 16)' }),
    svg('circle', { class: 'brand-star', cx: 16, cy: 16, r: 2.4 }));
}
