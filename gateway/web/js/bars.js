// Candles of any length from minutes, and the last one live (pure). Times are milliseconds; prices as on the wire.

import { archiveMs } from "./format.js";

const MINUTE_MS = 60_000;

/** Put `bar` into `minutes` (a Map by minute): a newer telling of a minute replaces it. */
export function amend(minutes, bar) {
  const known = minutes.get(bar.at);
  if (known === undefined || (bar.revision ?? 0) >= (known.revision ?? 0)) minutes.set(bar.at, bar);
}

/** The minutes with the one that runs now: `candle` of a board row, unless that minute has been told of. */
export function withRunning(minutes, candle) {
  if (candle === null || candle === undefined || minutes.has(candle.minute_ms)) return minutes;
  return new Map(minutes).set(candle.minute_ms, { at: candle.minute_ms, ...candle });
}

/** Bars of `length` minutes, in order of time. */
export function barsOf(minutes, length) {
  const step = length * MINUTE_MS;
  const bars = new Map();
  for (const minute of [...minutes.values()].sort((a, b) => a.at - b.at)) {
    const at = minute.at - (minute.at % step);
    const bar = bars.get(at);
    if (bar === undefined) {
      const { open, high, low, close, volume } = minute;
      bars.set(at, { at, open, high, low, close, volume });
    } else {
      bar.high = Math.max(bar.high, minute.high);
      bar.low = Math.min(bar.low, minute.low);
      bar.close = minute.close;
      bar.volume += minute.volume;
    }
  }
  return [...bars.values()];
}

/** Days with today's as the board has it. */
export function withToday(days, row) {
  if (!row || row.open === null || row.last === null) return days;
  const today = { at: dayMs(row.day), open: row.open, high: row.high, low: row.low, close: row.last, volume: row.total_volume };
  return [...days.filter((day) => day.at !== today.at), today].sort((a, b) => a.at - b.at);
}

/** Midnight of a trading day (20261120) as charts count time: as if it were UTC. */
export function dayMs(day) {
  return Date.UTC(Math.floor(day / 10_000), (Math.floor(day / 100) % 100) - 1, day % 100);
}

/** The bar in which a moment lies: the last that begins no later; null if there is none. */
export function barAt(bars, ms) {
  let found = null;
  for (const bar of bars) if (bar.at <= ms) found = bar;
  return found;
}

/** The basis through the day, in points: minutes of /api/v1/basis, and what the board's row `front` says since. */
export function basisLine(minutes, front) {
  const line = minutes.map((row) => ({
    at: archiveMs(row.minute), basis: row.close / 100, price: row.price / 100, index: row.index_value / 100,
  }));
  if (front.ts_ms > (line.at(-1)?.at ?? 0)) {
    line.push({ at: front.ts_ms, basis: front.basis / 100, price: front.price / 100, index: front.index_value / 100 });
  }
  return line;
}
