// The price board: one table, one row a symbol, columns and colours as Vietnamese traders know them.

import { html, signal, useRef } from "/vendor/preact.js";
import { mark, movement, priceClass } from "./colour.js";
import { change, changePercent, compact, percent, price, volume } from "./format.js";
import { belongs, inOrder, TABS } from "./groups.js";
import { t } from "./text.js";

// A phone has room for the best level only.
const phone = matchMedia("(max-width: 700px)");
const levels = signal(phone.matches ? [1] : [1, 2, 3]);
phone.addEventListener("change", () => (levels.value = phone.matches ? [1] : [1, 2, 3]));
const worstFirst = () => [...levels.value].reverse();

/** A cell that flashes in the direction in which `value` moved. Two classes take turns: the same one again would not flash anew. */
function Cell({ name, value, colour = "", children }) {
  const last = useRef({ value, turn: 0, flash: "" });
  const moved = movement(last.current.value, value);
  if (moved !== "") last.current = { value, turn: 1 - last.current.turn, flash: moved };
  const { flash, turn } = last.current;
  return html`<td class="${name} ${colour} ${flash && `flash-${flash}-${turn}`}">${children}</td>`;
}

/** What stands for a level's price: orders to trade at whatever price the auction makes have none, only a name. */
function levelPrice(row, quoted, points) {
  if (quoted === undefined) return "";
  if (quoted === 0) return row.phase === "atc" ? "ATC" : "ATO";
  return price(quoted, points);
}

function Level({ row, side, level, points }) {
  const book = side === "bid" ? row.bids : row.asks;
  const quoted = book[2 * level - 2];
  const size = book[2 * level - 1];
  const colour = priceClass(quoted, row);
  return [
    html`<${Cell} name="${side}${level}-price number" value=${quoted} colour=${colour}>${levelPrice(row, quoted, points)}<//>`,
    html`<${Cell} name="${side}${level}-volume number" value=${size} colour=${colour}>${volume(size)}<//>`,
  ];
}

function Line({ store, symbol }) {
  const row = store.tables.px.get(symbol);
  const flow = store.tables.flow.get(symbol);
  const reference = store.tables.ref.get(symbol);
  const contract = store.tables.basis.get(symbol);
  const points = row.exchange === "DER";
  const auction = row.expected !== null && (row.phase === "ato" || row.phase === "atc");
  const shown = auction ? row.expected : row.last;
  const colour = priceClass(shown, row);
  const moved = shown === null ? null : shown - row.reference;
  return html`<tr data-symbol=${symbol} class=${auction ? "auction" : ""}>
    <th scope="row" class="symbol ${colour}" title=${reference?.name ?? symbol}>${symbol}${contract?.alias && html` <small>${contract.alias}</small>`}</th>
    <td class="reference-price number reference">${price(row.reference || null, points)}</td>
    <td class="ceiling-price limit number ceiling">${price(row.ceiling || null, points)}</td>
    <td class="floor-price limit number floor">${price(row.floor || null, points)}</td>
    ${worstFirst().map((level) => html`<${Level} key=${level} row=${row} side="bid" level=${level} points=${points} />`)}
    <${Cell} name="last number" value=${shown} colour=${colour}>
      ${auction && html`<abbr class="indicative" title=${t("expected")}>DK</abbr>`}${price(shown, points)}
    <//>
    <${Cell} name="last-volume number" value=${row.last_volume} colour=${colour}>${auction ? "" : volume(row.last_volume)}<//>
    <td class="change number ${colour}"><span class="mark">${mark(colour)}</span>${change(moved, points)}</td>
    <td class="percent number ${colour}">${percent(changePercent(shown, row.reference))}</td>
    ${levels.value.map((level) => html`<${Level} key=${level} row=${row} side="ask" level=${level} points=${points} />`)}
    <${Cell} name="total number" value=${row.total_volume}>${volume(row.total_volume)}<//>
    <td class="high number ${priceClass(row.high, row)}">${price(row.high, points)}</td>
    <td class="average number ${priceClass(row.average, row)}">${price(row.average, points)}</td>
    <td class="low number ${priceClass(row.low, row)}">${price(row.low, points)}</td>
    <${Cell} name="foreign-bought number" value=${flow?.bought}>${volume(flow?.bought)}<//>
    <${Cell} name="foreign-sold number" value=${flow?.sold}>${volume(flow?.sold)}<//>
    <td class="foreign-room number">${flow ? compact(flow.room) : ""}</td>
  </tr>`;
}

function Head() {
  const level = (n, side) => [
    html`<th scope="col" class=${side}>${t("price")} ${n}</th>`,
    html`<th scope="col" class=${side}>${t("volume")} ${n}</th>`,
  ];
  const span = 2 * levels.value.length;
  return html`<thead>
    <tr>
      <th scope="col" rowspan="2" class="symbol">${t("symbol")}</th>
      <th scope="col" rowspan="2">${t("reference")}</th>
      <th scope="col" rowspan="2" class="limit">${t("ceiling")}</th>
      <th scope="col" rowspan="2" class="limit">${t("floor")}</th>
      <th scope="colgroup" colspan=${span} class="side bid">${t("bidSide")}</th>
      <th scope="colgroup" colspan="4" class="side match">${t("match")}</th>
      <th scope="colgroup" colspan=${span} class="side ask">${t("askSide")}</th>
      <th scope="col" rowspan="2">${t("total")}</th>
      <th scope="col" rowspan="2">${t("high")}</th>
      <th scope="col" rowspan="2" class="average">${t("average")}</th>
      <th scope="col" rowspan="2">${t("low")}</th>
      <th scope="colgroup" colspan="3" class="side foreign">${t("foreign")}</th>
    </tr>
    <tr>
      ${worstFirst().map((n) => level(n, "bid"))}
      <th scope="col" class="match">${t("price")}</th>
      <th scope="col" class="match">${t("volume")}</th>
      <th scope="col" class="match">+/−</th>
      <th scope="col" class="match">± %</th>
      ${levels.value.map((n) => level(n, "ask"))}
      <th scope="col" class="foreign">${t("bought")}</th>
      <th scope="col" class="foreign">${t("sold")}</th>
      <th scope="col" class="foreign">${t("room")}</th>
    </tr>
  </thead>`;
}

/** The symbols of a tab. It depends on which rows there are, not on what is in them: when a price moves, only its line is drawn again. */
function symbolsOf(store, tab, search) {
  const { px, ref, basis } = store.tables;
  void ref.keys.value;
  void basis.keys.value;
  const rows = px.keys.value.map((symbol) => px.rows.get(symbol).peek());
  const contracts = new Map([...basis.rows].map(([symbol, row]) => [symbol, row.peek()]));
  const chosen = rows.filter((row) => belongs(tab, row, ref.rows.get(row.symbol)?.peek()) && row.symbol.includes(search));
  return inOrder(tab, chosen, contracts).map((row) => row.symbol);
}

export function Board({ store, tab, search, choose }) {
  const needle = search.value.trim().toUpperCase();
  const symbols = symbolsOf(store, tab.value, needle);
  const groupless = tab.value === "VN30" && store.tables.px.keys.value.length > 0;
  return html`<section class="board" aria-label=${t("title")}>
    <div class="toolbar">
      <nav aria-label=${t("boards")}>
        ${TABS.map(
          (name) => html`<button key=${name} type="button" data-tab=${name} aria-pressed=${tab.value === name} onClick=${() => choose(name)}>
            ${name === "FUT" ? t("futures") : name}
          </button>`,
        )}
      </nav>
      <input type="search" placeholder=${t("search")} aria-label=${t("search")} value=${search.value}
        onInput=${(event) => (search.value = event.currentTarget.value)} />
      <span class="units">${t(tab.value === "FUT" ? "pointUnits" : "units")}</span>
    </div>
    <div class="scroll" tabindex="0">
      <table>
        <caption>${t("title")} ${tab.value}</caption>
        <${Head} />
        <tbody>
          ${symbols.map((symbol) => html`<${Line} key=${symbol} store=${store} symbol=${symbol} />`)}
        </tbody>
      </table>
      ${symbols.length === 0 && html`<p class="empty">${t(needle ? "noMatch" : groupless ? "noGroups" : "noRows")}</p>`}
    </div>
  </section>`;
}
