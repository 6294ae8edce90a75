// Colours of plans, made by people who never saw this page: changed just as much as is needed to tell seats from the
// ground and numbers from the seats, in the light and in the dark.

const SURFACE = { light: '#ffffff', dark: '#1a1d24' };
/** WCAG 2.2, 1.4.11: what one must see to use a page stands out 3 to 1. */
const ENOUGH = 3.05;

export const darkScheme = matchMedia('(prefers-color-scheme: dark)');

/** What was mixed before, in this scheme. */
const known = new Map();
darkScheme.addEventListener('change', () => known.clear());

function channels(color) {
  const short = /^#?([0-9a-f])([0-9a-f])([0-9a-f])$/i.exec(color);
  const hex = short ? short.slice(1).map((digit) => digit + digit).join('') : /^#?([0-9a-f]{6})/i.exec(color)?.[1] ?? '888888';
  return [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

const toHex = (parts) => `#${parts.map((part) => Math.round(part).toString(16).padStart(2, '0')).join('')}`;

/** Relative luminance as WCAG defines it. */
function luminance(color) {
  const [r, g, b] = channels(color).map((part) => {
    const value = part / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(one, other) {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

/** The colour itself, or mixed with as much white (in the dark) or black (in the light) as it takes to be seen. */
export function visible(color) {
  if (!known.has(color)) known.set(color, mix(color));
  return known.get(color);
}

function mix(color) {
  const [ground, towards] = darkScheme.matches ? [SURFACE.dark, 255] : [SURFACE.light, 0];
  const from = channels(color);
  for (let part = 0; part < 1; part += 0.05) {
    const mixed = toHex(from.map((channel) => channel + (towards - channel) * part));
    if (contrast(mixed, ground) >= ENOUGH) return mixed;
  }
  return toHex(from.map(() => towards));
}

/** Black or white, whichever is easier to read on a colour. */
export const inkOn = (color) => (contrast(color, '#000000') > contrast(color, '#ffffff') ? '#000000' : '#ffffff');
