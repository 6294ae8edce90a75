// Where a session's sale stands, by the server's clock, and the badge that says so and keeps itself right.

import { now } from './clock.js';
import { countdown } from './countdown.js';
import { el } from './dom.js';
import { clockFace } from './format.js';
import { t } from './i18n.js';

/** `soon`, `open` or `closed`. */
export function saleState({ sale_opens_at, sale_closes_at }) {
  if (now() < Date.parse(sale_opens_at)) return 'soon';
  return sale_closes_at && now() >= Date.parse(sale_closes_at) ? 'closed' : 'open';
}

/** A badge; `changed` is called when the sale opens while the page stands. */
export function saleBadge(session, changed) {
  const badge = el('span', { class: 'badge' });
  const draw = () => {
    const state = saleState(session);
    badge.className = `badge badge-${state}`;
    if (state !== 'soon') {
      badge.textContent = t(`sale.${state}`);
      return;
    }
    countdown(Date.parse(session.sale_opens_at),
      (left) => { badge.textContent = t('sale.soon', { time: clockFace(left) }); },
      () => { draw(); changed?.(); });
  };
  draw();
  return badge;
}
