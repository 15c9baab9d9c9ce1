import assert from "node:assert/strict";
import test from "node:test";
import { amend, barAt, barsOf, basisLine, dayMs, withRunning, withToday } from "../../../../gateway/web/js/bars.js";
import { choosable, columnsOf, viewOf } from "../../../../gateway/web/js/columns.js";
import { evidenceOf } from "../../../../gateway/web/js/evidence.js";
import { alertsShown } from "../../../../gateway/web/js/filters.js";
import { byBars, IndexDay, SESSION_MINUTES, sparkline, tradedMinutes } from "../../../../gateway/web/js/indexday.js";
import { Interest } from "../../../../gateway/web/js/interest.js";
import { found, nextSort, ordered, plain } from "../../../../gateway/web/js/order.js";
import { addressOf, placeOf } from "../../../../gateway/web/js/places.js";
import { isToken, tokenIn } from "../../../../gateway/web/js/tokens.js";
import { squarified } from "../../../../gateway/web/js/treemap.js";
import { fitting, linesInView, placed, topFor } from "../../../../gateway/web/js/windowing.js";

const NAMES = new Map([
  ["HPG", "Tập đoàn Hòa Phát"],
  ["HPX", "Đầu tư Hải Phát"],
  ["FPT", "FPT Corp"],
  ["CHPG2601", "Chứng quyền HPG"],
  ["VNM", null],
]);

test("a search finds symbols first, then names, with or without accents", () => {
  assert.deepEqual(found("hpg", NAMES), ["HPG", "CHPG2601"]);
  assert.deepEqual(found("hp", NAMES), ["HPG", "HPX", "CHPG2601"]);
  assert.deepEqual(found("hoa phat", NAMES), ["HPG"]);
  assert.deepEqual(found("đầu tư", NAMES), ["HPX"]);
  assert.deepEqual(found("dau", NAMES), ["HPX"]);
  assert.deepEqual(found("vnm", NAMES), ["VNM"]);
  assert.deepEqual(found("  ", NAMES), []);
  assert.equal(found("h", NAMES, 2).length, 2);
  assert.equal(plain("Đường Quảng Ngãi"), "DUONG QUANG NGAI");
});

test("a click on a heading sorts down, then up, then as it was; what is missing stands last both ways", () => {
  const values = { A: 3, B: null, C: 7, D: 3 };
  const by = (descending, pinned) => ordered(["D", "C", "B", "A"], (symbol) => values[symbol], descending, pinned).join("");
  assert.equal(by(true), "CADB");
  assert.equal(by(false), "ADCB");
  assert.equal(by(true, ["B", "Z"]), "BCAD");
  let sort = { column: null, descending: false };
  const seen = [1, 2, 3].map(() => (sort = nextSort(sort, "last")));
  assert.deepEqual(seen.map(({ column, descending }) => [column, descending]), [["last", true], ["last", false], [null, false]]);
});

test("only the lines in view, and some beyond, are drawn", () => {
  assert.deepEqual(linesInView(1_900, 22, 0, 440), [0, 26]);
  assert.deepEqual(linesInView(1_900, 22, 22_000, 440), [994, 1_026]);
  assert.deepEqual(linesInView(1_900, 22, 41_800, 440), [1_894, 1_900]);
  assert.deepEqual(linesInView(3, 22, 0, 440), [0, 3]);
  assert.deepEqual(linesInView(0, 22, 0, 440), [0, 0]);
});

test("a chosen line is scrolled to only if it is out of view", () => {
  assert.equal(topFor(5, 20, 0, 200), 0);
  assert.equal(topFor(10, 20, 0, 200), 20);
  assert.equal(topFor(2, 20, 100, 200), 40);
});

test("what does not fit is left out, the least wanted first, and what is left fills the width", () => {
  const columns = [{ id: "a", rank: 0, width: 50 }, { id: "b", rank: 2, width: 50 }, { id: "c", rank: 1, width: 50 }];
  assert.deepEqual(fitting(columns, 150).map((column) => column.id), ["a", "b", "c"]);
  assert.deepEqual(fitting(columns, 149).map((column) => column.id), ["a", "c"]);
  assert.deepEqual(fitting(columns, 10).map((column) => column.id), ["a"]);
  const places = placed(columns, 200);
  assert.deepEqual(places[0].x, 0);
  assert.equal(places.at(-1).x + places.at(-1).width, 200);
  for (let i = 1; i < places.length; i++) assert.equal(places[i].x, places[i - 1].x + places[i - 1].width);
});

test("every tab fits a phone held upright, and all of it a laptop", () => {
  for (const tab of ["VN30", "FUT", "DEALS", "ODD"]) {
    const onPhone = fitting(columnsOf(tab), 360);
    assert.ok(onPhone.reduce((sum, column) => sum + column.width, 0) <= 380, tab);
    assert.ok(onPhone.some((column) => column.id === "last"), tab);
  }
  assert.ok(fitting(columnsOf("VN30"), 360).some((column) => column.id === "bid1-price"));
  assert.equal(fitting(columnsOf("VN30"), 1_420).filter((column) => column.group === "bid").length, 6);
});

const ROW = {
  symbol: "HPG", exchange: "HOSE", phase: "continuous", reference: 28_000, ceiling: 29_950, floor: 26_050, expected: null, last: 28_350,
  last_volume: 500, bids: [28_300, 1_000], asks: [28_350, 200], total_volume: 1_000, high: 28_400, low: 27_900, average: 28_100,
  put_through_volume: 0, phases: [],
};
const cellsOf = (tab, view) => Object.fromEntries(columnsOf(tab).map((column) => [column.id, column.cell(view)]));

test("a line says price, change and book in the colours of the board", () => {
  const cells = cellsOf("HOSE", viewOf("HPG", ROW, { bought: 100, sold: 0, room: 5 }, { name: "Hòa Phát" }, undefined));
  assert.deepEqual([cells.last.text, cells.last.colour], ["28.35", "up"]);
  assert.deepEqual([cells.change.text, cells.change.mark, cells.percent.text], ["+0.35", "▲", "+1.25"]);
  assert.deepEqual([cells["bid1-price"].text, cells["bid1-volume"].text, cells["bid2-price"].text], ["28.30", "1,000", ""]);
  assert.deepEqual([cells["foreign-bought"].text, cells["foreign-sold"].text, cells["foreign-room"].text], ["100", "", "5"]);
});

test("in an auction the indicative price stands for the last one, and orders at any price have its name", () => {
  const cells = cellsOf("HOSE", viewOf("HPG", { ...ROW, phase: "atc", expected: 29_950, bids: [0, 5_000] }, undefined, undefined, undefined));
  assert.deepEqual([cells.last.text, cells.last.colour, cells.last.mark], ["29.95", "ceiling", "DK"]);
  assert.equal(cells["bid1-price"].text, "ATC");
  assert.equal(cells["last-volume"].text, "");
});

test("before the first match there is no price, and nothing is said of what is not known", () => {
  const cells = cellsOf("HOSE", viewOf("HPG", { ...ROW, last: null }, undefined, undefined, undefined));
  assert.deepEqual([cells.last.text, cells.change.text, cells.percent.text, cells["foreign-bought"].text], ["", "", "", ""]);
  assert.equal(viewOf("XYZ", undefined, undefined, undefined, undefined).row, null);
});

test("put-through deals and odd lots have their volume, value and average", () => {
  const deal = { phase: "put_through", buy: 0, sell: 0, neutral: 1_000, buy_value: 0, sell_value: 0, neutral_value: 28_000_000 };
  const view = viewOf("HPG", { ...ROW, put_through_volume: 1_000, phases: [deal] }, undefined, undefined, undefined);
  const cells = cellsOf("DEALS", view);
  assert.deepEqual([cells["deal-volume"].text, cells["deal-value"].text, cells["deal-price"].text], ["1,000", "0.03", "28.00"]);
  assert.equal(cellsOf("ODD", view)["odd-volume"].text, "");
});

test("symbol, price and change cannot be left out", () => {
  const ids = choosable("HOSE").map((column) => column.id);
  assert.ok(!ids.includes("symbol") && !ids.includes("last") && ids.includes("bid3-price"));
});

test("a tab that is left is given up after the next one is asked for", () => {
  const interest = new Interest();
  assert.deepEqual(interest.want("page", ["@VN30"]), [{ op: "subscribe", words: ["@VN30"] }]);
  assert.deepEqual(interest.want("page", ["@HOSE"]), [
    { op: "subscribe", words: ["@HOSE"] },
    { op: "unsubscribe", words: ["@VN30"] },
  ]);
  assert.deepEqual(interest.want("page", ["@HOSE"]), []);
});

test("a symbol that is given up stays in the groups that have it", () => {
  const interest = new Interest();
  interest.want("page", ["@HOSE"]);
  assert.deepEqual(interest.want("drawer", ["HPG"]), [{ op: "subscribe", words: ["HPG"] }]);
  assert.deepEqual(interest.want("search", ["HPG"]), []);
  assert.deepEqual(interest.want("drawer", []), []);
  assert.deepEqual(interest.want("search", []), [
    { op: "unsubscribe", words: ["HPG"] },
    { op: "subscribe", words: ["@HOSE"] },
  ]);
});

test("who leaves everything behind asks again for what is still wanted", () => {
  const interest = new Interest();
  interest.want("drawer", ["HPG"]);
  interest.want("page", ["*"]);
  assert.deepEqual(interest.want("page", ["@HOSE"]), [
    { op: "unsubscribe", words: ["*"] },
    { op: "subscribe", words: ["HPG", "@HOSE"] },
  ]);
});

test("many symbols are asked for in several commands", () => {
  const words = Array.from({ length: 900 }, (_, n) => `S${n}`);
  assert.deepEqual(new Interest().want("page", words).map((command) => command.words.length), [400, 400, 100]);
});

const minute = (at, open, high, low, close, volume, revision = 0) => ({ at: at * 60_000, open, high, low, close, volume, revision });

test("bars of five minutes are made of those of one", () => {
  const minutes = new Map();
  for (const bar of [minute(6, 12, 15, 11, 14, 30), minute(0, 10, 12, 9, 11, 10), minute(4, 11, 11, 8, 9, 20)]) amend(minutes, bar);
  assert.deepEqual(barsOf(minutes, 5), [
    { at: 0, open: 10, high: 12, low: 8, close: 9, volume: 30 },
    { at: 300_000, open: 12, high: 15, low: 11, close: 14, volume: 30 },
  ]);
});

test("a minute that is told again replaces the first telling, and never the other way round", () => {
  const minutes = new Map();
  amend(minutes, minute(1, 1, 1, 1, 1, 10, 1));
  amend(minutes, minute(1, 1, 1, 1, 1, 5, 0));
  assert.equal(minutes.get(60_000).volume, 10);
  amend(minutes, minute(1, 1, 1, 1, 1, 12, 2));
  assert.equal(minutes.get(60_000).volume, 12);
});

test("the last bar is the one that runs, until it has been told", () => {
  const minutes = new Map([[0, minute(0, 1, 1, 1, 1, 1)]]);
  const running = { minute_ms: 60_000, open: 2, high: 3, low: 2, close: 3, volume: 7 };
  assert.deepEqual(barsOf(withRunning(minutes, running), 1).map((bar) => bar.close), [1, 3]);
  assert.equal(withRunning(minutes, { ...running, minute_ms: 0 }), minutes);
  assert.equal(withRunning(minutes, null), minutes);
  assert.equal(barAt(barsOf(minutes, 1), 90_000).at, 0);
  assert.equal(barAt([], 0), null);
});

test("today stands among the days as the board has it", () => {
  const days = [{ at: dayMs(20261119), open: 1, high: 1, low: 1, close: 1, volume: 1 }];
  const row = { day: 20261120, open: 2, high: 4, low: 1, last: 3, total_volume: 9 };
  assert.deepEqual(withToday(days, row).map((bar) => [bar.at, bar.close]), [[dayMs(20261119), 1], [Date.UTC(2026, 10, 20), 3]]);
  assert.equal(withToday(days, { ...row, last: null }), days);
});

test("the basis through the day is that at the end of each minute, and then the board's", () => {
  const minute = { minute: "2026-11-20 09:15:00", open: 100, high: 300, low: 50, close: 250, price: 190_250, index_value: 190_000 };
  const front = { ts_ms: Date.UTC(2026, 10, 20, 2, 16, 30), basis: -120, price: 189_880, index_value: 190_000 };
  assert.deepEqual(basisLine([minute], front), [
    { at: Date.UTC(2026, 10, 20, 2, 15), basis: 2.5, price: 1_902.5, index: 1_900 },
    { at: front.ts_ms, basis: -1.2, price: 1_898.8, index: 1_900 },
  ]);
  assert.equal(basisLine([minute], { ...front, ts_ms: 0 }).length, 1);
});

test("a volume is made of prints, gaps, fills and corrections, in each generation of the feed's counter", () => {
  const sum = (kind, volume, more = {}) => ({
    generation: 0, kind, phase: "", cause: "", late: false, clipped: false, anchored: true, lines: 1, volume, ...more,
  });
  const found = evidenceOf([
    sum("print", 700, { phase: "continuous", lines: 5 }),
    sum("print", 100, { phase: "continuous", late: true }),
    sum("print", 40, { phase: "continuous", clipped: true }),
    sum("print", 9_000, { phase: "put_through" }),
    sum("print", 3, { phase: "odd_lot", anchored: false }),
    sum("gap", 300, { cause: "lost" }),
    sum("fill", 100, {}),
    sum("fill", 50, { phase: "put_through" }),
    sum("correction", -20),
    sum("print", 10, { generation: 1, phase: "continuous" }),
    sum("reset", 0, { generation: 1 }),
    sum("status", 0),
  ]);
  assert.deepEqual(found.prints, { lines: 8, volume: 850 });
  assert.deepEqual([found.gaps.volume, found.fills.volume, found.corrections.volume], [300, 100, -20]);
  assert.deepEqual([found.late, found.clipped.volume, found.outside], [{ lines: 1, volume: 100 }, 40, { lines: 2, volume: 9_003 }]);
  assert.deepEqual([...found.causes], [["lost", { lines: 1, volume: 300 }]]);
  assert.deepEqual([...found.generations], [[0, 1_020], [1, 10]]);
  assert.equal(found.total, 1_030);
});

test("a treemap fills its room with areas in proportion, and loses nobody", () => {
  const sizes = [6, 6, 4, 3, 2, 2, 1];
  const tiles = squarified(sizes.map((size) => ({ size })), 600, 400);
  assert.equal(tiles.length, sizes.length);
  for (const { item, x, y, width, height } of tiles) {
    assert.ok(Math.abs(width * height - (item.size * 240_000) / 24) < 1e-6);
    assert.ok(x >= 0 && y >= 0 && x + width <= 600 + 1e-6 && y + height <= 400 + 1e-6);
    assert.ok(Math.max(width / height, height / width) < 3);
  }
  assert.deepEqual(squarified([{ size: 0 }], 10, 10), []);
});

test("a filter of alerts is severity, kind, symbol and whether they are new", () => {
  const alerts = [
    { alert_id: "1", severity: "critical", kind: "price_limit", symbol: "HPG" },
    { alert_id: "2", severity: "info", kind: "large_print", symbol: "HPX" },
  ];
  const all = { severity: "", kind: "", symbol: "", onlyNew: false };
  const ids = (change, seen = []) => alertsShown(alerts, { ...all, ...change }, new Set(seen)).map((alert) => alert.alert_id).join("");
  assert.deepEqual([ids({}), ids({ severity: "info" }), ids({ kind: "price_limit" }), ids({ symbol: " hpx" })], ["12", "2", "1", "2"]);
  assert.deepEqual([ids({ onlyNew: true }, ["1"]), ids({}, ["1"])], ["2", "12"]);
});

test("an address names a page, a tab, a symbol and what is open of it, and comes back the same", () => {
  const here = { page: "board", tab: "HOSE", symbol: "HPG", view: "why", at: 0 };
  assert.equal(addressOf(here), "#board/HOSE/HPG/why");
  assert.deepEqual(placeOf("#board/HOSE/HPG/why"), here);
  assert.equal(addressOf({ ...here, page: "alerts", symbol: "" }), "#alerts");
  assert.equal(placeOf("#HNX").tab, "HNX");
  assert.deepEqual(placeOf("#alerts//HPG/chart/1795140900000"), { page: "alerts", tab: "VN30", symbol: "HPG", view: "chart", at: 1_795_140_900_000 });
  assert.equal(placeOf("#board/VN30/<b>").symbol, "");
  assert.equal(placeOf("").page, "board");
});

test("a token is found in what is pasted, and what is none is told from one", () => {
  assert.equal(tokenIn("  Bearer aa.bb\n  .cc \n"), "aa.bb.cc");
  assert.equal(tokenIn('"aa.bb.cc"'), "aa.bb.cc");
  assert.deepEqual(["aa.bb-_.cc", "Bearer aa.bb.cc"].map(isToken), [true, true]);
  assert.deepEqual(["", "aa.bb", "aa.bb.cc.dd", "aa.b$.cc", `aa.${"b".repeat(8_000)}.cc`].map(isToken), Array(5).fill(false));
});

const at = (hour, minute, second = 0) => Date.UTC(2026, 10, 20, hour - 7, minute, second);

test("a line of the day has no room for the break at noon, nor for what is before and after", () => {
  assert.equal(SESSION_MINUTES, 270);
  const minutes = [at(8, 30), at(9, 0), at(9, 1), at(11, 30), at(12, 15), at(13, 0), at(14, 45), at(15, 0), at(16, 0)].map(tradedMinutes);
  assert.deepEqual(minutes, [0, 0, 1, 150, 150, 150, 255, 270, 270]);
});

test("the day of an index is the archive's up to the minute that runs, and the board's from there", () => {
  const day = new IndexDay();
  const row = (minute, value, second = 0) => ({ symbol: "VN30", ts_ms: at(9, minute, second), value });
  day.turn(20261120);
  day.take(row(16, 1_905, 40));
  const archive = (minute, close) => ({ symbol: "VN30", minute: `2026-11-20 09:${minute}:00`, close });
  day.fill([archive(14, 1_900), archive(15, 1_903), archive(16, 1_904)]);
  assert.deepEqual(day.line("VN30").map(({ value }) => value), [1_900, 1_903, 1_905]);
  day.take(row(17, 1_910));
  const before = day.revision;
  day.take(row(17, 1_910, 5));
  assert.equal(day.revision, before);
  // The page was away from 09:17 to 09:19: what it missed comes from the archive, and the end of the minute in which it left.
  day.take(row(19, 1_920));
  day.fill([archive(17, 1_912), archive(18, 1_915), archive(19, 1_919)]);
  assert.deepEqual(day.line("VN30").slice(-3).map(({ value }) => value), [1_912, 1_915, 1_920]);
  assert.deepEqual(day.line("VNINDEX"), []);
  day.turn(20261123);
  assert.deepEqual(day.line("VN30"), []);
});

test("a sparkline has the close of the day before in view", () => {
  const line = [{ at: at(9, 0), value: 110 }, { at: at(11, 15), value: 120 }];
  assert.deepEqual(sparkline(line, 100, 100, 32), { path: "M0 16L50 1", base: 31 });
  assert.deepEqual(sparkline(line.slice(0, 1), null, 100, 32), { path: "M0 16h1", base: null });
  assert.equal(sparkline([], 100, 100, 32), null);
  assert.deepEqual(byBars([{ at: at(9, 0), value: 1 }, { at: at(9, 4), value: 2 }, { at: at(9, 5), value: 3 }], 5), [
    { at: at(9, 0), value: 2 },
    { at: at(9, 5), value: 3 },
  ]);
});
