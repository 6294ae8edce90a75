// The poster of a show: the merchant's picture, or else a drawn one, always the same for the same title.

import { el, svg } from './dom.js';
import { localized } from './i18n.js';

// Night sky, two shades of it, and a light; chosen so that white stands out on all of them.
const PALETTES = [
  ['#141a46', '#3b3f9e', '#f3a86b', '#f7d9b0'],
  ['#0d2b33', '#16616b', '#e9c46a', '#f6e7bd'],
  ['#2d1233', '#7a2a5d', '#f28d79', '#f9d3c4'],
  ['#10243f', '#225b8f', '#7fd1c7', '#d5f2ec'],
  ['#1c2a1c', '#3f6b46', '#e6b566', '#f4e3c1'],
  ['#33160f', '#8a3a24', '#f0b35b', '#f8dfb8'],
];

/** A small generator (mulberry32) seeded by the title (FNV-1a). */
function generator(text) {
  let state = 0x811c9dc5;
  for (const letter of text) state = Math.imul(state ^ letter.codePointAt(0), 0x01000193);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const MOTIFS = [
  function orbits(random, [, mid, light, pale]) {
    const [cx, cy] = [90 + random() * 220, 90 + random() * 80];
    const rings = Array.from({ length: 6 }, (_, i) => svg('ellipse', { cx, cy, rx: 40 + i * 34, ry: 14 + i * 15,
      transform: `rotate(${-25 + random() * 8} ${cx} ${cy})`, fill: 'none', stroke: i % 3 ? mid : light,
      'stroke-width': i % 3 ? 10 : 1.5, 'stroke-opacity': 0.8 - i * 0.08 }));
    return [...rings, svg('circle', { cx, cy, r: 26, fill: pale }), svg('circle', { cx: cx + 92, cy: cy - 42, r: 7, fill: light })];
  },
  function waves(random, [, mid, light, pale]) {
    const band = (y, height, fill, opacity) => {
      const [a, b] = [y - height * random(), y + height * random()];
      return svg('path', { d: `M0 ${y} C 100 ${a} 180 ${b} 260 ${y} S 380 ${a} 400 ${y - 10} V300 H0Z`, fill, 'fill-opacity': opacity });
    };
    return [svg('circle', { cx: 110 + random() * 190, cy: 96, r: 48, fill: pale }),
      band(150, 60, light, 0.75), band(180, 70, mid, 0.9), band(215, 60, mid, 1), band(245, 40, light, 0.35)];
  },
  function beams(random, [, mid, light, pale]) {
    const x = 120 + random() * 160;
    const beam = (i) => {
      const at = x + (i - 2.5) * 86;
      return svg('path', { d: `M${x} -10 L${at - 26} 310 L${at + 26} 310Z`, fill: i % 2 ? light : mid, 'fill-opacity': 0.18 + (i % 3) * 0.14 });
    };
    const crowd = Array.from({ length: 22 }, (_, i) => svg('circle', { cx: i * 19 + random() * 8, cy: 286 + random() * 14, r: 13 + random() * 6, fill: '#000', 'fill-opacity': 0.45 }));
    return [...Array.from({ length: 6 }, (_, i) => beam(i)), svg('circle', { cx: x, cy: 6, r: 20, fill: pale }), ...crowd];
  },
  function arches(random, [, mid, light, pale]) {
    const x = 130 + random() * 140;
    return [...Array.from({ length: 6 }, (_, i) => {
      const r = 190 - i * 32;
      return svg('path', { d: `M${x - r} 300 V${190} A${r} ${r} 0 0 1 ${x + r} 190 V300Z`, fill: i % 2 ? light : mid, 'fill-opacity': i % 2 ? 0.5 : 0.85 });
    }), svg('circle', { cx: x, cy: 214, r: 20, fill: pale })];
  },
];

function drawn(title) {
  const random = generator(title);
  const palette = PALETTES[Math.floor(random() * PALETTES.length)];
  const motif = MOTIFS[Math.floor(random() * MOTIFS.length)];
  const stars = Array.from({ length: 26 }, () => svg('circle', { cx: random() * 400, cy: random() * 170, r: 0.6 + random() * 1.1, fill: palette[3], 'fill-opacity': 0.3 + random() * 0.5 }));
  return svg('svg', { class: 'poster', viewBox: '0 0 400 300', preserveAspectRatio: 'xMidYMid slice', 'aria-hidden': 'true', focusable: 'false' },
    svg('rect', { width: 400, height: 300, fill: palette[0] }), stars, motif(random, palette));
}

/**
 * `sizes` says how wide it is shown, as the attribute does. What cannot be loaded is drawn instead: a page is whole without its
 * pictures. `eager` ones are seen at once.
 */
export function poster(title, picture, { sizes = '100vw', eager = false } = {}) {
  const widest = picture?.files?.at(-1);
  if (!widest) return drawn(title);
  const image = el('img', {
    class: 'poster', sizes, width: widest.width, height: widest.height, alt: localized(picture, 'alt') || title,
    loading: eager ? 'eager' : 'lazy', decoding: 'async',
    srcset: picture.files.map(({ url, width }) => `${url} ${width}w`).join(', '), src: widest.url,
    on: { error: () => image.replaceWith(drawn(title)) },
  });
  return image;
}
