import assert from "node:assert/strict";
import test from "node:test";
import { changeClass, mark, movement, priceClass } from "../../../../gateway/web/js/colour.js";
import { age, billions, change, changePercent, clock, compact, day, percent, price, volume } from "../../../../gateway/web/js/format.js";
import { freshness, skewed } from "../../../../gateway/web/js/freshness.js";
import { belongs, phaseSum, wordsOf } from "../../../../gateway/web/js/groups.js";

const VNM = { reference: 60_000, ceiling: 64_200, floor: 55_800 };

test("a price has the colour of its place between the limits", () => {
  const colours = [64_200, 64_100, 60_000, 59_900, 55_800].map((last) => priceClass(last, VNM));
  assert.deepEqual(colours, ["ceiling", "up", "reference", "down", "floor"]);
});

test("where floor, reference and ceiling fall together the ceiling wins", () => {
  assert.equal(priceClass(100, { reference: 100, ceiling: 100, floor: 100 }), "ceiling");
});

test("no price and an unknown reference have no colour", () => {
  for (const nothing of [null, undefined, 0]) assert.equal(priceClass(nothing, VNM), "none");
  assert.equal(priceClass(60_000, { reference: 0, ceiling: 0, floor: 0 }), "none");
});

test("every colour is also said without colour", () => {
  const marks = ["ceiling", "floor", "up", "down", "reference"].map(mark);
  assert.deepEqual(marks, ["CE", "FL", "▲", "▼", "■"]);
  assert.deepEqual([1, 0, -1].map(changeClass), ["up", "reference", "down"]);
});

test("a cell flashes in the direction of its move", () => {
  assert.deepEqual([movement(1, 2), movement(2, 1), movement(1, 1), movement(undefined, 5), movement(null, 5)], ["up", "down", "", "", "same"]);
});

test("stocks are in thousand dong, futures and indices in points", () => {
  assert.equal(price(61_000, false), "61.00");
  assert.equal(price(28_350, false), "28.35");
  assert.equal(price(190_350, true), "1,903.5");
  assert.equal(price(166_550, true, 2), "1,665.50");
  assert.equal(price(null, false), "");
});

test("changes have a sign", () => {
  assert.deepEqual([change(1_000, false), change(-50, false), change(0, false)], ["+1.00", "−0.05", "0.00"]);
  assert.deepEqual([percent(1.666), percent(-0.004), percent(-7)], ["+1.67", "0.00", "−7.00"]);
  assert.equal(changePercent(61_200, 60_000), 2);
  assert.equal(changePercent(null, 60_000), null);
  assert.equal(changePercent(100, 0), null);
});

test("volumes are in full, rooms and money short", () => {
  assert.deepEqual([volume(1_234_500), volume(0), volume(undefined)], ["1,234,500", "", ""]);
  assert.deepEqual([compact(999_999), compact(851_300_000), compact(1_230_000_000)], ["999,999", "851.3M", "1.23B"]);
  assert.deepEqual([billions(11_873_000_000_000), billions(-329e9, true), billions(5e8, true)], ["11,873", "−329.0", "+0.50"]);
});

test("times are Vietnam's", () => {
  assert.equal(clock(Date.UTC(2026, 10, 20, 2, 15)), "09:15:00");
  assert.equal(clock(null), "--:--:--");
  assert.equal(day(20261120), "20/11/2026");
});

test("ages are short", () => {
  assert.deepEqual([340, 12_400, 180_000, 10_800_000, null].map((ms) => age(ms)), ["0.3 s", "12 s", "3 min", "3 h", "–"]);
  assert.deepEqual([180_000, 10_800_000].map((ms) => age(ms, "phút", "giờ")), ["3 phút", "3 giờ"]);
});

const NOW = 100_000;
const WELL = {
  connection: { phase: "live" },
  heartbeat: { at: NOW - 1_000, lag_ms: { px: 240 }, skew_ms: { a: 30 }, stale: [], reason: "", session: "continuous" },
  feeds: [{ state: "up" }],
  heardAt: NOW - 200,
  now: NOW,
};

test("prices are as old as the gateway says", () => {
  assert.deepEqual(freshness(WELL), { age: 240, stale: false, why: "" });
});

test("prices that move may be old all the same", () => {
  const late = { ...WELL.heartbeat, lag_ms: { px: 200_000 }, stale: ["px"] };
  assert.deepEqual(freshness({ ...WELL, heartbeat: late }), { age: 200_000, stale: true, why: "prices" });
});

test("what the gateway calls stale is stale, and nothing else", () => {
  const heartbeat = { ...WELL.heartbeat, stale: ["px"] };
  assert.deepEqual(freshness({ ...WELL, heartbeat }), { age: 240, stale: true, why: "prices" });
  assert.equal(freshness({ ...WELL, heartbeat: { ...heartbeat, stale: ["index"] } }).stale, false);
  assert.equal(freshness({ ...WELL, feeds: [{ state: "down" }] }).stale, false);
});

test("it is the feed's fault if none is up", () => {
  const heartbeat = { ...WELL.heartbeat, stale: ["basis", "flow", "index", "px"] };
  assert.equal(freshness({ ...WELL, heartbeat, feeds: [{ state: "silent" }, { state: "down" }] }).why, "feed");
  assert.equal(freshness({ ...WELL, heartbeat, feeds: [{ state: "down" }, { state: "up" }] }).why, "prices");
  assert.equal(freshness({ ...WELL, heartbeat, feeds: [] }).why, "prices");
});

test("a gateway that lost Kafka makes the board stale", () => {
  assert.equal(freshness({ ...WELL, heartbeat: { ...WELL.heartbeat, reason: "Kafka does not answer" } }).why, "gateway");
});

test("a lost connection makes the board stale after a second, and older with each", () => {
  const lost = { ...WELL, connection: { phase: "waiting" } };
  assert.equal(freshness({ ...lost, heardAt: NOW - 1_000 }).stale, false);
  assert.deepEqual(freshness({ ...lost, heardAt: NOW - 1_001 }), { age: 1_240, stale: true, why: "connection" });
});

test("a gateway that has not answered for four seconds makes it stale, and as old as its silence", () => {
  assert.equal(freshness({ ...WELL, heardAt: NOW - 4_000 }).stale, false);
  assert.deepEqual(freshness({ ...WELL, heardAt: NOW - 4_001 }), { age: 4_001, stale: true, why: "hung" });
});

test("a heartbeat that is overdue makes prices older", () => {
  assert.equal(freshness({ ...WELL, heartbeat: { ...WELL.heartbeat, at: NOW - 6_000 } }).age, 6_240);
});

test("as long as nobody has said it the age is not known", () => {
  assert.equal(freshness({ ...WELL, heartbeat: null }).age, null);
  assert.equal(freshness({ ...WELL, heartbeat: { ...WELL.heartbeat, lag_ms: { px: null } } }).age, null);
});

test("a clock that is ahead makes no age less than none, and is named", () => {
  const ahead = { ...WELL.heartbeat, lag_ms: { px: -2_000 }, skew_ms: { a: -2_400, b: 30 } };
  assert.equal(freshness({ ...WELL, heartbeat: ahead }).age, 0);
  assert.deepEqual(skewed(ahead), [["a", -2_400]]);
  assert.deepEqual(skewed(null), []);
});

test("tabs are groups, exchanges, and futures", () => {
  const row = { symbol: "VNM", exchange: "HOSE" };
  assert.equal(belongs("VN30", row, { groups: ["VN30"] }), true);
  assert.equal(belongs("VN30", row, undefined), false);
  assert.equal(belongs("HOSE", row, undefined), true);
  assert.equal(belongs("FUT", { symbol: "41I1GC000", exchange: "DER" }, undefined), true);
});

test("funds and warrants have tabs of their own, and are not among the stocks", () => {
  const [stock, fund, warrant] = ["HPG", "FUEVFVND", "CHPG2601"].map((symbol) => ({ symbol, exchange: "HOSE", put_through_volume: 0 }));
  assert.deepEqual([stock, fund, warrant].map((row) => belongs("HOSE", row)), [true, false, false]);
  assert.deepEqual([stock, fund, warrant].map((row) => belongs("ETF", row)), [false, true, false]);
  assert.deepEqual([stock, fund, warrant].map((row) => belongs("CW", row)), [false, false, true]);
  // A stock whose ticker begins with C is none, nor is E1VFVN30 a stock.
  assert.deepEqual(["CTG", "CEO", "E1VFVN30"].map((symbol) => belongs("HOSE", { symbol, exchange: "HOSE" })), [true, true, false]);
});

test("what is traded beside the order book has tabs of its own", () => {
  const odd = { phase: "odd_lot", buy: 3, sell: 4, neutral: 5, buy_value: 30, sell_value: 40, neutral_value: 50 };
  const row = { symbol: "HPG", exchange: "HOSE", put_through_volume: 100, phases: [odd] };
  assert.deepEqual(phaseSum(row, "odd_lot"), { volume: 12, value: 120, buy: 3, sell: 4 });
  assert.equal(phaseSum(row, "put_through"), null);
  assert.deepEqual([belongs("ODD", row), belongs("DEALS", row)], [true, true]);
  assert.deepEqual([belongs("ODD", { ...row, phases: [] }), belongs("DEALS", { ...row, put_through_volume: 0 })], [false, false]);
});

test("the user's list is a tab, and each tab asks for what it shows", () => {
  assert.equal(belongs("MINE", { symbol: "HPG" }, undefined, ["HPG"]), true);
  assert.equal(belongs("MINE", { symbol: "HPG" }, undefined, []), false);
  const symbols = ["HPG", "FUEVFVND", "CHPG2601"];
  const asked = ["HOSE", "FUT", "ETF", "CW", "MINE", "ODD"].map((tab) => wordsOf(tab, symbols, ["HPG"]));
  assert.deepEqual(asked, [["@HOSE"], ["@FUT"], ["FUEVFVND"], ["CHPG2601"], ["HPG"], ["*"]]);
});
