// The WebSocket and the clock: carries out what the stream decides.

import { Stream } from "./stream.js";

/** Keep `store` in step with the gateway; returns what changes the subscriptions. */
export function connect(store) {
  const stream = new Stream(Math.random);
  const url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1/ws`;
  let socket = null;

  function open() {
    const opening = new WebSocket(url, "stock.v1");
    socket = opening;
    opening.onopen = () => carryOut(stream.opened(Date.now()));
    opening.onmessage = (message) => {
      if (socket === opening) carryOut(stream.received(message.data, Date.now()));
    };
    opening.onclose = (event) => ended(opening, event.code, event.reason);
  }

  function ended(closing, code, reason) {
    if (socket !== closing) return;
    socket = null;
    carryOut(stream.closed(code, reason || stream.reason, Date.now()));
  }

  function close() {
    // The peer may be gone: do not wait for its close frame.
    const closing = socket;
    closing.close();
    ended(closing, 1006, stream.reason);
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
          close();
          return;
        case "reset":
          store.reset(effect.ch);
          break;
        case "rows":
          if (effect.ch === "px" && effect.live) store.movedAt = Date.now();
          store.take(effect.ch, effect.cols, effect.rows);
          break;
        case "event":
          store.alert(effect.data);
          break;
        case "heartbeat":
          store.heartbeat.value = { ...effect.frame, at: Date.now() };
          break;
        case "state":
          store.connection.value = { phase: stream.phase, reason: stream.reason, retryAt: stream.retryAt };
          break;
      }
    }
    store.heardAt.value = stream.heardAt;
  }

  setInterval(() => {
    store.now.value = Date.now();
    carryOut(stream.tick(Date.now()));
  }, 500);
  carryOut(stream.start(Date.now()));
  return {
    subscribe: (ch, symbols, throttle) => carryOut(stream.subscribe(ch, symbols, throttle)),
    unsubscribe: (ch, symbols) => carryOut(stream.unsubscribe(ch, symbols)),
  };
}
