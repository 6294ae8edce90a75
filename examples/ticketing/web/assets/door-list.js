// What a door without a network knows: marks of codes, and the scans that it has not told the server yet.

import { keepObject, keptObject } from './store.js';

const KEPT = (session) => `nebula.door.${session}`;

/** A code as it was made, whatever a person or a scanner added. */
const plain = (code) => code.replace(/[\s-]/g, '').toUpperCase();

/** The mark of a code: the first 16 bytes of its SHA-256, in base64url. */
async function markOf(code) {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(plain(code)));
  const text = String.fromCharCode(...new Uint8Array(hash).slice(0, 16));
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

export class DoorList {
  constructor(session) {
    this.session = session;
    this.tickets = null;
    this.madeAt = null;
    // Scans outlive the page: a closed tab must not forget who is inside.
    this.waiting = keptObject(KEPT(session))?.waiting ?? [];
  }

  take(list) {
    this.madeAt = list.made_at;
    this.tickets = new Map(list.tickets.map((ticket) => [ticket.mark, ticket]));
    for (const { mark } of this.waiting) this.#use(mark);
  }

  get ready() { return this.tickets !== null && 'crypto' in globalThis && crypto.subtle !== undefined; }

  /** Lets somebody in by the list; what it does not know is not a ticket of this session. */
  async judge(code) {
    const mark = await markOf(code);
    const ticket = this.tickets.get(mark);
    if (!ticket) return { verdict: 'unknown' };
    if (ticket.state === 'VOID') return { verdict: 'refunded', holder: ticket.holder };
    if (ticket.state === 'USED') return { verdict: 'used', holder: ticket.holder };
    this.#use(mark);
    this.waiting.push({ id: crypto.randomUUID(), code, at: Date.now(), mark });
    this.#keep();
    return { verdict: 'admitted', offline: true, holder: ticket.holder };
  }

  /** The scans to tell, without what only this page needs. */
  get scans() { return this.waiting.slice(0, 500).map(({ id, code, at }) => ({ id, code, at })); }

  told(scans) {
    const ids = new Set(scans.map(({ id }) => id));
    this.waiting = this.waiting.filter(({ id }) => !ids.has(id));
    this.#keep();
  }

  #use(mark) {
    const ticket = this.tickets?.get(mark);
    if (ticket) this.tickets.set(mark, { ...ticket, state: 'USED' });
  }

  #keep() { keepObject(KEPT(this.session), this.waiting.length ? { waiting: this.waiting } : null); }
}
