// All that is known of one symbol: chart, tape, foreign trade, alerts, and why its numbers are what they are.

import { html, signal, useEffect, useMemo, useState } from "/vendor/preact.js";
import { amend, barAt, barsOf, basisLine, dayMs, withRunning, withToday } from "./bars.js";
import { Chart, startCandles } from "./chart.js";
import { changeClass, mark, priceClass } from "./colour.js";
import { viewOf } from "./columns.js";
import { contractsOf, nameOf } from "./derivatives.js";
import { evidenceOf } from "./evidence.js";
import { archiveMs, billions, change, changePercent, compact, count, percent, price, volume } from "./format.js";
import { byBars } from "./indexday.js";
import { mine, overlays, pinned, toggled } from "./prefs.js";
import { go, here, symbolAddress } from "./router.js";
import { statusName, t } from "./text.js";
import { ArchiveState, useArchive } from "./use.js";
import { AlertList } from "./alerts.js";
import { marketOf } from "./strip.js";

const VIEWS = { chart: "chart", tape: "tape", foreign: "foreign", alerts: "alerts", why: "why" };
const INTERVALS = { 1: "interval1", 5: "interval5", 15: "interval15", day: "intervalDay" };
const interval = signal("1");
// How often what the archive says is asked for again while it is looked at, in beats of half a second.
const AGAIN_BEATS = 8;
const TAPE_ROWS = 200;
const YEAR_MS = 365 * 86_400_000;

const roundOf = (store) => store.round(AGAIN_BEATS);

function Head({ view }) {
  const { row, symbol, points, reference, flow } = view;
  const moved = view.shown === null ? null : view.shown - row.reference;
  const cell = (word, value, colour = "none") => html`<div><dt>${t(word)}</dt><dd class=${colour}>${value || "–"}</dd></div>`;
  return html`
    <p class="headline ${view.colour}">
      <span class="value">${price(view.shown, points) || "–"}</span>
      ${moved !== null && html`<span class="move">${mark(view.colour)} ${change(moved, points)} (${percent(changePercent(view.shown, row.reference))}%)</span>`}
      ${view.auction && html`<span class="indicative">${t("expected")}</span>`}
      ${row?.status && statusName(row.status) && html`<span class="status">${statusName(row.status)}</span>`}
    </p>
    <dl class="facts">
      ${cell("ceiling", price(row?.ceiling || null, points), "ceiling")}
      ${cell("reference", price(row?.reference || null, points), "reference")}
      ${cell("floor", price(row?.floor || null, points), "floor")}
      ${cell("open", price(row?.open, points), row ? priceClass(row.open, row) : "none")}
      ${cell("high", price(row?.high, points), row ? priceClass(row.high, row) : "none")}
      ${cell("low", price(row?.low, points), row ? priceClass(row.low, row) : "none")}
      ${cell("average", price(row?.average, points), row ? priceClass(row.average, row) : "none")}
      ${cell("total", volume(row?.total_volume))}
      ${cell("value", row?.total_value ? `${billions(row.total_value)} ${t("billion")}` : "")}
      ${flow && cell("net", `${billions(flow.net_value, true)} ${t("billion")}`, changeClass(flow.net_value))}
      ${flow && cell("room", compact(flow.room))}
    </dl>
  `;
}

/** Minutes of the archive, those that are told meanwhile, and the one that runs. */
function useMinutes(store, symbol, today) {
  const answer = useArchive(today ? `candles/${symbol}` : null, { day: today }, 0);
  const [told, setTold] = useState(new Map());
  useEffect(() => {
    setTold(new Map());
    return store.onCandle((candle) => {
      if (candle.symbol !== symbol || candle.day !== today) return;
      setTold((before) => {
        const after = new Map(before);
        amend(after, { ...candle, at: candle.minute_ms });
        return after;
      });
    });
  }, [symbol, today]);
  const minutes = useMemo(() => {
    const all = new Map();
    for (const bar of answer.rows ?? []) amend(all, { ...bar, at: archiveMs(bar.minute) });
    for (const bar of told.values()) amend(all, bar);
    return all;
  }, [answer, told]);
  return { answer, minutes };
}

const OVERLAYS = { vn30: "overlayIndex", basis: "overlayBasis" };
const OVERLAY_BEATS = 20;

/**
 * What the chart shows beside the symbol, as its user chose: {vn30, basis}, each [{at, value}] in points by bars of `length` minutes,
 * and {contract}, whose basis it is.
 */
function useOverlays(store, today, length, isDay) {
  const isShown = (name) => !isDay && overlays.value.includes(name);
  const [front] = isShown("basis") ? contractsOf(store) : [];
  const asked = front === undefined || today === null ? null : "basis";
  const answer = useArchive(asked, { day: today, symbol: front?.symbol }, store.round(OVERLAY_BEATS));
  void store.filled.value;
  const index = isShown("vn30") && store.indexDay.day === today ? store.indexDay.line("VN30") : [];
  const basis = asked === null ? [] : basisLine(answer.rows ?? [], front).map(({ at, basis: value }) => ({ at, value }));
  return {
    vn30: byBars(index, length).map(({ at, value }) => ({ at, value: value / 100 })),
    basis: byBars(basis, length),
    contract: front === undefined ? "" : nameOf(front),
  };
}

/** The last values of what is shown beside the symbol. */
function Legend({ shown }) {
  const [index, basis] = [shown.vn30.at(-1)?.value, shown.basis.at(-1)?.value];
  if (index === undefined && basis === undefined) return null;
  return html`<p class="legend">
    ${index !== undefined && html`<span class="floor" data-overlay-value="vn30">VN30 ${price(Math.round(index * 100), true, 2)}</span> `}
    ${basis !== undefined &&
    html`<span class=${changeClass(basis)} data-overlay-value="basis">${shown.contract} − VN30 ${change(Math.round(basis * 100), true, 2)}</span>`}
  </p>`;
}

function SymbolChart({ store, view }) {
  const { symbol, points, row } = view;
  const today = row?.day ?? marketOf(store).day;
  const length = interval.value;
  const isDay = length === "day";
  const { answer, minutes } = useMinutes(store, symbol, today);
  const days = useArchive(isDay && today ? `candles/daily/${symbol}` : null, { from: dayBefore(today), to: today });
  const gaps = useArchive(today ? `trades/${symbol}` : null, { day: today, kind: "gap" }, roundOf(store));
  const bars = isDay
    ? withToday((days.rows ?? []).map((bar) => ({ ...bar, at: Date.parse(bar.day) })), row)
    : barsOf(withRunning(minutes, row?.candle), Number(length));
  const alerts = store.alerts.value.filter((alert) => alert.symbol === symbol && alert.day === today);
  const marks = isDay ? [] : [...gapMarks(gaps.rows ?? [], bars), ...alertMarks(alerts, bars)].sort((a, b) => a.at - b.at);
  const beside = useOverlays(store, today, Number(length), isDay);
  const last = bars.at(-1);
  // What the archive has comes after the bar that runs: then there is another stretch of time to show.
  const key = `${symbol} ${length} ${here.value.at} ${(isDay ? days : answer).rows !== null}`;
  // The chart is set anew only when what it shows has changed.
  const besides = [beside.vn30, beside.basis].map((line) => [line.length, line.at(-1)]);
  const said = JSON.stringify([key, bars.length, last, marks.length, answer.rows?.length, days.rows?.length, besides]);
  const data = useMemo(() => ({ bars, marks, points, isDay, at: here.value.at, key, beside }), [said]);
  const shown = isDay ? days : answer;
  return html`<div class="symbol-chart" data-last-bar=${last ? last.close : ""}>
    <nav class="tabs" aria-label=${t("intervals")}>
      ${Object.entries(INTERVALS).map(
        ([name, word]) => html`<button key=${name} type="button" aria-pressed=${length === name} data-interval=${name}
          onClick=${() => (interval.value = name)}>${t(word)}</button>`,
      )}
      ${!isDay &&
      Object.entries(OVERLAYS).map(
        ([name, word]) => html`<button key=${name} type="button" class="overlay" aria-pressed=${overlays.value.includes(name)} data-overlay=${name}
          onClick=${() => (overlays.value = toggled(overlays.peek(), name))}>${t(word)}</button>`,
      )}
      ${marks.length > 0 && html`<span class="note">${t("gapsOnChart")}</span>`}
    </nav>
    <${Legend} shown=${beside} />
    ${bars.length === 0 && shown.rows !== null && html`<p class="empty">${t("noCandles")}</p>`}
    ${bars.length === 0 && html`<${ArchiveState} answer=${shown} />`}
    <${Chart} key=${symbol} start=${startCandles} data=${data} label=${`${t("chart")} ${symbol} ${t(INTERVALS[length])}`} />
  </div>`;
}

/** One mark for each bar that has gaps: what is missing there. */
function gapMarks(gaps, bars) {
  const missing = new Map();
  for (const gap of gaps) {
    const ms = archiveMs(gap.ts);
    const at = (barAt(bars, ms) ?? bars[0])?.at;
    if (at !== undefined && gap.cause !== "before_start") missing.set(at, (missing.get(at) ?? 0) + gap.volume);
  }
  return [...missing].map(([at, lacking]) => ({ at, text: `⌇${compact(lacking)}`, isAlert: false }));
}

/** One mark for each bar in which alerts fired: how many. */
function alertMarks(alerts, bars) {
  const fired = new Map();
  for (const alert of alerts) {
    const at = barAt(bars, alert.ts_ms)?.at;
    if (at !== undefined) fired.set(at, (fired.get(at) ?? 0) + 1);
  }
  return [...fired].map(([at, count]) => ({ at, text: `!${count > 1 ? count : ""}`, isAlert: true }));
}

const dayBefore = (today) => {
  const from = new Date(dayMs(today ?? 20200101) - YEAR_MS);
  return from.getUTCFullYear() * 10_000 + (from.getUTCMonth() + 1) * 100 + from.getUTCDate();
};

const SIDES = { buy: "activeBuy", sell: "activeSell", neutral: "neutral" };
const SIGNS = { buy: ["▲", "up"], sell: ["▼", "down"], neutral: ["■", "reference"] };

function TapeLine({ line, view }) {
  const { points, row } = view;
  const isPrint = line.kind === "print";
  const flags = [
    isPrint ? "" : line.kind,
    line.late ? "late" : "",
    line.clipped ? "clipped" : "",
    line.phase === "put_through" ? "putThrough" : line.phase === "odd_lot" ? "oddLot" : isPrint && !line.anchored ? "unanchored" : "",
  ].filter(Boolean);
  const [sign, colour] = SIGNS[line.side] ?? ["", ""];
  return html`<tr class="tape-line ${line.kind}" data-place=${`${line.partition}.${line.offset}.${line.idx}`}>
    <td>${line.ts.slice(11, 19)}</td>
    <td class="number ${row ? priceClass(line.price, row) : ""}">${price(line.price, points)}</td>
    <td class="number">${line.kind === "status" ? "" : volume(line.volume)}</td>
    <td class=${colour} title=${line.side ? t(SIDES[line.side]) : ""}>${sign}<span class="unseen">${line.side ? t(SIDES[line.side]) : ""}</span></td>
    <td class="flags">${flags.map((flag) => html`<span class="flag ${flag}">${t(flag)}${flag === "gap" && line.cause ? `: ${t(line.cause)}` : ""}</span> `)}</td>
    <td class="number">${volume(line.total_volume)}</td>
  </tr>`;
}

function Tape({ store, view }) {
  const today = view.row?.day;
  const answer = useArchive(today ? `trades/${view.symbol}` : null, { day: today, order: "newest", limit: TAPE_ROWS }, roundOf(store), 1);
  return html`<div class="tape">
    <p class="note">${t("archiveDelay")}</p>
    <${ArchiveState} answer=${answer} />
    ${answer.rows?.length === 0 && html`<p class="empty">${t("noTape")}</p>`}
    ${answer.rows?.length > 0 &&
    html`<table>
      <thead>
        <tr>
          <th scope="col">${t("time")}</th><th scope="col">${t("price")}</th><th scope="col">${t("volume")}</th><th scope="col">${t("side")}</th>
          <th scope="col"><span class="unseen">${t("kind")}</span></th><th scope="col">${t("total")}</th>
        </tr>
      </thead>
      <tbody>${answer.rows.map((line) => html`<${TapeLine} key=${`${line.partition}.${line.offset}.${line.idx}`} line=${line} view=${view} />`)}</tbody>
    </table>`}
  </div>`;
}

const LEDGER = { delta: "print", catch_up: "late", correction: "correction", reset: "reset", revaluation: "correction", room: "room" };

function Foreign({ store, view }) {
  const today = view.row?.day;
  const { flow } = view;
  const answer = useArchive(today ? `foreign/${view.symbol}` : null, { day: today, order: "newest", limit: TAPE_ROWS }, roundOf(store), 1);
  return html`<div class="tape">
    ${flow &&
    html`<dl class="facts">
      <div><dt>${t("bought")}</dt><dd>${count(flow.bought)} · ${billions(flow.bought_value)} ${t("billion")}</dd></div>
      <div><dt>${t("sold")}</dt><dd>${count(flow.sold)} · ${billions(flow.sold_value)} ${t("billion")}</dd></div>
      <div><dt>${t("net")}</dt><dd class=${changeClass(flow.net_value)}>${mark(changeClass(flow.net_value))} ${billions(flow.net_value, true)} ${t("billion")}</dd></div>
      <div><dt>${t("speed")}</dt><dd>${count(flow.buy_speed_1m - flow.sell_speed_1m)}</dd></div>
      <div><dt>${t("room")}</dt><dd>${count(flow.room)}</dd></div>
    </dl>`}
    <p class="note">${t("archiveDelay")}</p>
    <${ArchiveState} answer=${answer} />
    ${answer.rows?.length === 0 && html`<p class="empty">${t("noFlow")}</p>`}
    ${answer.rows?.length > 0 &&
    html`<table>
      <thead>
        <tr>
          <th scope="col">${t("time")}</th><th scope="col">${t("side")}</th><th scope="col">${t("volume")}</th>
          <th scope="col">${t("value")} (${t("billion")})</th><th scope="col"><span class="unseen">${t("kind")}</span></th><th scope="col">${t("room")}</th>
        </tr>
      </thead>
      <tbody>
        ${answer.rows.map((line) => {
          const colour = line.side === "buy" ? "up" : "down";
          return html`<tr key=${`${line.partition}.${line.offset}.${line.idx}`}>
            <td>${line.ts.slice(11, 19)}</td>
            <td class=${colour}>${mark(colour)} ${t(line.side === "buy" ? "bought" : "sold")}</td>
            <td class="number">${line.volume < 0 ? "−" : ""}${volume(Math.abs(line.volume))}</td>
            <td class="number">${billions(line.value)}</td>
            <td class="flags">${line.kind === "delta" ? "" : html`<span class="flag ${line.kind}">${t(LEDGER[line.kind])}</span>`}</td>
            <td class="number">${compact(line.room)}</td>
          </tr>`;
        })}
      </tbody>
    </table>`}
  </div>`;
}

function Why({ store, view }) {
  const { symbol, row, flow } = view;
  const today = row?.day;
  const round = roundOf(store);
  const sums = useArchive(today ? `volume/${symbol}` : null, { day: today }, round);
  const gaps = useArchive(today ? `trades/${symbol}` : null, { day: today, kind: "gap", order: "newest", limit: 50 }, round, 1);
  if (sums.rows === null) return html`<${ArchiveState} answer=${sums} />`;
  const found = evidenceOf(sums.rows);
  const share = (part) => (found.total > 0 ? `${((part.volume * 100) / found.total).toFixed(1)} %` : "");
  const line = (word, part, className = "") =>
    html`<tr class=${className} data-part=${word}>
      <th scope="row">${t(word)}</th><td class="number">${count(part.lines)}</td><td class="number">${count(part.volume)}</td>
      <td class="number">${share(part)}</td>
    </tr>`;
  const board = row.total_volume;
  return html`<div class="why" data-total=${found.total}>
    <h3>${t("whyVolume", { volume: count(board) })}</h3>
    <p class="sum">
      ${t("whySum", {
        prints: count(found.prints.volume), gaps: count(found.gaps.volume), fills: count(found.fills.volume),
        corrections: count(found.corrections.volume), total: count(found.total),
      })}
    </p>
    <p class=${found.total === board ? "agrees" : "note"}>${found.total === board ? `✓ ${t("whyAgrees")}` : t("whyWaits", { board: count(board) })}</p>
    <table>
      <thead>
        <tr>
          <th scope="col">${t("whyPart")}</th><th scope="col">${t("whyLines")}</th><th scope="col">${t("volume")}</th><th scope="col">${t("whyShare")}</th>
        </tr>
      </thead>
      <tbody>
        ${line("whyPrints", found.prints)} ${line("whyLate", found.late, "part")} ${line("whyClipped", found.clipped, "part")}
        ${line("whyGaps", found.gaps)}
        ${[...found.causes].map(
          ([cause, part]) => html`<tr key=${cause} class="part" data-part=${cause}>
            <th scope="row">${t(cause)}</th><td class="number">${count(part.lines)}</td><td class="number">${count(part.volume)}</td>
            <td class="number">${share(part)}</td>
          </tr>`,
        )}
        ${line("whyFills", found.fills)} ${line("whyCorrections", found.corrections)} ${line("whyOutside", found.outside)}
      </tbody>
    </table>
    <dl class="facts wide">
      <div><dt>${t("whyBuySell")}</dt><dd>${count(row.active_buy)} / ${count(row.active_sell)} / ${count(row.neutral)}</dd></div>
      <div><dt>${t("whyRepeats")}</dt><dd>${count(row.repeats)}</dd></div>
      ${flow && html`<div><dt>${t("whyForeign")}</dt><dd>${count(flow.bought)} / ${count(flow.sold)}</dd></div>`}
    </dl>
    <h3>${t("whyGapList")}</h3>
    ${gaps.rows?.length === 0 && html`<p class="note">${t("whyNoGaps")}</p>`}
    ${gaps.rows?.length > 0 &&
    html`<table>
      <thead>
        <tr><th scope="col">${t("from")}</th><th scope="col">${t("to")}</th><th scope="col">${t("volume")}</th><th scope="col">${t("cause")}</th></tr>
      </thead>
      <tbody>
        ${gaps.rows.map(
          (gap) => html`<tr key=${`${gap.partition}.${gap.offset}.${gap.idx}`}>
            <td>${gap.since ? gap.since.slice(11, 19) : "–"}</td><td>${gap.ts.slice(11, 19)}</td>
            <td class="number">${count(gap.volume)}</td><td>${gap.cause ? t(gap.cause) : ""}</td>
          </tr>`,
        )}
      </tbody>
    </table>`}
    <p class="note">${t("whyMore")} <code lang="en">stock-tracker explain ${symbol} --what total</code></p>
  </div>`;
}

function SymbolAlerts({ store, symbol }) {
  const alerts = store.alerts.value.filter((alert) => alert.symbol === symbol);
  return html`<div class="alerts">
    ${alerts.length === 0 ? html`<p class="empty">${t("noAlerts")}</p>` : html`<${AlertList} alerts=${alerts} label=${t("symbolAlerts", { symbol })} />`}
  </div>`;
}

const close = () => go({ symbol: "", view: "chart", at: 0 });

export function Drawer({ store }) {
  const { symbol, view: open } = here.value;
  useEffect(() => {
    const pressed = (event) => {
      if (event.key !== "Escape" || event.target.closest?.("input")) return;
      close();
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, []);
  const { px, flow, ref, basis } = store.tables;
  const view = viewOf(symbol, px.get(symbol), flow.get(symbol), ref.get(symbol), basis.get(symbol));
  const isMine = mine.value.includes(symbol);
  const isPinned = pinned.value.includes(symbol);
  const Shown = { chart: SymbolChart, tape: Tape, foreign: Foreign, why: Why }[open] ?? SymbolChart;
  return html`<aside class="drawer" aria-label=${symbol} data-drawer=${symbol}>
    <div class="drawer-head">
      <h2><b class=${view.colour}>${symbol}</b> <small>${view.row?.exchange ?? view.reference?.exchange ?? ""}</small></h2>
      <button type="button" aria-pressed=${isMine} class="star" aria-label=${t(isMine ? "removeFromList" : "addToList", { symbol })}
        onClick=${() => (mine.value = toggled(mine.peek(), symbol))}>${isMine ? "★" : "☆"}</button>
      <button type="button" aria-pressed=${isPinned} onClick=${() => (pinned.value = toggled(pinned.peek(), symbol))}>${t(isPinned ? "unpin" : "pin")}</button>
      <button type="button" class="close" aria-label=${t("close")} onClick=${close}>✕</button>
    </div>
    <p class="company">${view.reference?.name ?? ""}</p>
    ${view.row === null ? html`<p class="empty">${t("unknownSymbol", { symbol })}</p>` : html`<${Head} view=${view} />`}
    <nav class="tabs" aria-label=${symbol}>
      ${Object.entries(VIEWS).map(
        ([name, word]) => html`<a key=${name} href=${symbolAddress(symbol, name)} aria-current=${open === name ? "true" : null} data-view=${name}
          onClick=${(event) => {
            event.preventDefault();
            go({ view: name, at: 0 });
          }}>${t(word)}</a>`,
      )}
    </nav>
    <div class="drawer-body" tabindex="0" role="region" aria-label=${t(VIEWS[open] ?? "chart")}>
      ${open === "alerts"
        ? html`<${SymbolAlerts} store=${store} symbol=${symbol} />`
        : view.row !== null && html`<${Shown} key=${`${symbol} ${open}`} store=${store} view=${view} />`}
    </div>
  </aside>`;
}
