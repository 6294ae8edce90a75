// The map by keyboard. On the map itself arrows pan and Enter goes to a seat; on a seat arrows go from seat to seat, Enter
// or Space chooses, Escape goes back. + − 0 zoom everywhere.

import { ARROWS } from './plan.js';

const PAN_PIXELS = 90;

export function listenToKeys(map) {
  const { surface, viewport, plan } = map;

  surface.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (zoom(event.key) || (map.focused === null || event.shiftKey ? onMap(event.key) : onSeat(event.key))) event.preventDefault();
  });

  function zoom(key) {
    const middle = map.focused === null
      ? { x: viewport.width / 2, y: viewport.height / 2 }
      : viewport.toScreen(plan.seats[map.focused].x, plan.seats[map.focused].y);
    if (key === '+' || key === '=') viewport.glideAt(middle.x, middle.y, 1.5);
    else if (key === '-' || key === '_') viewport.glideAt(middle.x, middle.y, 1 / 1.5);
    else if (key === '0') viewport.fit();
    else return false;
    return true;
  }

  function onMap(key) {
    const arrow = ARROWS[key];
    if (arrow) viewport.panBy(-arrow[0] * PAN_PIXELS, -arrow[1] * PAN_PIXELS);
    else if (key === 'Enter' || key === ' ') map.enter();
    else return false;
    return true;
  }

  function onSeat(key) {
    const arrow = ARROWS[key];
    const row = () => plan.rowOf(map.focused);
    if (arrow) {
      const next = plan.neighbour(map.focused, arrow);
      if (next !== null) map.focus(next);
    } else if (key === 'Home') map.focus(row()[0]);
    else if (key === 'End') map.focus(row().at(-1));
    else if (key === 'Enter' || key === ' ') map.pick(map.focused);
    else if (key === 'Escape') surface.focus();
    else return false;
    return true;
  }
}
