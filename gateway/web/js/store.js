// What the page shows: one signal a row, so that only what changed is drawn again.

import { batch, signal } from "/vendor/preact.js";

export const ALERTS_SHOWN = 200;

/** Rows of a channel by key. `keys` changes only when a row appears or all go. */
export class Table {
  constructor() {
    this.rows = new Map(); // key → signal of the row
    this.keys = signal([]);
  }

  take(cols, rows) {
    let grown = false;
    for (const values of rows) {
      const row = {};
      for (let i = 0; i < cols.length; i++) row[cols[i]] = values[i];
      const known = this.rows.get(values[0]);
      if (known !== undefined) known.value = row;
      else {
        this.rows.set(values[0], signal(row));
        grown = true;
      }
    }
    if (grown) this.keys.value = [...this.rows.keys()].sort();
  }

  reset() {
    this.rows.clear();
    this.keys.value = [];
  }

  /** The row of `key`, or undefined; whoever reads it is drawn again when it changes, or first comes. */
  get(key) {
    const row = this.rows.get(key);
    if (row === undefined) {
      void this.keys.value;
      return undefined;
    }
    return row.value;
  }
}

export class Store {
  constructor() {
    this.tables = Object.fromEntries(["px", "index", "breadth", "flow", "basis", "status", "ref"].map((ch) => [ch, new Table()]));
    this.alerts = signal([]); // newest first
    this.connection = signal({ phase: "connecting", reason: "", retryAt: 0 });
    this.heartbeat = signal(null); // the message, with `at`: the page's clock when it came
    this.now = signal(Date.now());
    this.heardAt = signal(0);
    this._waiting = new Map(); // channel → {cols, rows: Map}: rows that wait for the next frame of the screen
    this._drawing = false;
  }

  /** Take rows; they are drawn once a screen frame, the latest of each key only. */
  take(ch, cols, rows) {
    if (ch === "alert") {
      for (const values of rows) this.alert(Object.fromEntries(cols.map((name, i) => [name, values[i]])));
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
    batch(() => {
      for (const [ch, { cols, rows }] of waiting) this.tables[ch]?.take(cols, rows.values());
    });
  }

  reset(ch) {
    if (ch === "alert") {
      this.alerts.value = [];
      return;
    }
    this._waiting.delete(ch);
    this.tables[ch]?.reset();
  }

  /** Take an alert; a repeat, as after a reconnect, is dropped. */
  alert(alert) {
    if (this.alerts.value.some((known) => known.alert_id === alert.alert_id)) return;
    const alerts = [alert, ...this.alerts.value];
    if (alerts.length > 1 && alerts[0].ts_ms < alerts[1].ts_ms) alerts.sort((a, b) => b.ts_ms - a.ts_ms);
    this.alerts.value = alerts.slice(0, ALERTS_SHOWN);
  }
}
