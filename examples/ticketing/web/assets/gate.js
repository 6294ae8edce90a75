// What to do about the refusals on the way to a sale.

import { get } from './api.js';
import { solveChallenge } from './challenge.js';
import { keepPass, waitingAddress } from './pass.js';

/**
 * Does what a refusal asks for. `true`: the order may be sent again. `false`: the visitor goes elsewhere or gave up.
 * `null`: nothing can be done about this one here.
 */
export async function passGate(session, problem) {
  switch (problem.code) {
    case 'waiting-room':
    case 'admission-ended':
      keepPass(session, 'Admission', null);
      location.assign(waitingAddress(session));
      return false;
    case 'challenge-required': {
      const token = await solveChallenge(session);
      if (token) keepPass(session, 'Challenge', token);
      return Boolean(token);
    }
    case 'qualification-required': {
      const { reservation } = await get(`/sessions/${encodeURIComponent(session)}/admission`, { signed: true });
      if (!reservation?.token) return null;
      keepPass(session, 'Qualification', reservation.token);
      return true;
    }
    default:
      return null;
  }
}
