// What the page knows: tables of rows, alerts, the connection. Rows are taken once a screen frame, the latest of each key only.

import { batch, computed, signal } from "/vendor/preact.js";
import { IndexDay } from "./indexday.js";

export const ALERTS_KEPT = 2_000;

/** Rows of a channel by key. `keys` changes only when a row appears or all go; `version` with every frame in which a row changed. */
export class Table {
  constructor() {
    this.rows = new Map(); // key → row
    this.watched = new Map(); // key → signal of the row, for those that somebody has asked for
    this.keys = signal([]);
    this.version = signal(0);
  }

  /** Take rows; returns their keys. */
  take(cols, rows) {
    const changed = new Set();
    let grown = false;
    for (const values of rows) {
      const row = {};
      for (let i = 0; i < cols.length; i++) row[cols[i]] = values[i];
      const key = values[0];
      grown ||= !this.rows.has(key);
      this.rows.set(key, row);
      changed.add(key);
      const watched = this.watched.get(key);
      if (watched !== undefined) watched.value = row;
    }
    if (grown) this.keys.value = [...this.rows.keys()].sort();
    this.version.value += 1;
    return changed;
  }

  reset() {
    this.rows.clear();
    for (const watched of this.watched.values()) watched.value = undefined;
    this.keys.value = [];
    this.version.value += 1;
  }

  /** The row of `key`, or undefined; whoever reads it is drawn again when it changes, or first comes. */
  get(key) {
    let watched = this.watched.get(key);
    if (watched === undefined) {
      watched = signal(this.rows.get(key));
      this.watched.set(key, watched);
    }
    return watched.value;
  }

  /** The row of `key` as of now, or undefined. */
  peek(key) {
    return this.rows.get(key);
  }
}

export class Store {
  /** @param now the page's clock, in milliseconds. */
  constructor(now) {
    this.tables = Object.fromEntries(["px", "index", "breadth", "flow", "basis", "status", "ref"].map((ch) => [ch, new Table()]));
    this.indexDay = new IndexDay();
    this.filled = signal(0); // counts what the archive said of it
    this.alerts = signal([]); // newest first
    this.bell = signal(null); // the alert that has just come live
    this.connection = signal({ phase: "connecting", reason: "", retryAt: 0, needsToken: "", denied: [] });
    this.heartbeat = signal(null); // the message, with `at`: the page's clock when it came
    this.hello = signal(null);
    this.now = signal(now);
    this.heardAt = signal(now);
    this.beat = signal(0); // counts half seconds
    this._rounds = new Map();
    this._known = new Set(); // ids of alerts
    this._waiting = new Map(); // channel → {cols, rows: Map}: rows that wait for the next frame of the screen
    this._drawing = false;
    this._drawers = new Set();
    this._candles = new Set();
  }

  /** Counts rounds of so many half seconds: whoever reads it is drawn again with each, and no sooner because of it. */
  round(beats) {
    if (!this._rounds.has(beats)) this._rounds.set(beats, computed(() => Math.floor(this.beat.value / beats)));
    return this._rounds.get(beats).value;
  }

  /** Call `draw` with the changed keys by channel ({px: Set, …}) in every screen frame in which rows came; returns what ends that. */
  onDraw(draw) {
    this._drawers.add(draw);
    return () => this._drawers.delete(draw);
  }

  /** Call `take` with every closed minute of the channel `candle`; returns what ends that. */
  onCandle(take) {
    this._candles.add(take);
    return () => this._candles.delete(take);
  }

  /** Take rows; they are drawn once a screen frame, the latest of each key only. */
  take(ch, cols, rows) {
    if (ch === "alert" || ch === "candle") {
      const events = rows.map((values) => Object.fromEntries(cols.map((name, i) => [name, values[i]])));
      if (ch === "alert") this.addAlerts(events);
      else for (const event of events) this.event(ch, event, false);
      return;
    }
    if (ch === "status") {
      // With the heartbeat that follows: a page that says that its data is old must not call the feed up, not for one frame.
      this.tables.status.take(cols, rows);
      return;
    }
    const waiting = this._waiting.get(ch) ?? { cols, rows: new Map() };
    waiting.cols = cols;
    for (const values of rows) waiting.rows.set(values[0], values);
    this._waiting.set(ch, waiting);
    if (!this._drawing) {
      this._drawing = true;
      requestAnimationFrame(() => this._draw());
    }
  }

  _draw() {
    this._drawing = false;
    const waiting = this._waiting;
    this._waiting = new Map();
    const changed = {};
    batch(() => {
      for (const [ch, { cols, rows }] of waiting) {
        if (this.tables[ch] !== undefined) changed[ch] = this.tables[ch].take(cols, rows.values());
        if (ch === "index") this._takeIndices(changed.index);
      }
    });
    for (const draw of this._drawers) draw(changed);
  }

  _takeIndices(symbols) {
    for (const symbol of symbols) {
      const row = this.tables.index.peek(symbol);
      if (row.value === null || row.ts_ms === null) continue;
      this.indexDay.turn(row.day);
      this.indexDay.take(row);
    }
  }

  reset(ch) {
    if (ch === "alert") {
      this._known.clear();
      this.alerts.value = [];
      return;
    }
    this._waiting.delete(ch);
    this.tables[ch]?.reset();
  }

  /** Forget everything that the gateway said: its user has left. */
  forget() {
    for (const ch of [...Object.keys(this.tables), "alert"]) this.reset(ch);
    this.indexDay.clear(null);
    this.heartbeat.value = null;
  }

  /** Take an event; of alerts a repeat, as after a reconnect, is dropped. */
  event(ch, data, live) {
    if (ch === "candle") {
      for (const take of this._candles) take(data);
      return;
    }
    if (this.addAlerts([data]) && live) this.bell.value = data;
  }

  /** Take alerts in whatever order; whether one of them was new. */
  addAlerts(alerts) {
    const fresh = alerts.filter((alert) => !this._known.has(alert.alert_id));
    if (fresh.length === 0) return false;
    for (const alert of fresh) this._known.add(alert.alert_id);
    const all = [...fresh, ...this.alerts.value];
    all.sort((a, b) => b.ts_ms - a.ts_ms);
    for (const old of all.splice(ALERTS_KEPT)) this._known.delete(old.alert_id);
    this.alerts.value = all;
    return true;
  }
}
