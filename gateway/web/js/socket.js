// The WebSocket and the clock: carries out what the client decides.

import { batch } from "/vendor/preact.js";
import { Client } from "./client.js";
import { forgetToken, isOpen, keepToken, token } from "./session.js";

/** Keep `store` in step with the gateway; returns what changes the subscriptions, and who its user is. */
export function connect(store) {
  const client = new Client(Math.random, { isAsked: true });
  client.token = token.peek();
  const url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1/ws`;
  let socket = null;

  function open() {
    const opening = new WebSocket(url, "stock.v1");
    socket = opening;
    opening.onopen = () => carryOut(client.opened(Date.now()));
    opening.onmessage = (message) => {
      if (socket === opening) carryOut(client.received(message.data, Date.now()));
    };
    opening.onclose = (event) => ended(opening, event.code, event.reason);
  }

  function ended(closing, code, reason) {
    if (socket !== closing) return;
    socket = null;
    carryOut(client.closed(code, reason || client.reason, Date.now()));
  }

  function close() {
    // The gateway may be gone: its close frame may never come, so this does not wait for it.
    const closing = socket;
    closing?.close();
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
          close();
          return;
        case "reset":
          store.reset(effect.ch);
          break;
        case "rows":
          store.take(effect.ch, effect.cols, effect.rows);
          break;
        case "event":
          store.event(effect.ch, effect.data, true);
          break;
        case "heartbeat":
          store.heartbeat.value = { ...effect.message, at: Date.now() };
          break;
        case "state":
          if (client.phase === "signedOut") forgetToken();
          isOpen.value = client.hasAccounts === false;
          store.connection.value = {
            phase: client.phase, reason: client.reason, retryAt: client.retryAt, stream: client.stream ?? "", needsToken: client.needsToken,
            denied: [...client.denied],
          };
          break;
      }
    }
  }

  // A page that has heard nothing yet has waited since it was opened.
  const began = Date.now();
  setInterval(() => {
    carryOut(client.tick(Date.now()));
    batch(() => {
      store.now.value = Date.now();
      store.heardAt.value = client.toldAt || began;
      store.beat.value += 1;
    });
  }, 500);
  carryOut(client.start(Date.now()));
  return {
    subscribe: (ch, symbols, throttle) => carryOut(client.subscribe(ch, symbols, throttle)),
    unsubscribe: (ch, symbols) => carryOut(client.unsubscribe(ch, symbols)),
    signIn: (text) => carryOut(client.signIn(keepToken(text), Date.now())),
    signOut: () => {
      carryOut(client.signOut());
      store.forget();
    },
  };
}
