// stock.v1 for any page or program: a WebSocket and a clock around the client of `client.js`. docs/clients.md shows how to use it.

import { Client } from "./client.js";

// Of the protocol, whose first message says it too.
export const VERSION = "stock.v1";
const TICK_MS = 500;
const EVENTS = new Set(["alert", "candle"]);

/**
 * Keep in step with the gateway at `url` (`ws://127.0.0.1:8080/v1/ws`), over as many connections as it takes.
 *
 * `on` has functions, each of which may be left out:
 *   rows(channel, rows, {live})   rows by key, each an object that replaces what was known of it; not `live`: of a snapshot
 *   reset(channel)                forget the rows of a channel: all of it follows
 *   event(channel, data)          an alert or a candle; each comes once, those first that had happened before
 *   age(heartbeat)                how old the data is (`lag_ms`), and what must not be believed (`stale`, `reason`)
 *   state({phase, reason, retryAt})   connecting, live, waiting or ended
 * `token`, for a gateway with accounts, gives one, or a promise of one, for each connection.
 * Returns {subscribe(channel, symbols, throttleMs), unsubscribe(channel, symbols), close()}.
 */
export function stream(url, on = {}, { token = null } = {}) {
  const client = new Client(Math.random);
  let socket = null;
  let closed = false;
  let attempts = 0; // to connect: only the last one counts

  async function open() {
    const attempt = ++attempts;
    const isOver = () => closed || attempt !== attempts;
    if (token !== null) {
      try {
        client.token = await token();
      } catch (error) {
        // As if the gateway could not be reached: it is tried again.
        if (!isOver()) carryOut(client.closed(1006, `no token: ${error.message}`, Date.now()));
        return;
      }
      if (isOver()) return;
    }
    const opening = new WebSocket(url, VERSION);
    socket = opening;
    opening.onopen = () => carryOut(client.opened(Date.now()));
    opening.onmessage = (message) => {
      if (socket === opening) carryOut(client.received(message.data, Date.now()));
    };
    opening.onclose = (event) => ended(opening, event.code, event.reason);
    opening.onerror = () => {}; // `onclose` follows
  }

  function ended(closing, code, reason) {
    if (socket !== closing || closed) return;
    socket = null;
    carryOut(client.closed(code, reason || client.reason, Date.now()));
  }

  function drop() {
    // The gateway may be gone: its close frame may never come, so this does not wait for it.
    const closing = socket;
    closing?.close(); // there is none while a token is waited for
    ended(closing, 1006, client.reason);
  }

  function carryOut(effects) {
    for (const effect of effects) {
      switch (effect.do) {
        case "open":
          open();
          break;
        case "send":
          socket.send(effect.text);
          break;
        case "close":
          drop();
          return;
        case "reset":
          on.reset?.(effect.ch);
          break;
        case "rows":
          if (EVENTS.has(effect.ch)) {
            for (const data of objects(effect)) on.event?.(effect.ch, data);
            break;
          }
          on.rows?.(effect.ch, named(effect), { live: effect.live });
          break;
        case "event":
          on.event?.(effect.ch, effect.data);
          break;
        case "heartbeat":
          on.age?.(effect.message);
          break;
        case "state":
          on.state?.({ phase: client.phase, reason: client.reason, retryAt: client.retryAt });
          break;
      }
    }
  }

  const ticking = setInterval(() => carryOut(client.tick(Date.now())), TICK_MS);
  carryOut(client.start(Date.now()));
  return {
    subscribe: (ch, symbols, throttleMs = null) => carryOut(client.subscribe(ch, symbols, throttleMs)),
    unsubscribe: (ch, symbols) => carryOut(client.unsubscribe(ch, symbols)),
    close() {
      closed = true;
      clearInterval(ticking);
      socket?.close();
    },
  };
}

function objects({ cols, rows }) {
  return rows.map((values) => Object.fromEntries(cols.map((name, i) => [name, values[i]])));
}

function named(effect) {
  return new Map(objects(effect).map((row) => [row[effect.cols[0]], row]));
}
