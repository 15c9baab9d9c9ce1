// The strip above the board: indices, phase, age of the data, state of the connection.

import { html } from "/vendor/preact.js";
import { changeClass, mark } from "./colour.js";
import { age, billions, change, clock, count, day, percent, price } from "./format.js";
import { freshness, skewed } from "./freshness.js";
import { language, phaseName, speak, t } from "./text.js";

const FIRST = ["VNINDEX", "VN30", "HNXINDEX", "HNX30", "UPCOMINDEX"];
const NAMES = { VNINDEX: "VN-Index", HNXINDEX: "HNX-Index", UPCOMINDEX: "UPCoM-Index" };

/** How many stocks rose, stood and fell; null where `row` does not say, as for VN30: the feed sends zeros. */
function breadthOf(row) {
  if (row === undefined) return null;
  const counts = [row.advances, row.ceilings, row.no_changes, row.declines, row.floors];
  return counts.some((n) => n > 0) ? counts : null;
}

/** By the feed's count or, where it has none, by the members' own prices. */
function Breadth({ store, row }) {
  const counts = breadthOf(row) ?? breadthOf(store.tables.breadth.get(row.symbol));
  if (counts === null) return html`<p class="breadth">–</p>`;
  const [advances, ceilings, unchanged, declines, floors] = counts.map(count);
  return html`<p class="breadth">
    <span class="up" title=${t("advances")}>▲${advances}<b class="ceiling"> (${ceilings})</b></span>
    <span class="reference" title=${t("unchanged")}>■${unchanged}</span>
    <span class="down" title=${t("declines")}>▼${declines}<b class="floor"> (${floors})</b></span>
  </p>`;
}

function IndexCard({ store, symbol }) {
  const row = store.tables.index.get(symbol);
  const colour = changeClass(row.change);
  return html`<li class="index" data-index=${symbol}>
    <h2>${NAMES[symbol] ?? symbol}</h2>
    <p class="headline ${colour}">
      <span class="value">${price(row.value, true, 2)}</span>
      <span class="move">${row.change === null ? "–" : `${mark(colour)} ${change(row.change, true, 2)} (${percent(row.change_pct)}%)`}</span>
    </p>
    <${Breadth} store=${store} row=${row} />
    <p class="turnover">
      <span class="traded">${billions(row.traded_value)} ${t("billion")}</span>
      <span>${count(row.volume)} ${t("shares")}</span>
    </p>
  </li>`;
}

export function IndexStrip({ store }) {
  const known = store.tables.index.keys.value;
  const order = [...FIRST.filter((symbol) => known.includes(symbol)), ...known.filter((symbol) => !FIRST.includes(symbol))];
  return html`<ul class="indices">
    ${order.map((symbol) => html`<${IndexCard} key=${symbol} store=${store} symbol=${symbol} />`)}
  </ul>`;
}

/** The feeds' rows, as of now. */
function feedsOf(store) {
  const table = store.tables.status;
  return table.keys.value.map((feed) => table.get(feed));
}

function judge(store) {
  const connection = store.connection.value;
  const heartbeat = store.heartbeat.value;
  const now = store.now.value;
  return freshness({ connection, heartbeat, feeds: feedsOf(store), heardAt: store.heardAt.value, now });
}

function Connection({ store }) {
  const { phase, retryAt } = store.connection.value;
  const words = phase === "waiting" ? `${t("waiting")} · ${t("retry")} ${age(Math.max(0, retryAt - store.now.value))}` : t(phase);
  return html`<span class="connection ${phase}" role="status">
    <i aria-hidden="true">${phase === "live" ? "●" : phase === "ended" ? "✕" : "○"}</i> ${words}
  </span>`;
}

function Feeds({ store }) {
  const feeds = feedsOf(store);
  if (feeds.length === 0) return html`<span class="feed">${t("noFeed")}</span>`;
  return feeds.map(
    (feed) => html`<span key=${feed.feed} class="feed ${feed.state}" title=${feed.reason}>
      ${feed.feed.toUpperCase()} ${feed.state === "up" ? "✓" : "✕"} ${t(feed.state)}
    </span>`,
  );
}

export function SessionPanel({ store }) {
  const feeds = feedsOf(store);
  const ahead = feeds.reduce((best, feed) => (best === null || feed.market_ms > best.market_ms ? feed : best), null);
  const heartbeat = store.heartbeat.value;
  const phase = ahead?.phase ?? heartbeat?.phase;
  const state = judge(store);
  return html`<div class="session">
    <p class="clock">
      <span class="phase" data-phase=${phase ?? ""}>${phaseName(phase)}</span>
      <time>${clock(ahead?.market_ms ?? heartbeat?.market_ms)}</time>
      <span class="day">${day(ahead?.day ?? heartbeat?.day)}</span>
    </p>
    <p class="health">
      <${Connection} store=${store} />
      <span class="age ${state.stale ? "stale" : ""}">${t("age")} <b>${age(state.age)}</b></span>
      ${skewed(heartbeat).map(([feed, ms]) => html`<span class="skew">${t("skew")} ${feed} <b>${age(Math.abs(ms))}</b></span>`)}
      <span class="feeds">${t("feed")} <${Feeds} store=${store} /></span>
    </p>
    <p class="language">
      ${["vi", "en"].map(
        (code) => html`<button type="button" aria-pressed=${language.value === code} onClick=${() => speak(code)}>${code.toUpperCase()}</button>`,
      )}
    </p>
  </div>`;
}

/** Says, and shows on the whole page, when the data is not to be trusted. */
export function Banner({ store }) {
  const { stale, why, age: old } = judge(store);
  document.body.classList.toggle("stale", stale);
  if (!stale) return null;
  const { phase, reason } = store.connection.value;
  const silent = feedsOf(store).find((feed) => feed.state !== "up");
  const detail =
    why === "gateway" ? store.heartbeat.value.reason : why === "feed" ? silent.reason || t(silent.state) : why === "connection" ? reason : "";
  return html`<p class="banner" role="alert">
    <strong>${t(why === "connection" ? "staleConnection" : "staleBoard")}</strong>
    <span> · ${t("since")} ${age(old)}</span>
    ${detail && html`<span> · ${detail}</span>`}
    ${phase === "ended" && html` <button type="button" onClick=${() => location.reload()}>${t("reload")}</button>`}
  </p>`;
}
