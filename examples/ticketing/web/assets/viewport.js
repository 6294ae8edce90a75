// What part of the plan is seen: one scale and one offset, written as the transform of one group, at most once a frame.

/** On a narrow map the zoom buttons lie above the plan, not beside it. */
const NARROW = 620;
const BUTTONS_HEIGHT = 52;

const still = matchMedia('(prefers-reduced-motion: reduce)');
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

export class Viewport extends EventTarget {
  /** `layer` is the group to move; `box` the drawing's bounds; `radius` a usual seat. All in the plan's units. */
  constructor(layer, box, radius) {
    super();
    Object.assign(this, { layer, box, radius, scale: 1, x: 0, y: 0, width: 1, height: 1 });
    this.frame = 0;
    this.motion = 0;
  }

  /** The element's size has changed. The first time, and while the whole plan is seen, it fits the plan in. */
  resize(width, height) {
    const whole = this.frame === 0 || this.isWhole;
    const centre = this.toPlan(this.width / 2, this.height / 2);
    Object.assign(this, { width, height });
    const { box, radius } = this;
    this.above = width < NARROW ? BUTTONS_HEIGHT : 0;
    this.least = Math.min(width / box.width, (height - this.above) / box.height) * 0.94;
    this.most = Math.max(24 / radius, this.least * 2);
    if (whole) this.fit(false);
    else this.#set(this.scale, width / 2 - centre.x * this.scale, height / 2 - centre.y * this.scale);
  }

  get isWhole() {
    return this.scale <= this.least * 1.001;
  }

  /** A usual seat's radius on the screen, in pixels. */
  get seatPixels() {
    return this.radius * this.scale;
  }

  toPlan(px, py) {
    return { x: (px - this.x) / this.scale, y: (py - this.y) / this.scale };
  }

  toScreen(x, y) {
    return { x: x * this.scale + this.x, y: y * this.scale + this.y };
  }

  /** The part of the plan that is seen. */
  get seen() {
    const { x: left, y: top } = this.toPlan(0, 0);
    const { x: right, y: bottom } = this.toPlan(this.width, this.height);
    return { left, top, right, bottom };
  }

  panBy(dx, dy) {
    cancelAnimationFrame(this.motion);
    this.#set(this.scale, this.x + dx, this.y + dy);
  }

  /** Scales by `factor` and keeps the point under (px, py) where it is. */
  zoomAt(px, py, factor) {
    cancelAnimationFrame(this.motion);
    this.#set(...this.#around(px, py, factor));
  }

  /** The same, over a few frames unless the visitor wants no motion. */
  glideAt(px, py, factor) {
    this.#glide(...this.#around(px, py, factor));
  }

  /** Brings a point to the middle, at least at `scale`. */
  glideTo(x, y, scale = this.scale) {
    const to = clamp(Math.max(scale, this.scale), this.least, this.most);
    this.#glide(to, this.width / 2 - x * to, this.height / 2 - y * to);
  }

  fit(moving = true) {
    const { box, least, above } = this;
    const target = [least, (this.width - box.width * least) / 2 - box.x * least, above + (this.height - above - box.height * least) / 2 - box.y * least];
    if (moving) this.#glide(...target);
    else this.#set(...target);
  }

  /** Moves as little as needed to have a point inside, with a margin. */
  reveal(x, y, margin = 60) {
    const at = this.toScreen(x, y);
    const room = Math.min(margin, this.width / 3, this.height / 3);
    const dx = clamp(at.x, room, this.width - room) - at.x;
    const dy = clamp(at.y, room, this.height - room) - at.y;
    if (dx || dy) this.#glide(this.scale, this.x + dx, this.y + dy);
  }

  #around(px, py, factor) {
    const scale = clamp(this.scale * factor, this.least, this.most);
    const ratio = scale / this.scale;
    return [scale, px - (px - this.x) * ratio, py - (py - this.y) * ratio];
  }

  #glide(scale, x, y) {
    cancelAnimationFrame(this.motion);
    if (still.matches) {
      this.#set(scale, x, y);
      return;
    }
    const from = [this.scale, this.x, this.y];
    let start = null;
    const step = (time) => {
      start ??= time;
      const part = Math.min(1, (time - start) / 180);
      const eased = 1 - (1 - part) ** 3;
      const between = [scale, x, y].map((to, i) => from[i] + (to - from[i]) * eased);
      this.#set(...between);
      if (part < 1) this.motion = requestAnimationFrame(step);
    };
    this.motion = requestAnimationFrame(step);
  }

  #set(scale, x, y) {
    const { box, width, height } = this;
    this.scale = clamp(scale, this.least, this.most);
    // A third of the view always shows the plan: it cannot be lost beyond an edge.
    const [roomX, roomY] = [width / 3, height / 3];
    this.x = clamp(x, roomX - (box.x + box.width) * this.scale, width - roomX - box.x * this.scale);
    this.y = clamp(y, roomY - (box.y + box.height) * this.scale, height - roomY - box.y * this.scale);
    if (this.pending) return;
    this.pending = true;
    this.frame = requestAnimationFrame(() => {
      this.pending = false;
      this.layer.setAttribute('transform', `matrix(${this.scale} 0 0 ${this.scale} ${this.x} ${this.y})`);
      this.dispatchEvent(new Event('move'));
    });
  }
}
