// The page of foreign investors: net today, who is bought and sold, where, and how it went through the day.

import { html, signal, useMemo } from "/vendor/preact.js";
import { Chart, startBaseline } from "./chart.js";
import { changeClass, mark } from "./colour.js";
import { archiveMs, billions, count, volume } from "./format.js";
import { ordered, nextSort } from "./order.js";
import { marketOf } from "./strip.js";
import { sectorName, t } from "./text.js";
import { squarified } from "./treemap.js";
import { ArchiveState, Signed, SymbolLink, useArchive } from "./use.js";

const SCOPES = ["#market", "#HOSE", "#HNX", "#UPCOM", "#VN30"];
const SECTOR = "#sector:";
const TILES = 60;
const ROWS = 40;
const MAP = { width: 760, height: 340 };
const AGAIN_BEATS = 20;

const sort = signal({ column: "net_value", descending: true });

export const scopeName = (scope) => (scope === "#market" ? t("market") : scope.slice(1));

/** The largest movers of a scope, with bars. */
export function Movers({ title, movers, colour }) {
  const largest = Math.max(1, ...movers.map((mover) => Math.abs(mover.net_value)));
  return html`<div class="movers ${colour}">
    <h3>${mark(colour)} ${title}</h3>
    <ol>
      ${movers.map(
        (mover) => html`<li key=${mover.symbol} data-mover=${mover.symbol}>
          <${SymbolLink} class="name" symbol=${mover.symbol} view="foreign" />
          <span class="bar" aria-hidden="true"><i style=${{ transform: `scaleX(${Math.abs(mover.net_value) / largest})` }} /></span>
          <span class="number ${colour}">${billions(mover.net_value, true)}</span>
        </li>`,
      )}
    </ol>
  </div>`;
}

function ScopeTable({ store }) {
  const table = store.tables.flow;
  const scopes = SCOPES.filter((scope) => table.keys.value.includes(scope));
  return html`<table class="scopes">
    <thead>
      <tr>
        <th scope="col"><span class="unseen">${t("scope")}</span></th><th scope="col">${t("bought")}</th><th scope="col">${t("sold")}</th>
        <th scope="col">${t("net")}</th>
      </tr>
    </thead>
    <tbody>
      ${scopes.map((scope) => {
        const row = table.get(scope);
        if (row === undefined) return null;
        return html`<tr key=${scope} data-scope=${scope}>
          <th scope="row">${scopeName(scope)}</th>
          <td class="number">${billions(row.bought_value)}</td>
          <td class="number">${billions(row.sold_value)}</td>
          <td class="number"><${Signed} value=${row.net_value} text=${billions(row.net_value, true)} /></td>
        </tr>`;
      })}
    </tbody>
  </table>`;
}

/** The panel below the board. */
export function FlowPanel({ store }) {
  const market = store.tables.flow.get("#market");
  return html`<section class="panel flow" aria-label=${t("flow")}>
    <h2>${t("flow")} <small>(${t("billion")} VND)</small></h2>
    ${market === undefined
      ? html`<p class="empty">${t("noFlow")}</p>`
      : html`<${ScopeTable} store=${store} />
          <div class="tops" tabindex="0" role="region" aria-label=${t("topBuy")}>
            <${Movers} title=${t("netBuy")} movers=${(market.buyers ?? []).slice(0, 10)} colour="up" />
            <${Movers} title=${t("netSell")} movers=${(market.sellers ?? []).slice(0, 10)} colour="down" />
          </div>`}
  </section>`;
}

function Treemap({ symbols, table }) {
  const rows = symbols.map((symbol) => table.peek(symbol)).filter((row) => row.net_value !== 0);
  const largest = rows.sort((a, b) => Math.abs(b.net_value) - Math.abs(a.net_value)).slice(0, TILES);
  const most = Math.abs(largest[0]?.net_value ?? 1);
  const tiles = squarified(largest.map((row) => ({ symbol: row.key, net: row.net_value, size: Math.abs(row.net_value) })), MAP.width, MAP.height);
  return html`<svg class="treemap" viewBox="0 0 ${MAP.width} ${MAP.height}" role="img" aria-label=${t("treemap")}>
    ${tiles.map(({ item, x, y, width, height }) => {
      const isNamed = width > 34 && height > 18;
      const size = Math.min(18, Math.max(9, width / 4.5));
      return html`<g key=${item.symbol} class=${item.net > 0 ? "up" : "down"} data-tile=${item.symbol} transform="translate(${x} ${y})">
        <title>${item.symbol}: ${billions(item.net, true)} ${t("billion")}</title>
        <rect width=${Math.max(0, width - 1)} height=${Math.max(0, height - 1)} fill-opacity=${0.25 + (0.55 * Math.abs(item.net)) / most} />
        ${isNamed && html`<text x=${width / 2} y=${height / 2 + (height > 34 ? -2 : size / 3)} font-size=${size}>${item.symbol}</text>`}
        ${isNamed && height > 34 && html`<text class="amount" x=${width / 2} y=${height / 2 + size} font-size=${Math.min(11, size)}>${billions(item.net, true)}</text>`}
      </g>`;
    })}
  </svg>`;
}

function Sectors({ store }) {
  const table = store.tables.flow;
  const rows = table.keys.value.filter((key) => key.startsWith(SECTOR)).map((key) => ({ name: key.slice(SECTOR.length), net: table.get(key)?.net_value ?? 0 }));
  rows.sort((a, b) => b.net - a.net);
  const largest = Math.max(1, ...rows.map((row) => Math.abs(row.net)));
  return html`<ul class="sector-bars">
    ${rows.map(
      (row) => html`<li key=${row.name} class=${changeClass(row.net)} data-sector=${row.name}>
        <span class="name">${sectorName(row.name)}</span>
        <span class="axis" aria-hidden="true">
          <i class=${row.net < 0 ? "left" : "right"} style=${{ transform: `scaleX(${Math.abs(row.net) / largest})` }} />
        </span>
        <span class="number">${mark(changeClass(row.net))} ${billions(row.net, true)}</span>
      </li>`,
    )}
  </ul>`;
}

function Cumulative({ store }) {
  const { day } = marketOf(store);
  const answer = useArchive(day ? "flow" : null, { day, scope: "market" }, store.round(AGAIN_BEATS));
  const market = store.tables.flow.get("#market");
  const said = `${answer.rows?.length} ${market?.ts_ms}`;
  const line = useMemo(() => {
    let sum = 0;
    const points = new Map();
    for (const row of answer.rows ?? []) points.set(archiveMs(row.ts), (sum += row.net_vnd) / 1e9);
    // What has come since the archive's last minute.
    const last = [...points.keys()].at(-1) ?? 0;
    if (market !== undefined && market.ts_ms > last) points.set(market.ts_ms, market.net_value / 1e9);
    return [...points].map(([at, value]) => ({ at, value }));
  }, [said]);
  const data = useMemo(() => ({ line, digits: 1 }), [line]);
  return html`<${ArchiveState} answer=${answer} /><${Chart} start=${startBaseline} data=${data} label=${t("cumulative")} className="low" />`;
}

const COLUMNS = [
  ["key", "symbol", (row) => row.key],
  ["bought", "bought", (row) => volume(row.bought)],
  ["sold", "sold", (row) => volume(row.sold)],
  ["net_volume", "netVolume", (row) => count(row.net_volume)],
  ["net_value", "netValue", (row) => html`<${Signed} value=${row.net_value} text=${billions(row.net_value, true)} />`],
  ["room", "room", (row) => count(row.room)],
];

// A phone has no room for these.
const WIDE = new Set(["net_volume", "room"]);

function SymbolTable({ symbols, table }) {
  const by = sort.value;
  const shown = ordered(symbols, (symbol) => table.peek(symbol)[by.column ?? "key"], by.descending).slice(0, ROWS);
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${t("flow")}>
    <table class="foreign-table">
      <thead>
        <tr>
          ${COLUMNS.map(
            ([name, word]) => html`<th key=${name} scope="col" class=${WIDE.has(name) ? "roomy" : ""} aria-sort=${by.column === name ? (by.descending ? "descending" : "ascending") : null}>
              <button type="button" data-way=${by.column === name ? (by.descending ? "▼" : "▲") : null} onClick=${() => (sort.value = nextSort(by, name))}>${t(word)}</button>
            </th>`,
          )}
        </tr>
      </thead>
      <tbody>
        ${shown.map((symbol) => {
          const row = table.peek(symbol);
          return html`<tr key=${symbol} data-flow=${symbol}>
            <th scope="row"><${SymbolLink} symbol=${symbol} view="foreign" /></th>
            ${COLUMNS.slice(1).map(([name, , text]) => html`<td key=${name} class="number ${name} ${WIDE.has(name) ? "roomy" : ""}">${text(row)}</td>`)}
          </tr>`;
        })}
      </tbody>
    </table>
  </div>`;
}

export function ForeignPage({ store }) {
  const table = store.tables.flow;
  const keys = table.keys.value;
  // What is drawn of many symbols is drawn every other second: nobody reads a map that moves faster.
  const beat = store.round(4);
  const symbols = useMemo(() => keys.filter((key) => !key.startsWith("#")), [keys]);
  const map = useMemo(() => html`<${Treemap} symbols=${symbols} table=${table} />`, [symbols, beat, t("treemap")]);
  const list = useMemo(() => html`<${SymbolTable} symbols=${symbols} table=${table} />`, [symbols, beat, sort.value, t("symbol")]);
  const market = table.get("#market");
  if (market === undefined) return html`<section class="page"><p class="empty">${t("noFlow")}</p></section>`;
  const net = market.net_value;
  const sentence = t(net > 0 ? "foreignBuys" : net < 0 ? "foreignSells" : "foreignEven", { value: billions(Math.abs(net)) });
  return html`<section class="page foreign-page">
    <p class="answer ${changeClass(net)}" data-net=${net}>${mark(changeClass(net))} ${sentence}</p>
    <div class="columns">
      <section class="panel"><h2>${t("flow")} <small>(${t("billion")} VND)</small></h2><${ScopeTable} store=${store} /></section>
      <section class="panel"><${Movers} title=${t("topSell")} movers=${market.sellers ?? []} colour="down" /></section>
      <section class="panel"><${Movers} title=${t("topBuy")} movers=${market.buyers ?? []} colour="up" /></section>
    </div>
    <div class="columns wide-first">
      <section class="panel"><h2>${t("treemap")}</h2>${map}</section>
      <section class="panel"><h2>${t("sectors")} <small>(${t("billion")} VND)</small></h2><${Sectors} store=${store} /></section>
    </div>
    <div class="columns">
      <section class="panel"><h2>${t("cumulative")} <small>(${t("billion")} VND)</small></h2><${Cumulative} store=${store} /></section>
      <section class="panel">${list}</section>
    </div>
  </section>`;
}
