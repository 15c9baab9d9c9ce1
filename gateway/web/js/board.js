// The price board: tabs, search, columns, and the sheet.

import { effect, html, signal, useEffect, useRef } from "/vendor/preact.js";
import { choosable, columnsOf, viewOf } from "./columns.js";
import { billions, price, volume } from "./format.js";
import { belongs, TABS } from "./groups.js";
import { found, nextSort, ordered } from "./order.js";
import { hiddenColumns, mine, pinned, toggled } from "./prefs.js";
import { go, here, symbolAddress } from "./router.js";
import { Sheet } from "./sheet.js";
import { language, t } from "./text.js";
import { SymbolLink, useArchive } from "./use.js";

const TAB_NAMES = { FUT: "futures", CW: "warrants", ODD: "oddLots", DEALS: "deals", MINE: "myList" };
export const tabName = (tab) => (TAB_NAMES[tab] ? t(TAB_NAMES[tab]) : tab);
const GROUPS = { bid: "bidSide", match: "match", ask: "askSide", foreign: "foreign", basis: "basis" };

export const search = signal("");
const sort = signal({ column: null, descending: false });
const choosing = signal(false); // whether the list of columns is open

/** What is shown, in its order; it depends on which rows there are, and while it is sorted on what is in them, each second. */
export function shownSymbols(store) {
  const { px, ref, flow, basis } = store.tables;
  const by = sort.value;
  const { tab } = here.value;
  const text = search.value;
  if (text.trim() !== "") return found(text, namesOf(store));
  const isSumOf = tab === "DEALS" || tab === "ODD";
  if (by.column !== null || isSumOf) void store.round(2);
  const chosen = px.keys.value.filter((symbol) => belongs(tab, px.peek(symbol), ref.peek(symbol), mine.value));
  void ref.keys.value;
  void basis.keys.value;
  const view = (symbol) => viewOf(symbol, px.peek(symbol), flow.peek(symbol), ref.peek(symbol), basis.peek(symbol));
  return ordered(chosen, keyOf(tab, by.column, view), by.column === null ? isSumOf : by.descending, pinned.value);
}

function keyOf(tab, id, view) {
  const column = columnsOf(tab).find((one) => one.id === id);
  if (column !== undefined) return (symbol) => column.key(view(symbol));
  // The order of each tab: futures by month, which their codes do not sort by; what is traded beside the book by its volume.
  if (tab === "FUT") return (symbol) => [view(symbol).contract?.underlying === "VN30" ? 0 : 1, view(symbol).contract?.month ?? 0].join();
  if (tab === "DEALS" || tab === "ODD") return (symbol) => columnsOf(tab).find((one) => /-volume$/.test(one.id)).key(view(symbol));
  if (tab === "MINE") return (symbol) => mine.peek().indexOf(symbol);
  return (symbol) => symbol;
}

const namesOf = (store) => {
  void store.tables.ref.keys.value;
  const names = new Map([...store.tables.px.rows.keys()].map((symbol) => [symbol, null]));
  for (const [symbol, row] of store.tables.ref.rows) names.set(symbol, row.name);
  return names;
};

function startSheet(root, store) {
  const { px, flow, ref, basis } = store.tables;
  const sheet = new Sheet(root, {
    view: (symbol) => viewOf(symbol, px.peek(symbol), flow.peek(symbol), ref.peek(symbol), basis.peek(symbol)),
    caption: () => `${t("title")} ${tabName(here.peek().tab)}`,
    heading: (column) => (column.level > 0 ? `${t(column.head)} ${column.level}` : t(column.head)),
    groupName: (group) => t(GROUPS[group]),
    sortLabel: (column, heading) => {
      const over = column.group === undefined ? "" : `, ${t(GROUPS[column.group])}`;
      return t("sortBy", { column: `${heading}${over}` });
    },
    label: (sign) => (sign === "DK" ? t("expectedMark") : sign),
    href: (symbol) => symbolAddress(symbol),
    open: (symbol) => go({ symbol, view: "chart", at: 0 }),
    star: (symbol) => (mine.value = toggled(mine.peek(), symbol)),
    isMine: (symbol) => mine.peek().includes(symbol),
    starLabel: (symbol) => t(mine.peek().includes(symbol) ? "removeFromList" : "addToList", { symbol }),
    word: () => language.peek(),
    sortBy: (column) => (sort.value = nextSort(sort.peek(), column)),
  });
  const stops = [
    effect(() => {
      void language.value;
      const { tab } = here.value;
      sheet.show(columnsOf(tab).filter((column) => !hiddenColumns.value.includes(column.id)));
    }),
    effect(() => sheet.arrange(shownSymbols(store), sort.value)),
    effect(() => {
      void mine.value;
      sheet.updateStars();
    }),
    store.onDraw((changed) => {
      const symbols = new Set();
      for (const ch of ["px", "flow", "ref", "basis"]) if (changed[ch]) for (const key of changed[ch]) symbols.add(key);
      sheet.update(symbols);
    }),
  ];
  sheet.stop = sheet.end;
  sheet.end = () => {
    for (const stop of stops) stop();
    sheet.stop();
  };
  return sheet;
}

function ColumnChoice() {
  const { tab } = here.value;
  const hidden = hiddenColumns.value;
  return html`<div class="choice">
    <button type="button" aria-expanded=${choosing.value} onClick=${() => (choosing.value = !choosing.value)}>${t("columns")} ▾</button>
    ${choosing.value &&
    html`<fieldset class="menu">
      <legend class="unseen">${t("columns")}</legend>
      ${choosable(tab).map(
        (column) => html`<label key=${column.id}>
          <input type="checkbox" checked=${!hidden.includes(column.id)} data-column=${column.id}
            onChange=${() => (hiddenColumns.value = toggled(hidden, column.id))} />
          ${column.group ? `${t(GROUPS[column.group])}: ` : ""}${t(column.head)}${column.level > 0 ? ` ${column.level}` : ""}
        </label>`,
      )}
    </fieldset>`}
  </div>`;
}

function Deals({ store }) {
  const today = store.heartbeat.value?.day;
  const round = store.round(20);
  const answer = useArchive(today ? "deals" : null, { day: today, order: "newest", limit: 200 }, round, 1);
  if (answer.rows === null || answer.rows.length === 0) return null;
  return html`<section class="panel deals" aria-label=${t("dealList")}>
    <h2>${t("dealList")} <small>${t("archiveDelay")}</small></h2>
    <div class="scroll" tabindex="0">
      <table>
        <thead>
          <tr>
            <th scope="col">${t("time")}</th><th scope="col">${t("symbol")}</th><th scope="col">${t("price")}</th>
            <th scope="col">${t("volume")}</th><th scope="col">${t("value")} (${t("billion")})</th>
          </tr>
        </thead>
        <tbody>
          ${answer.rows.map(
            (deal) => html`<tr key=${`${deal.partition}.${deal.offset}.${deal.idx}`} class="deal">
              <td>${deal.ts.slice(11, 19)}</td><th scope="row"><${SymbolLink} symbol=${deal.symbol} /></th>
              <td class="number">${price(deal.price, deal.exchange === "DER")}</td><td class="number">${volume(deal.volume)}</td>
              <td class="number">${billions(deal.value)}</td>
            </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </section>`;
}

function Empty({ store }) {
  const { tab } = here.value;
  if (shownSymbols(store).length > 0) return null;
  if (search.value.trim() !== "") return html`<p class="empty">${t("noMatch")}</p>`;
  const groupless = tab === "VN30" && store.tables.px.keys.value.length > 0;
  const words = { MINE: "noList", DEALS: "noDeals", ODD: "noOddLots" };
  return html`<p class="empty">${t(words[tab] ?? (groupless ? "noGroups" : "noRows"))}</p>`;
}

export function Board({ store, box }) {
  const { tab } = here.value;
  const root = useRef(null);
  const sheet = useRef(null);
  useEffect(() => {
    sheet.current = startSheet(root.current, store);
    return () => sheet.current.end();
  }, []);
  useEffect(() => {
    sheet.current.flashes.recolour();
  });
  const pressed = (event) => {
    if (event.key === "Escape") {
      search.value = "";
      event.currentTarget.blur();
    } else if (event.key === "ArrowDown") {
      event.preventDefault();
      sheet.current.selectPlace(0);
    } else if (event.key === "Enter") {
      const first = shownSymbols(store)[0];
      if (first !== undefined) go({ symbol: first, view: "chart", at: 0 });
    }
  };
  const isFound = search.value.trim() !== "";
  return html`<section class="board" aria-label=${t("title")}>
    <div class="toolbar">
      <nav class="tabs" aria-label=${t("boards")}>
        ${TABS.map(
          (name) => html`<button key=${name} type="button" data-tab=${name} aria-pressed=${!isFound && tab === name}
            onClick=${() => {
              search.value = "";
              go({ tab: name });
            }}>${tabName(name)}${name === "MINE" && mine.value.length > 0 ? ` (${mine.value.length})` : ""}</button>`,
        )}
      </nav>
      <input ref=${box} type="search" placeholder=${t("search")} aria-label=${t("search")} value=${search.value} autocomplete="off"
        spellcheck=${false} onInput=${(event) => (search.value = event.currentTarget.value)} onKeyDown=${pressed} />
      <${ColumnChoice} />
      <span class="units">${t(tab === "FUT" ? "pointUnits" : "units")}</span>
    </div>
    <div class="scroll sheet" tabindex="0" ref=${root} role="region" aria-label=${`${t("title")} ${isFound ? t("found") : tabName(tab)}`}></div>
    <${Empty} store=${store} />
    ${tab === "DEALS" && !isFound && html`<${Deals} store=${store} />`}
  </section>`;
}
