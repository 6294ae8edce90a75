// Prices, dates and durations for people.

import { lang, locale, localized, t } from './i18n.js';

/** Where the venues are. Shows happen in local time, wherever the buyer is. */
const VENUE_ZONE = 'Asia/Shanghai';

const cache = new Map();
function formatter(kind, options) {
  const key = kind.name + JSON.stringify(options);
  if (!cache.has(key)) cache.set(key, new kind(locale, options));
  return cache.get(key);
}

const zoneOf = (session) => session.time_zone ?? VENUE_ZONE;
const dates = (options) => formatter(Intl.DateTimeFormat, options);

/** `¥380`, or `¥99.50` where there are cents. */
export function price({ amount, currency }) {
  const whole = /^-?\d+(\.0*)?$/.test(amount);
  return formatter(Intl.NumberFormat, { style: 'currency', currency, currencyDisplay: 'narrowSymbol',
    ...(whole && { minimumFractionDigits: 0, maximumFractionDigits: 0 }) }).format(amount);
}

export const count = (number) => formatter(Intl.NumberFormat, {}).format(number);

/** `12K`, `1.2万`; with a currency, `¥12K`. */
export const compact = (number, currency) => formatter(Intl.NumberFormat, { notation: 'compact', maximumFractionDigits: 1,
  ...(currency && { style: 'currency', currency, currencyDisplay: 'narrowSymbol', minimumFractionDigits: 0 }) }).format(number);

/** Weekday, date and time where the show is. */
export const showTime = (session) => dates({ timeZone: zoneOf(session), weekday: 'short', day: 'numeric', month: 'short',
  year: 'numeric', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(new Date(session.starts_at));

export const showDay = (session) => dates({ timeZone: zoneOf(session), weekday: 'short', day: 'numeric', month: 'short' })
  .format(new Date(session.starts_at));

/** The parts of a calendar leaf. */
export function leaf(session) {
  const at = new Date(session.starts_at);
  const part = (options) => dates({ timeZone: zoneOf(session), ...options }).format(at);
  return {
    month: part({ month: 'short' }),
    day: dates({ timeZone: zoneOf(session), day: 'numeric' }).formatToParts(at).find((p) => p.type === 'day').value,
    weekday: part({ weekday: 'short' }),
    time: part({ hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }),
  };
}

/** Says whose time it is: `Local time at the venue (GMT+8)`. */
export function venueTimeNote(session) {
  const parts = new Intl.DateTimeFormat('en', { timeZone: zoneOf(session), timeZoneName: 'shortOffset' })
    .formatToParts(new Date(session.starts_at));
  return t('time.venue', { zone: parts.find((part) => part.type === 'timeZoneName')?.value ?? zoneOf(session) });
}

/** The same instant in the visitor's own zone, or null where that is the same. */
export function visitorTime(session) {
  const at = new Date(session.starts_at);
  const wall = (timeZone) => new Intl.DateTimeFormat('en', { timeZone, dateStyle: 'short', timeStyle: 'short' }).format(at);
  if (wall(undefined) === wall(zoneOf(session))) return null;
  return t('time.yours', { time: dates({ weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(at) });
}

/** An instant of the shop's own books, in the visitor's zone. */
export const instant = (iso) => dates({ day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit',
  second: '2-digit', hourCycle: 'h23' }).format(new Date(iso));

/** An instant in the visitor's zone, short. */
export const moment = (iso) => dates({ weekday: 'short', day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit',
  hourCycle: 'h23' }).format(new Date(iso));

/** `4:59`, `1:04:59`, `3 d 04:05:06`; rounded up, so that it reaches 0:00 when time is over. */
export function clockFace(milliseconds) {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  const two = (number) => String(number).padStart(2, '0');
  const [days, hours, minutes, rest] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60, seconds % 60];
  if (days) return `${t('time.days', { count: days })} ${two(hours)}:${two(minutes)}:${two(rest)}`;
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** Where a show is: `{ name, city }`, or just a text. */
export const place = (venue) => (typeof venue === 'string' ? venue
  : [localized(venue ?? {}, 'name'), localized(venue ?? {}, 'city')].filter(Boolean).join(' · '));

/** Joins names as the language does. */
export const listed = (texts) => formatter(Intl.ListFormat, { style: 'long', type: 'conjunction' }).format(texts);

/** `Stalls, row 3, seat 12`, or `Floor, standing`. Plans may leave names out. */
export function seatName(seat) {
  const { row, number, standing } = seat;
  const parts = [localized(seat, 'zone'), standing && t('seat.standing'), row && t('seat.row', { row }), number && t('seat.number', { number })].filter(Boolean);
  return parts.join(lang === 'zh' ? ' ' : ', ');
}

/** The price category of a seat, unless its part of the house is called the same. */
export function categoryName(seat) {
  const name = localized(seat, 'category');
  return name === localized(seat, 'zone') ? null : name;
}
