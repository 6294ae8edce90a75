// Mouse, wheel, pen and fingers on the map: drag, pinch, wheel and tap, told to the viewport.

const TAP_PIXELS = { mouse: 4, pen: 8, touch: 10 };

/** Listens on `surface`; `tapped(point, pointerType)` and `hovered(point or null)` get pixels inside it. */
export function listenToGestures(surface, viewport, { tapped, hovered }) {
  const pointers = new Map();
  let travelled = 0;
  let origin = surface.getBoundingClientRect();
  const measure = () => { origin = surface.getBoundingClientRect(); };
  const pointOf = (event) => ({ x: event.clientX - origin.left, y: event.clientY - origin.top });

  surface.addEventListener('pointerdown', (event) => {
    if (event.pointerType === 'mouse' && event.button !== 0) return;
    measure();
    if (pointers.size === 0) travelled = 0;
    pointers.set(event.pointerId, pointOf(event));
    surface.setPointerCapture(event.pointerId);
    hovered(null);
  });

  surface.addEventListener('pointermove', (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) {
      if (event.pointerType === 'mouse') {
        measure();
        hovered(pointOf(event));
      }
      return;
    }
    const point = pointOf(event);
    if (pointers.size === 1) {
      travelled += Math.hypot(point.x - before.x, point.y - before.y);
      if (travelled > TAP_PIXELS[event.pointerType]) {
        surface.classList.add('dragging');
        viewport.panBy(point.x - before.x, point.y - before.y);
      }
    } else if (pointers.size === 2) {
      const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
      travelled = Infinity;
      const [was, is] = [Math.hypot(before.x - other.x, before.y - other.y), Math.hypot(point.x - other.x, point.y - other.y)];
      // Each finger's move pans by half of it, as the middle of both does.
      viewport.panBy((point.x - before.x) / 2, (point.y - before.y) / 2);
      if (was > 0) viewport.zoomAt((point.x + other.x) / 2, (point.y + other.y) / 2, is / was);
    }
    pointers.set(event.pointerId, point);
  });

  const lift = (event, counts) => {
    if (!pointers.delete(event.pointerId)) return;
    if (pointers.size) return;
    surface.classList.remove('dragging');
    if (counts && travelled <= TAP_PIXELS[event.pointerType]) tapped(pointOf(event), event.pointerType);
  };
  surface.addEventListener('pointerup', (event) => lift(event, true));
  surface.addEventListener('pointercancel', (event) => lift(event, false));
  surface.addEventListener('pointerleave', () => hovered(null));

  surface.addEventListener('wheel', (event) => {
    event.preventDefault();
    measure();
    const { x, y } = pointOf(event);
    // Lines and pages of older mice in pixels; a pinch on a touchpad arrives as a wheel with ctrl and small steps.
    const pixels = event.deltaY * [1, 16, 120][event.deltaMode] * (event.ctrlKey ? 4 : 1);
    viewport.zoomAt(x, y, Math.exp(-Math.max(-240, Math.min(240, pixels)) / 400));
    hovered(null);
  }, { passive: false });
}
