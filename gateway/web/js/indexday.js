// The day of an index, minute by minute: for the lines in the strip and the overlays of charts (pure). Times are milliseconds.

import { archiveMs } from "./format.js";

const MINUTE_MS = 60_000;
const ICT_MS = 7 * 3_600_000;
const minuteOf = (ms) => ms - (ms % MINUTE_MS);

// The hours in which indices move, in minutes of the day in Vietnam: what lies between them has no room in a line.
const SESSIONS = [[9 * 60, 11 * 60 + 30], [13 * 60, 15 * 60]];
export const SESSION_MINUTES = SESSIONS.reduce((sum, [from, to]) => sum + to - from, 0);

/** How many minutes of trading are over at `ms`: from 0 to SESSION_MINUTES; the break at noon takes none. */
export function tradedMinutes(ms) {
  const minutes = Math.floor((ms + ICT_MS) / MINUTE_MS) % (24 * 60);
  return SESSIONS.reduce((sum, [from, to]) => sum + Math.min(Math.max(minutes - from, 0), to - from), 0);
}

/** Values of indices by minute: those of the archive, and what the board's rows say since. */
export class IndexDay {
  constructor() {
    this.clear(null);
  }

  /** Forget everything but that `day` is the day; one that is told of already is left as it is. */
  turn(day) {
    if (day !== this.day) this.clear(day);
  }

  clear(day) {
    this.day = day;
    this.minutes = new Map(); // symbol → Map of value by minute
    this.latest = new Map(); // symbol → the minute of its last row on the board
    this.revision = 0; // grows whenever a value differs
  }

  _of(symbol) {
    if (!this.minutes.has(symbol)) this.minutes.set(symbol, new Map());
    return this.minutes.get(symbol);
  }

  /** Take rows of /api/v1/index. Of the minute that runs the board knows more; of those before, the archive has the end. */
  fill(rows) {
    for (const { symbol, minute, close } of rows) {
      const at = archiveMs(minute);
      const known = this._of(symbol);
      if (at >= (this.latest.get(symbol) ?? Infinity) || known.get(at) === close) continue;
      known.set(at, close);
      this.revision += 1;
    }
  }

  /** Take a row of the board. */
  take(row) {
    const at = minuteOf(row.ts_ms);
    const known = this._of(row.symbol);
    this.latest.set(row.symbol, Math.max(at, this.latest.get(row.symbol) ?? at));
    if (known.get(at) === row.value) return;
    known.set(at, row.value);
    this.revision += 1;
  }

  /** [{at, value}] of an index, in order of time. */
  line(symbol) {
    return [...this._of(symbol)].sort((a, b) => a[0] - b[0]).map(([at, value]) => ({ at, value }));
  }
}

/**
 * A line of values as the path of an SVG that is `width` by `height`; `base` is the value of the day before, which is in view too.
 * Returns {path, base}: `base` is how far down its line is; null where there is no value.
 */
export function sparkline(line, base, width, height) {
  if (line.length === 0) return null;
  const values = line.map(({ value }) => value).concat(base ?? []);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const x = (at) => round((tradedMinutes(at) / SESSION_MINUTES) * width);
  const y = (value) => round(high === low ? height / 2 : 1 + ((high - value) / (high - low)) * (height - 2));
  const points = line.map(({ at, value }) => `${x(at)} ${y(value)}`);
  return { path: `M${points.join("L")}${points.length === 1 ? "h1" : ""}`, base: base === null ? null : y(base) };
}

const round = (number) => Math.round(number * 10) / 10;

/** The last value in each bar of `length` minutes: [{at, value}]. */
export function byBars(line, length) {
  const step = length * MINUTE_MS;
  return [...new Map(line.map(({ at, value }) => [at - (at % step), value]))].map(([at, value]) => ({ at, value }));
}
