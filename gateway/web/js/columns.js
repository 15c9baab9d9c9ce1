// The columns of the board: what stands in a cell, in which colour, what flashes, and what is sorted by (pure).
//
// A column is {id, group, head, width, rank, cell, key, aka}: `group` is the heading above it; `head` a word; `rank` says how soon it is
// left out where the page is narrow (0: never); `cell(view)` gives {text, colour, value, mark}, of which `value` flashes when it moves;
// `key(view)` is what a click on the heading sorts by. `{n}` levels of the book are columns of their own.

import { mark, priceClass } from "./colour.js";
import { billions, change, changePercent, compact, percent, price, shortDay, volume } from "./format.js";
import { phaseSum } from "./groups.js";

const NOTHING = { text: "", colour: "none" };

/** All that a line of the board is made of. `row` may be missing: then there is only a symbol. */
export function viewOf(symbol, row, flow, reference, contract) {
  const points = (row?.exchange ?? reference?.exchange) === "DER";
  if (row === undefined) return { symbol, row: null, flow, reference, contract, points, auction: false, shown: null, colour: "none" };
  const auction = row.expected !== null && (row.phase === "ato" || row.phase === "atc");
  const shown = auction ? row.expected : row.last;
  return { symbol, row, flow, reference, contract, points, auction, shown, colour: priceClass(shown, row) };
}

/** What stands for a level's price: orders to trade at whatever price the auction makes have none, only a name. */
function levelPrice(row, quoted, points) {
  if (quoted === undefined) return "";
  if (quoted === 0) return row.phase === "atc" ? "ATC" : "ATO";
  return price(quoted, points);
}

function level(side, n) {
  const book = side === "bid" ? "bids" : "asks";
  const rank = n === 1 ? 2 : 3 + n;
  const of = (view, at) => view.row[book][2 * n - 2 + at];
  return [
    {
      id: `${side}${n}-price`, group: side, head: "price", level: n, width: 46, rank,
      cell: (view) => ({
        text: levelPrice(view.row, of(view, 0), view.points), colour: priceClass(of(view, 0), view.row), value: of(view, 0),
      }),
      key: (view) => of(view, 0),
    },
    {
      id: `${side}${n}-volume`, group: side, head: "volume", level: n, width: 56, rank: rank + (n === 1 ? 2 : 0),
      cell: (view) => ({ text: volume(of(view, 1)), colour: priceClass(of(view, 0), view.row), value: of(view, 1) }),
      key: (view) => of(view, 1),
    },
  ];
}

/** A price of the day that does not flash: reference, limits, high, low. */
function plainPrice(id, width, rank, of, head = id) {
  const value = (view) => of(view.row) || null;
  return {
    id: `${id}`, head, width, rank, cell: (view) => ({ text: price(value(view), view.points), colour: priceClass(value(view), view.row) }), key: value,
  };
}

const limitPrice = (id, head, rank, of) => ({
  id, head, width: 46, rank, cell: (view) => ({ text: price(of(view.row) || null, view.points), colour: head }), key: (view) => of(view.row) || null,
});

const SYMBOL = {
  id: "symbol", head: "symbol", width: 70, rank: 0, cell: (view) => ({ text: view.symbol, colour: view.colour }), key: (view) => view.symbol,
};
const REFERENCE = limitPrice("reference-price", "reference", 6, (row) => row.reference);
const CEILING = limitPrice("ceiling-price", "ceiling", 6, (row) => row.ceiling);
const FLOOR = limitPrice("floor-price", "floor", 6, (row) => row.floor);
const LAST = {
  id: "last", group: "match", head: "price", width: 54, rank: 0,
  cell: (view) => ({ text: price(view.shown, view.points), colour: view.colour, value: view.shown, mark: view.auction ? "DK" : "" }),
  key: (view) => view.shown,
};
const LAST_VOLUME = {
  id: "last-volume", group: "match", head: "volume", width: 56, rank: 4,
  cell: (view) => (view.auction ? NOTHING : { text: volume(view.row.last_volume), colour: view.colour, value: view.row.last_volume }),
  key: (view) => view.row.last_volume,
};
const moved = (view) => (view.shown === null ? null : view.shown - view.row.reference);
const CHANGE = {
  id: "change", group: "match", head: "change", width: 58, rank: 3,
  cell: (view) => ({ text: change(moved(view), view.points), colour: view.colour, mark: mark(view.colour) }),
  key: moved,
};
const ratio = (view) => changePercent(view.shown, view.row.reference);
const PERCENT = {
  id: "percent", group: "match", head: "percent", width: 50, rank: 0, cell: (view) => ({ text: percent(ratio(view)), colour: view.colour }), key: ratio,
};
const TOTAL = {
  id: "total", head: "total", width: 74, rank: 0, cell: (view) => ({ text: volume(view.row.total_volume), value: view.row.total_volume }),
  key: (view) => view.row.total_volume,
};
const FOREIGN = [
  {
    id: "foreign-bought", group: "foreign", head: "bought", width: 64, rank: 5,
    cell: (view) => ({ text: volume(view.flow?.bought), value: view.flow?.bought }), key: (view) => view.flow?.bought,
  },
  {
    id: "foreign-sold", group: "foreign", head: "sold", width: 64, rank: 5,
    cell: (view) => ({ text: volume(view.flow?.sold), value: view.flow?.sold }), key: (view) => view.flow?.sold,
  },
  {
    id: "foreign-room", group: "foreign", head: "room", width: 54, rank: 6,
    cell: (view) => ({ text: view.flow ? compact(view.flow.room) : "" }), key: (view) => view.flow?.room,
  },
];
const DAY = [
  plainPrice("high", 46, 7, (row) => row.high),
  plainPrice("average", 46, 8, (row) => row.average),
  plainPrice("low", 46, 7, (row) => row.low),
];
const BOOK_AND_MATCH = [
  ...level("bid", 3), ...level("bid", 2), ...level("bid", 1),
  LAST, LAST_VOLUME, CHANGE, PERCENT,
  ...level("ask", 1), ...level("ask", 2), ...level("ask", 3),
];

const BASIS = [
  {
    id: "basis", group: "basis", head: "spread", width: 62, rank: 3,
    cell: (view) => ({ text: change(view.contract?.basis, true, 2), colour: signClass(view.contract?.basis), value: view.contract?.basis }),
    key: (view) => view.contract?.basis,
  },
  {
    id: "expiry", group: "basis", head: "expiry", width: 76, rank: 5,
    cell: (view) => ({ text: view.reference?.last_trading_day ? shortDay(view.reference.last_trading_day) : "" }),
    key: (view) => view.reference?.last_trading_day ?? view.contract?.month,
  },
];

const deal = (view) => (view.row.put_through_volume > 0 ? { volume: view.row.put_through_volume, value: phaseSum(view.row, "put_through")?.value ?? null } : null);
const odd = (view) => phaseSum(view.row, "odd_lot");

/** Volume, value and average price of what is traded beside the order book. */
function beside(of, names) {
  const averageOf = (view) => (of(view)?.value ? Math.round(of(view).value / of(view).volume) : null);
  return [
    { id: names.volume, head: names.volumeHead, width: 92, rank: 0, cell: (view) => ({ text: volume(of(view)?.volume), value: of(view)?.volume }), key: (view) => of(view)?.volume },
    {
      id: names.value, head: names.valueHead, width: 84, rank: 0,
      cell: (view) => ({ text: of(view)?.value ? billions(of(view).value) : "" }), key: (view) => of(view)?.value,
    },
    {
      id: names.average, head: "averagePrice", width: 80, rank: 2,
      cell: (view) => ({ text: price(averageOf(view), false), colour: priceClass(averageOf(view), view.row) }), key: averageOf,
    },
  ];
}

const signClass = (value) => (value > 0 ? "up" : value < 0 ? "down" : value === 0 ? "reference" : "none");

const STOCKS = [SYMBOL, REFERENCE, CEILING, FLOOR, ...BOOK_AND_MATCH, TOTAL, ...DAY, ...FOREIGN];
const DEALS = [SYMBOL, REFERENCE, CEILING, FLOOR, LAST, PERCENT, ...beside(deal, { volume: "deal-volume", volumeHead: "dealVolume", value: "deal-value", valueHead: "dealValue", average: "deal-price" }), { ...TOTAL, rank: 3 }];
const ODD = [SYMBOL, REFERENCE, CEILING, FLOOR, LAST, PERCENT, ...beside(odd, { volume: "odd-volume", volumeHead: "oddVolume", value: "odd-value", valueHead: "oddValue", average: "odd-price" }), { ...TOTAL, rank: 3 }];
const FUTURES = [{ ...SYMBOL, width: 120 }, REFERENCE, CEILING, FLOOR, ...BOOK_AND_MATCH, TOTAL, ...DAY, ...BASIS];

/** The columns of a tab, from left to right. */
export function columnsOf(tab) {
  if (tab === "FUT") return FUTURES;
  if (tab === "DEALS") return DEALS;
  return tab === "ODD" ? ODD : STOCKS;
}

/** The columns that a user may leave out, by id: a heading of several stands or falls as one. */
export function choosable(tab) {
  return columnsOf(tab).filter((column) => !["symbol", "last", "percent"].includes(column.id));
}
