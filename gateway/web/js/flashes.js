// The flashes of a sheet: rectangles on one canvas beneath its text, that fade in a few steps.

export const LASTS_MS = 700;
const STEP_MS = 80;
// Of the canvas's colours at most so much shows; a test holds every colour of text to be legible upon that.
export const STRENGTH = 0.55;

export class Flashes {
  /** @param scrolled gives {top, left}: how far the sheet is scrolled, in pixels. */
  constructor(canvas, scrolled) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
    this.scrolled = scrolled;
    this.cells = new Map(); // symbol and column → {symbol, x, width, way, since}
    this.drawnAt = 0;
    this.running = false;
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    this.colours = null;
  }

  end() {
    this.cells.clear();
  }

  clear() {
    this.cells.clear();
    this.redraw();
  }

  resize(width, height) {
    this.canvas.width = width;
    this.canvas.height = height;
  }

  /** Where the lines are: below a heading of `head` pixels, each `height` high, at its place in the order. */
  place(head, height, places) {
    this.head = head;
    this.height = height;
    this.places = places;
  }

  /** The theme changed. */
  recolour() {
    this.colours = null;
  }

  add(symbol, column, { x, width }, way) {
    this.cells.set(`${symbol} ${column}`, { symbol, x, width, way, since: performance.now() });
    if (this.running) return;
    this.running = true;
    requestAnimationFrame((now) => this._step(now));
  }

  _step(now) {
    if (now - this.drawnAt >= STEP_MS) this.redraw(now);
    this.running = this.cells.size > 0;
    if (this.running) requestAnimationFrame((later) => this._step(later));
  }

  redraw(now = performance.now()) {
    this.drawnAt = now;
    const { pen, canvas } = this;
    pen.clearRect(0, 0, canvas.width, canvas.height);
    if (this.cells.size === 0) return;
    if (this.colours === null) {
      const style = getComputedStyle(canvas);
      this.colours = Object.fromEntries(["up", "down", "same"].map((way) => [way, style.getPropertyValue(`--flash-${way}`).trim()]));
    }
    const { top, left } = this.scrolled();
    for (const [key, cell] of this.cells) {
      const age = now - cell.since;
      const place = this.places.get(cell.symbol);
      if (age > LASTS_MS || place === undefined) {
        this.cells.delete(key);
        continue;
      }
      const y = this.head + place * this.height - top;
      if (y < 0 || y > canvas.height) continue;
      pen.globalAlpha = STRENGTH * (this.calm.matches ? 1 : 1 - age / LASTS_MS);
      pen.fillStyle = this.colours[cell.way];
      pen.fillRect(cell.x - left, y, cell.width - 1, this.height - 1);
    }
  }
}
