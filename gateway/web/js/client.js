// The client's side of stock.v1, without a socket and without a clock: messages in, effects out.
//
// Every method takes the time in milliseconds and returns a list of effects for the caller to carry out, in order:
//   {do: "open"}                        open a connection
//   {do: "send", text}                  send a command
//   {do: "close"}                       close the connection; `closed` follows
//   {do: "reset", ch}                   forget the rows of a channel: a whole snapshot follows
//   {do: "rows", ch, cols, rows, live}  take rows: each replaces the row with the same key (the first column); not `live`: a snapshot's
//   {do: "event", ch, data}             take an alert
//   {do: "heartbeat", message}          take what the gateway says of the data's age
//   {do: "state"}                       `phase`, `reason`, `retryAt`, `needsToken` or `denied` changed

export const BACKOFF_MS = 500;
export const BACKOFF_MAX_MS = 30_000;
const HEARTBEATS_MISSED = 2.5;
// A gateway that has said nothing for so long is asked whether it is there: while a connector runs it says something each second.
export const ASK_AFTER_MS = 2_000;
const NOT_READY = 1503;
const RATE = 1429;
const AUTH_NEEDED = 1401;
const NOT_ALLOWED = 1403;
// How the gateway closes a connection because of its token.
const TOKEN_EXPIRED = 4011;
const BAD_TOKEN = 4501;
// From here on the gateway asks not to come back before something has changed.
const TERMINAL = 4500;

export class Client {
  /**
   * @param random gives a number from 0 to 1: clients that lost the same gateway must not all come back at once.
   * @param isAsked whether somebody is there who can be asked for a token: then the client waits for `signIn` where it needs one.
   */
  constructor(random, { isAsked = false } = {}) {
    this.random = random;
    this.isAsked = isAsked;
    this.phase = "connecting"; // connecting, live, waiting (for retryAt), signedOut (until `signIn`), ended
    this.needsToken = ""; // why: "asked" (the gateway has accounts), "refused", "expired", "left"; empty while signed in, or without need
    this.denied = new Set(); // channels that the token is not good for
    this.reason = "";
    this.retryAt = 0;
    this.wanted = new Map(); // channel → {symbols: Set, throttle}
    this.cursors = new Map(); // channel → the last cursor
    this.cursorOf = new Map(); // channel → the symbols that were wanted when it came: it speaks for these and no others
    this.columns = new Map();
    this.attempts = 0;
    this.token = null; // for a gateway with accounts: set it before each connection, or `signIn`
    this.hasAccounts = null; // whether the gateway has; null until it has spoken
    this.toldAt = 0; // when the gateway last said anything, on whatever connection; 0: never
    this._begin(0);
  }

  _begin(now) {
    this.expected = 1;
    this.commands = new Map(); // id → {ch, opening}
    this.nextId = 1;
    this.heardAt = now;
    this.asked = false; // whether it was asked since it was last heard
    this.heartbeatMs = 5_000;
    this.later = []; // [{at, ch, symbols, opening}]: subscriptions to ask for again, and when
    this.goaway = null;
    this.arriving = new Map(); // channel → {unanswered, snapshot}: how many commands have no answer yet; whether pages are due
  }

  /** Want `symbols` of `ch`, from now on and after every reconnect. */
  subscribe(ch, symbols, throttle = null) {
    const wanted = this.wanted.get(ch) ?? { symbols: new Set(), throttle };
    wanted.throttle = throttle;
    for (const symbol of symbols) wanted.symbols.add(symbol);
    this.wanted.set(ch, wanted);
    return this.phase === "live" ? [this._sub(ch, symbols, false)] : [];
  }

  /** Want `symbols` of `ch` no more. */
  unsubscribe(ch, symbols) {
    const wanted = this.wanted.get(ch);
    if (wanted === undefined) return [];
    for (const symbol of symbols) wanted.symbols.delete(symbol);
    this.later = this.later.filter((sub) => sub.ch !== ch || sub.symbols.some((symbol) => wanted.symbols.has(symbol)));
    return this.phase === "live" ? [this._command({ op: "unsub", ch, sym: symbols })] : [];
  }

  /** Go on with this token, at once where one was waited for. */
  signIn(token, now) {
    this.token = token;
    this.needsToken = "";
    this.denied.clear();
    this.attempts = 0;
    if (this.phase === "connecting") return [{ do: "state" }];
    if (this.phase !== "live") return this.start(now);
    // Another token is good for other channels: everything is asked for anew, at once.
    this.goaway = 0;
    return [{ do: "close" }];
  }

  /** Give the token up, and with it everything that it was good for. */
  signOut() {
    this.cursors.clear();
    return this._signOut("left", "");
  }

  start(now) {
    this._begin(now);
    this.phase = "connecting";
    return [{ do: "open" }, { do: "state" }];
  }

  /** The connection is open; the gateway speaks first. */
  opened(now) {
    this._begin(now);
    return [];
  }

  received(text, now) {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return this._lost("not JSON");
    }
    if (message.n !== this.expected) return this._lost(`message ${message.n} came instead of ${this.expected}`);
    this.expected += 1;
    this.heardAt = this.toldAt = now;
    this.asked = false;
    switch (message.op) {
      case "hello":
        return this._hello(message);
      case "ok":
        return this._ok(message);
      case "err":
        return this._err(message, now);
      case "snap":
        return this._snap(message);
      case "delta":
        return this._delta(message);
      case "event":
        this._reach(message.ch, message.cursor);
        return [{ do: "event", ch: message.ch, data: message.data }];
      case "hb":
        for (const [ch, cursor] of Object.entries(message.cursor)) this._reach(ch, cursor);
        return [{ do: "heartbeat", message }];
      case "goaway":
        this.goaway = message.retry_ms;
        return [];
      default:
        return []; // a message that only later versions know
    }
  }

  closed(code, reason, now) {
    if (this.phase === "ended" || this.phase === "signedOut") return [];
    if (this.isAsked && (code === BAD_TOKEN || code === TOKEN_EXPIRED)) {
      return this._signedOut(code === BAD_TOKEN ? "refused" : "expired", reason);
    }
    if (code >= TERMINAL && code < 5_000) {
      this.phase = "ended";
      this.reason = reason;
      return [{ do: "state" }];
    }
    const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_MS * 2 ** this.attempts);
    const wait = this.goaway ?? this.random() * ceiling;
    this.attempts += 1;
    this.phase = "waiting";
    this.reason = reason;
    this.retryAt = now + wait;
    return [{ do: "state" }];
  }

  /** Time has passed: call it about once a second. */
  tick(now) {
    if (this.phase === "ended" || this.phase === "signedOut") return [];
    if (this.phase === "waiting") return now >= this.retryAt ? this.start(now) : [];
    if (this.phase !== "live") return now - this.heardAt > BACKOFF_MAX_MS ? this._lost("no answer") : [];
    if (now - this.heardAt > this.heartbeatMs * HEARTBEATS_MISSED) return this._lost("no heartbeat");
    const due = this.later.filter((sub) => sub.at <= now);
    this.later = this.later.filter((sub) => sub.at > now);
    const effects = due.map((sub) => this._sub(sub.ch, sub.symbols, sub.opening));
    if (!this.asked && now - this.heardAt > ASK_AFTER_MS) {
      this.asked = true;
      effects.push(this._command({ op: "ping" }));
    }
    return effects;
  }

  _lost(reason) {
    this.reason = reason;
    return [{ do: "close" }];
  }

  _signOut(why, reason) {
    return [...this._signedOut(why, reason), { do: "close" }];
  }

  _signedOut(why, reason) {
    this.phase = "signedOut";
    this.needsToken = why;
    this.reason = reason;
    this.token = null;
    return [{ do: "state" }];
  }

  _auth() {
    return { do: "send", text: JSON.stringify({ op: "auth", token: this.token }) };
  }

  _command(fields) {
    const id = this.nextId++;
    return { do: "send", text: JSON.stringify({ ...fields, id }), id };
  }

  _sub(ch, symbols, opening) {
    const fields = { op: "sub", ch, sym: [...symbols] };
    const throttle = this.wanted.get(ch)?.throttle ?? null;
    if (throttle !== null) fields.throttle_ms = throttle;
    if (opening && this._speaksFor(ch)) fields.cursor = this.cursors.get(ch);
    const effect = this._command(fields);
    this.commands.set(effect.id, { ch, symbols: [...symbols], opening });
    this._arrival(ch).unanswered += 1;
    return effect;
  }

  _hello(message) {
    this.hasAccounts = message.auth !== undefined && message.auth !== "none";
    if (this.isAsked && this.hasAccounts && this.token === null) return this._signOut("asked", "");
    this.phase = "live";
    this.denied.clear();
    this.reason = "";
    this.stream = message.stream;
    this.heartbeatMs = message.heartbeat_ms;
    const subs = [...this.wanted].filter(([, wanted]) => wanted.symbols.size > 0);
    // Commands are carried out in order: it is not necessary to wait for the answer.
    const auth = this.token === null ? [] : [this._auth()];
    return [{ do: "state" }, ...auth, ...subs.map(([ch, wanted]) => this._sub(ch, wanted.symbols, true))];
  }

  _ok(message) {
    const command = this.commands.get(message.id);
    this.commands.delete(message.id);
    if (command === undefined) return [];
    const arrival = this._arrival(command.ch);
    arrival.unanswered -= 1;
    arrival.snapshot = true;
    this.attempts = 0;
    if (!command.opening || message.recovered !== false) return [];
    this.cursors.delete(command.ch);
    return [{ do: "reset", ch: command.ch }];
  }

  _err(message, now) {
    const command = this.commands.get(message.id);
    this.commands.delete(message.id);
    if (command !== undefined) this._arrival(command.ch).unanswered -= 1;
    if (message.code === NOT_READY || message.code === RATE) {
      this.reason = message.msg;
      if (command !== undefined) this.later.push({ ...command, at: now + (message.retry_ms ?? 1_000) });
      return [{ do: "state" }];
    }
    // The token could not be looked at, as while the gateway has no keys yet: the whole connection is tried again.
    if (message.code === AUTH_NEEDED && this.isAsked && this.token !== null) return this._lost(message.msg);
    if (message.code === NOT_ALLOWED && command !== undefined) {
      this.denied.add(command.ch);
      return [{ do: "state" }];
    }
    if (command !== undefined && this.cursors.has(command.ch)) {
      // Perhaps it is the cursor that was refused: ask for everything.
      this.cursors.delete(command.ch);
      return [this._sub(command.ch, command.symbols, command.opening)];
    }
    this.reason = message.msg;
    return [{ do: "state" }];
  }

  _snap(message) {
    this.columns.set(message.ch, message.cols);
    if (message.last) {
      this._arrival(message.ch).snapshot = false;
      this._reach(message.ch, message.cursor);
    }
    const effects = [{ do: "rows", ch: message.ch, cols: message.cols, rows: message.rows, live: false }];
    if (this.reason !== "") {
      this.reason = "";
      effects.push({ do: "state" });
    }
    return effects;
  }

  _delta(message) {
    this._reach(message.ch, message.cursor);
    return [{ do: "rows", ch: message.ch, cols: this.columns.get(message.ch), rows: message.rows, live: true }];
  }

  _arrival(ch) {
    if (!this.arriving.has(ch)) this.arriving.set(ch, { unanswered: 0, snapshot: false });
    return this.arriving.get(ch);
  }

  _complete(ch) {
    const arrival = this.arriving.get(ch);
    return arrival !== undefined && arrival.unanswered === 0 && !arrival.snapshot;
  }

  /** Keep a cursor, unless some of what is wanted of the channel has not arrived: the cursor would hold for that too. */
  _reach(ch, cursor) {
    if (!cursor || !this._complete(ch)) return;
    this.cursors.set(ch, cursor);
    this.cursorOf.set(ch, new Set(this.wanted.get(ch)?.symbols));
  }

  /** Whether the last cursor of a channel speaks for all that is wanted of it; a return that broke off has not made it worse. */
  _speaksFor(ch) {
    const of = this.cursorOf.get(ch);
    return this.cursors.has(ch) && of !== undefined && [...this.wanted.get(ch).symbols].every((symbol) => of.has(symbol));
  }
}
