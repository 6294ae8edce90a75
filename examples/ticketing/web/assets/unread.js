// How many messages wait in the inbox: beside the name of whoever is signed in, and at the link to the inbox.

import { byId } from './dom.js';
import { t } from './i18n.js';

/** Shows the number; none is shown for zero. */
export function showUnread(count) {
  const badge = byId('unread');
  if (!badge) return;
  badge.hidden = count === 0;
  badge.textContent = count > 99 ? '99+' : String(count);
  byId('inbox').textContent = count > 0 ? t('nav.unread', { count }) : t('nav.inbox');
}
