import assert from "node:assert/strict";
import test from "node:test";
import { BACKOFF_MAX_MS, Client } from "../../../../gateway/web/js/client.js";

const COLUMNS = ["symbol", "last"];

/** A client with a gateway of its own on the other side, which numbers its messages. */
class Conversation {
  constructor(random = () => 0.5) {
    this.client = new Client(random);
    this.now = 1_000;
    this.rows = new Map();
    this.effects = [];
    this.sent = [];
  }

  run(effects) {
    this.effects = effects;
    for (const effect of effects) {
      if (effect.do === "send") this.sent.push(JSON.parse(effect.text));
      if (effect.do === "reset") this.rows.clear();
      if (effect.do === "rows") for (const [key, value] of effect.rows) this.rows.set(key, value);
    }
    return effects.map((effect) => effect.do);
  }

  connect() {
    this.n = 0;
    this.sent = [];
    this.run(this.client.opened(this.now));
    return this.say({ op: "hello", heartbeat_ms: 5_000 });
  }

  say(message) {
    this.n += 1;
    return this.run(this.client.received(JSON.stringify({ n: this.n, ...message }), this.now));
  }

  ok(place = 0, recovered = false) {
    return this.say({ op: "ok", id: this.sent[place].id, ch: this.sent[place].ch, recovered });
  }

  snap(rows, cursor = "e.0:1", last = true) {
    return this.say({ op: "snap", ch: "px", cols: COLUMNS, rows, last, cursor: last ? cursor : undefined });
  }

  delta(rows, cursor = "e.0:2") {
    return this.say({ op: "delta", ch: "px", rows, ts: 0, con: false, cursor });
  }

  lose(code = 1006) {
    this.run(this.client.closed(code, "", this.now));
  }

  /** Wait until the client comes back by itself, and connect. */
  comeBack() {
    this.now = this.client.retryAt;
    assert.deepEqual(this.run(this.client.tick(this.now)), ["open", "state"]);
    this.connect();
  }
}

function live() {
  const talk = new Conversation();
  talk.client.subscribe("px", ["@VN30"], 250);
  talk.run(talk.client.start(talk.now));
  talk.connect();
  talk.ok();
  talk.snap([["VNM", 61_000]]);
  return talk;
}

test("what is wanted is asked for once the gateway has spoken", () => {
  const talk = new Conversation();
  assert.deepEqual(talk.client.subscribe("px", ["VNM"]), []);
  assert.deepEqual(talk.run(talk.client.start(0)), ["open", "state"]);
  talk.connect();
  assert.deepEqual(talk.sent, [{ op: "sub", ch: "px", sym: ["VNM"], id: 1 }]);
  assert.equal(talk.client.phase, "live");
});

test("snapshot pages and deltas add up", () => {
  const talk = new Conversation();
  talk.client.subscribe("px", ["*"]);
  talk.connect();
  assert.deepEqual(talk.ok(), ["reset"]);
  talk.snap([["HPG", 25_000]], null, false);
  talk.snap([["VNM", 61_000]]);
  talk.delta([["VNM", 62_000]]);
  assert.deepEqual([...talk.rows], [["HPG", 25_000], ["VNM", 62_000]]);
});

test("deltas are named by the columns of the snapshot", () => {
  const talk = live();
  talk.delta([["VNM", 62_000]]);
  assert.deepEqual(talk.effects, [{ do: "rows", ch: "px", cols: COLUMNS, rows: [["VNM", 62_000]], live: true }]);
});

for (const [name, n] of [["hole", 2], ["repeat", 0]]) {
  test(`a ${name} in the numbers closes the connection and shows nothing of the message`, () => {
    const talk = live();
    talk.n += n - 1;
    assert.deepEqual(talk.delta([["VNM", 1]]), ["close"]);
    assert.equal(talk.rows.get("VNM"), 61_000);
  });
}

test("after a loss the channel is resumed by its last cursor and keeps its rows", () => {
  const talk = live();
  talk.delta([["VNM", 62_000]], "e.0:7");
  talk.lose();
  assert.equal(talk.client.phase, "waiting");
  talk.comeBack();
  assert.equal(talk.sent[0].cursor, "e.0:7");
  assert.equal(talk.sent[0].throttle_ms, 250);
  assert.deepEqual(talk.ok(0, true), []);
  assert.equal(talk.rows.get("VNM"), 62_000);
});

test("a return that breaks off while it brings what was missed leaves the cursor", () => {
  const talk = live();
  talk.lose();
  talk.comeBack();
  talk.ok(0, true);
  talk.snap([["VNM", 63_000]], undefined, false);
  talk.lose();
  talk.comeBack();
  assert.equal(talk.sent[0].cursor, "e.0:1");
});

test("a cursor that does not hold any more brings a whole snapshot", () => {
  const talk = live();
  talk.lose(4003);
  talk.comeBack();
  assert.deepEqual(talk.ok(0, false), ["reset"]);
});

test("a cursor that is refused is dropped and everything asked for again", () => {
  const talk = live();
  talk.lose();
  talk.comeBack();
  talk.say({ op: "err", id: talk.sent[0].id, code: 1104, msg: "not ours" });
  assert.equal(talk.sent[1].op, "sub");
  assert.equal("cursor" in talk.sent[1], false);
});

test("a snapshot that was cut is asked for from the beginning", () => {
  const talk = live();
  talk.run(talk.client.subscribe("px", ["@HOSE"], 250));
  talk.ok(1);
  talk.snap([["SSI", 30_000]], null, false);
  talk.lose();
  talk.comeBack();
  assert.deepEqual(talk.sent[0].sym, ["@VN30", "@HOSE"]);
  assert.equal("cursor" in talk.sent[0], false);
});

test("a cursor is not moved while an answer to a later subscription is due", () => {
  const talk = live();
  talk.run(talk.client.subscribe("px", ["@HOSE"], 250));
  talk.delta([["VNM", 63_000]], "e.0:9");
  talk.lose();
  talk.comeBack();
  assert.equal("cursor" in talk.sent[0], false);
});

test("heartbeats move the cursors of channels that have arrived", () => {
  const talk = live();
  assert.deepEqual(talk.say({ op: "hb", cursor: { px: "e.0:40", index: "e.0:1" } }), ["heartbeat"]);
  talk.lose();
  talk.comeBack();
  assert.equal(talk.sent[0].cursor, "e.0:40");
});

test("a cursor survives attempts that fail", () => {
  const talk = live();
  talk.lose();
  talk.now = talk.client.retryAt;
  talk.run(talk.client.tick(talk.now));
  talk.lose();
  talk.comeBack();
  assert.equal(talk.sent[0].cursor, "e.0:1");
});

test("changing the group asks for the new one and gives up the old one", () => {
  const talk = live();
  talk.run(talk.client.subscribe("px", ["@HNX"], 250));
  talk.run(talk.client.unsubscribe("px", ["@VN30"]));
  assert.deepEqual(talk.sent.slice(1).map(({ op, sym }) => [op, sym]), [["sub", ["@HNX"]], ["unsub", ["@VN30"]]]);
  talk.lose();
  talk.comeBack();
  assert.deepEqual(talk.sent[0].sym, ["@HNX"]);
});

test("a gateway that is not ready is asked again when it said so", () => {
  const talk = new Conversation();
  talk.client.subscribe("px", ["*"]);
  talk.connect();
  talk.say({ op: "err", id: 1, code: 1503, msg: "still reading", retry_ms: 1_000 });
  assert.equal(talk.client.reason, "still reading");
  assert.deepEqual(talk.client.tick(talk.now + 999), []);
  talk.run(talk.client.tick(talk.now + 1_000));
  assert.equal(talk.sent.at(-1).op, "sub");
  talk.ok(1);
  talk.snap([["VNM", 1]]);
  assert.equal(talk.client.reason, "");
});

test("back-off doubles, is random, and has a limit", () => {
  const waits = [];
  const talk = new Conversation(() => 1);
  for (let attempt = 0; attempt < 9; attempt++) {
    talk.client.start(talk.now);
    talk.lose();
    waits.push(talk.client.retryAt - talk.now);
  }
  assert.deepEqual(waits.slice(0, 4), [500, 1_000, 2_000, 4_000]);
  assert.equal(waits.at(-1), BACKOFF_MAX_MS);
  const lucky = new Conversation(() => 0);
  lucky.lose();
  assert.equal(lucky.client.retryAt, lucky.now);
});

test("a served subscription makes the next back-off short again", () => {
  const talk = live();
  for (let attempt = 0; attempt < 5; attempt++) talk.lose();
  talk.comeBack();
  talk.ok(0, true);
  talk.lose();
  assert.equal(talk.client.retryAt - talk.now, 250);
});

test("a gateway that goes away says when to come back", () => {
  const talk = live();
  talk.say({ op: "goaway", retry_ms: 3_714, reason: "shutdown" });
  talk.lose(4001);
  assert.equal(talk.client.retryAt - talk.now, 3_714);
});

test("no place ends nothing: it comes back later", () => {
  const talk = live();
  talk.lose(4013);
  assert.equal(talk.client.phase, "waiting");
  talk.comeBack();
});

test("a close code from 4500 on ends it", () => {
  const talk = live();
  talk.lose(4504);
  assert.equal(talk.client.phase, "ended");
  assert.deepEqual(talk.client.tick(1e12), []);
});

test("a gateway that says nothing for two seconds is asked once whether it is there", () => {
  const talk = live();
  assert.deepEqual(talk.client.tick(talk.now + 2_000), []);
  const [asked] = talk.client.tick(talk.now + 2_001);
  assert.equal(JSON.parse(asked.text).op, "ping");
  assert.deepEqual(talk.client.tick(talk.now + 4_000), []);
  talk.now += 4_000;
  assert.deepEqual(talk.say({ op: "ok", id: asked.id }), []);
  assert.equal(talk.client.toldAt, talk.now);
  assert.equal(talk.client.tick(talk.now + 2_001).length, 1);
});

test("only what the gateway says counts as heard, not that somebody takes the connection", () => {
  const talk = live();
  const toldAt = talk.client.toldAt;
  talk.lose();
  talk.now = talk.client.retryAt;
  talk.run(talk.client.tick(talk.now));
  talk.run(talk.client.opened(talk.now));
  assert.equal(talk.client.toldAt, toldAt);
});

test("silence of two and a half heartbeats is a loss", () => {
  const talk = live();
  assert.deepEqual(talk.client.tick(talk.now + 12_500).map((effect) => effect.do), ["send"]);
  assert.deepEqual(talk.client.tick(talk.now + 12_501).map((effect) => effect.do), ["close"]);
});

test("messages of a later version are counted and ignored", () => {
  const talk = live();
  assert.deepEqual(talk.say({ op: "weather" }), []);
  assert.deepEqual(talk.delta([["VNM", 63_000]]), ["rows"]);
});

test("an alert moves the cursor of its channel", () => {
  const talk = new Conversation();
  talk.client.subscribe("alert", ["*"]);
  talk.connect();
  talk.ok();
  talk.say({ op: "snap", ch: "alert", cols: ["alert_id"], rows: [], last: true, cursor: "e.0:1" });
  assert.deepEqual(talk.say({ op: "event", ch: "alert", cursor: "e.0:2", data: { alert_id: "a" } }), ["event"]);
  talk.lose();
  talk.comeBack();
  assert.equal(talk.sent[0].cursor, "e.0:2");
});

test("a token is shown before anything is asked for", () => {
  const talk = new Conversation();
  talk.client.subscribe("px", ["VNM"]);
  talk.client.token = "abc";
  talk.connect();
  assert.deepEqual(talk.sent.map((command) => command.op), ["auth", "sub"]);
  assert.equal(talk.sent[0].token, "abc");
});

/** A client whose user can be asked for a token, at a gateway with accounts. */
function account() {
  const talk = new Conversation();
  talk.client = new Client(() => 0.5, { isAsked: true });
  talk.client.subscribe("px", ["@VN30"], 250);
  talk.client.subscribe("alert", ["*"]);
  talk.run(talk.client.start(talk.now));
  talk.hello = () => {
    talk.n = 0;
    talk.sent = [];
    talk.run(talk.client.opened(talk.now));
    return talk.say({ op: "hello", heartbeat_ms: 5_000, auth: "jwt" });
  };
  return talk;
}

test("without a token a gateway with accounts is left until there is one, and is then asked for everything", () => {
  const talk = account();
  assert.deepEqual(talk.hello(), ["state", "close"]);
  assert.deepEqual([talk.client.phase, talk.client.needsToken, talk.sent], ["signedOut", "asked", []]);
  assert.deepEqual(talk.run(talk.client.closed(1006, "", talk.now)), []);
  assert.deepEqual(talk.run(talk.client.tick(talk.now + 100_000)), []);
  assert.deepEqual(talk.run(talk.client.signIn("a.b.c", talk.now)), ["open", "state"]);
  talk.hello();
  assert.deepEqual(talk.sent.map((command) => command.op), ["auth", "sub", "sub"]);
  assert.deepEqual([talk.client.phase, talk.client.needsToken], ["live", ""]);
});

test("a gateway without accounts asks nobody for a token", () => {
  const talk = account();
  talk.connect();
  assert.deepEqual([talk.client.phase, talk.client.hasAccounts, talk.sent.length], ["live", false, 2]);
});

for (const [code, why] of [[4501, "refused"], [4011, "expired"]]) {
  test(`a token that is ${why} is given up, said so, and what it showed goes on with the next one`, () => {
    const talk = account();
    talk.client.token = "a.b.c";
    talk.hello();
    talk.say({ op: "ok", id: talk.sent[1].id, ch: "px", recovered: false });
    talk.snap([["VNM", 61_000]]);
    assert.deepEqual(talk.run(talk.client.closed(code, "because", talk.now)), ["state"]);
    const { phase, needsToken, reason, token } = talk.client;
    assert.deepEqual([phase, needsToken, reason, token], ["signedOut", why, "because", null]);
    talk.run(talk.client.signIn("d.e.f", talk.now));
    talk.hello();
    assert.deepEqual([talk.sent[0].token, talk.sent[1].cursor], ["d.e.f", "e.0:1"]);
  });
}

test("who may not be asked ends with a token that is refused, as programs do", () => {
  const talk = live();
  talk.lose(4501);
  assert.equal(talk.client.phase, "ended");
});

test("a channel that the token is not good for is named, and the others go on", () => {
  const talk = account();
  talk.client.token = "a.b.c";
  talk.hello();
  assert.deepEqual(talk.say({ op: "err", id: talk.sent[2].id, code: 1403, msg: "no" }), ["state"]);
  assert.deepEqual([talk.client.phase, [...talk.client.denied]], ["live", ["alert"]]);
  talk.say({ op: "ok", id: talk.sent[1].id, ch: "px", recovered: false });
  talk.snap([["VNM", 61_000]]);
  assert.equal(talk.rows.get("VNM"), 61_000);
});

test("a token that cannot be looked at yet is shown again on another connection", () => {
  const talk = account();
  talk.client.token = "a.b.c";
  talk.hello();
  talk.say({ op: "err", id: null, code: 1503, msg: "no keys", retry_ms: 1_000 });
  assert.deepEqual(talk.say({ op: "err", id: talk.sent[1].id, code: 1401, msg: "auth first" }), ["close"]);
  talk.lose();
  assert.deepEqual([talk.client.phase, talk.client.token], ["waiting", "a.b.c"]);
});

test("who signs out keeps nothing of what the token was good for", () => {
  const talk = account();
  talk.client.token = "a.b.c";
  talk.hello();
  talk.say({ op: "ok", id: talk.sent[1].id, ch: "px", recovered: false });
  talk.snap([["VNM", 61_000]]);
  assert.deepEqual(talk.run(talk.client.signOut()), ["state", "close"]);
  talk.run(talk.client.signIn("d.e.f", talk.now));
  talk.hello();
  assert.equal(talk.sent[1].cursor, undefined);
});

test("another token while the first is good is shown at once, on a connection of its own", () => {
  const talk = account();
  talk.client.token = "a.b.c";
  talk.hello();
  assert.deepEqual(talk.run(talk.client.signIn("d.e.f", talk.now)), ["close"]);
  talk.lose();
  assert.deepEqual(talk.run(talk.client.tick(talk.now)), ["open", "state"]);
  talk.hello();
  assert.equal(talk.sent[0].token, "d.e.f");
});
