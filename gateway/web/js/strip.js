// The strip above the board: indices, phase, age of the data, state of the connection.

import { html, useEffect, useMemo } from "/vendor/preact.js";
import { changeClass, mark } from "./colour.js";
import { billions, change, clock, count, day, percent, price } from "./format.js";
import { freshness, skewed } from "./freshness.js";
import { sparkline } from "./indexday.js";
import { ageText, language, phaseName, t } from "./text.js";
import { useArchive } from "./use.js";

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

const SPARK = { width: 108, height: 30 };
// Of all indices there are less than two thousand minutes a day.
const MINUTES = 5_000;
const DRAWN_BEATS = 4;
const AGAIN_BEATS = 240;

/** The value through the day, from the archive and live; the dotted line is where the day before ended. */
function Spark({ store, row, colour }) {
  const beat = store.round(DRAWN_BEATS);
  const { line, minutes } = useMemo(() => {
    const values = store.indexDay.line(row.symbol);
    return { line: sparkline(values, row.prior_value, SPARK.width, SPARK.height), minutes: values.length };
  }, [beat, store.filled.value, row.symbol, row.prior_value]);
  if (line === null) return null;
  const label = t("dayLine", { index: NAMES[row.symbol] ?? row.symbol });
  return html`<svg class="spark ${colour}" viewBox="0 0 ${SPARK.width} ${SPARK.height}" role="img" aria-label=${label} data-minutes=${minutes}>
    ${line.base !== null && html`<path class="prior" d="M0 ${line.base}H${SPARK.width}" />`}
    <path d=${line.path} />
  </svg>`;
}

/** What indices did before the page came, and while it was away: asked of the archive whenever it connects, and again every two minutes. */
function IndexHistory({ store }) {
  const { day: today } = marketOf(store);
  const parameters = { day: today, limit: MINUTES };
  const isLive = store.connection.value.phase === "live";
  const answer = useArchive(today && isLive ? "index" : null, parameters, store.round(AGAIN_BEATS), 1);
  useEffect(() => {
    if (answer.rows === null) return;
    store.indexDay.turn(today);
    store.indexDay.fill(answer.rows);
    store.filled.value += 1;
  }, [answer]);
  return null;
}

function IndexCard({ store, symbol }) {
  const row = store.tables.index.get(symbol);
  if (row === undefined) return null;
  const colour = changeClass(row.change);
  return html`<li class="index" data-index=${symbol}>
    <h2>${NAMES[symbol] ?? symbol}</h2>
    <${Spark} store=${store} row=${row} colour=${colour} />
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
  return html`<${IndexHistory} store=${store} />
    <ul class="indices" tabindex="0" aria-label=${t("index")}>
      ${order.map((symbol) => html`<${IndexCard} key=${symbol} store=${store} symbol=${symbol} />`)}
    </ul>`;
}

/** The feeds' rows, as of now. */
export function feedsOf(store) {
  const table = store.tables.status;
  return table.keys.value.map((feed) => table.get(feed)).filter((feed) => feed !== undefined);
}

export function judge(store) {
  const connection = store.connection.value;
  const heartbeat = store.heartbeat.value;
  const now = store.now.value;
  return freshness({ connection, heartbeat, feeds: feedsOf(store), heardAt: store.heardAt.value, now });
}

/** The market's clock: that of the connector that is furthest, else the gateway's word. */
export function marketOf(store) {
  const ahead = feedsOf(store).reduce((best, feed) => (best === null || feed.market_ms > best.market_ms ? feed : best), null);
  const heartbeat = store.heartbeat.value;
  return {
    phase: ahead?.phase ?? heartbeat?.phase ?? null,
    ms: ahead?.market_ms ?? heartbeat?.market_ms ?? null,
    day: ahead?.day ?? heartbeat?.day ?? null,
  };
}

function Connection({ store }) {
  const { phase, retryAt } = store.connection.value;
  const shown = phase === "live" && judge(store).why === "hung" ? "hung" : phase;
  const words = phase === "waiting" ? `${t("waiting")} · ${t("retry")} ${ageText(Math.max(0, retryAt - store.now.value))}` : t(shown);
  return html`<span class="connection ${shown}" role="status">
    <i aria-hidden="true">${shown === "live" ? "●" : shown === "ended" ? "✕" : "○"}</i> ${words}
  </span>`;
}

const STATES = { connecting: "isConnecting", up: "up", down: "down", silent: "silent", stopped: "stopped" };

/** What a feed's state is called, and its sign. While the gateway is not heard nobody knows it, whatever was said last. */
export function feedState(store, feed) {
  const { why } = judge(store);
  if (store.connection.value.phase !== "live" || why === "hung") return { state: "unknown", words: t("unknown"), sign: "?" };
  return { state: feed.state, words: t(STATES[feed.state] ?? "unknown"), sign: feed.state === "up" ? "✓" : "✕" };
}

function Feeds({ store }) {
  const feeds = feedsOf(store);
  if (feeds.length === 0) return html`<span class="feed">${t("noFeed")}</span>`;
  return feeds.map((feed) => {
    const { state, words, sign } = feedState(store, feed);
    return html`<span key=${feed.feed} class="feed ${state}" title=${language.value === "en" ? feed.reason : words}>
      ${feed.feed.toUpperCase()} ${sign} ${words}
    </span>`;
  });
}

export function SessionPanel({ store }) {
  const { phase, ms, day: today } = marketOf(store);
  const state = judge(store);
  return html`<div class="session">
    <p class="clock">
      <span class="phase" data-phase=${phase ?? ""}>${phaseName(phase)}</span>
      <time>${clock(ms)}</time>
      <span class="day">${day(today)}</span>
    </p>
    <p class="health">
      <${Connection} store=${store} />
      <span class="age ${state.stale ? "stale" : ""}">${t("age")} <b>${ageText(state.age)}</b></span>
      ${skewed(store.heartbeat.value).map(([feed, by]) => html`<span class="skew">${t("skew")} ${feed} <b>${ageText(Math.abs(by))}</b></span>`)}
      <span class="feeds">${t("feed")} <${Feeds} store=${store} /></span>
    </p>
  </div>`;
}

const WHY = { connection: "staleConnection", hung: "staleHung", gateway: "staleGateway", feed: "staleFeed", prices: "stalePrices" };

/** What whoever is at fault says of itself, in the English of its log; empty where that adds nothing. */
export function technical(store, why) {
  if (why === "gateway") return store.heartbeat.value.reason;
  if (why === "feed") return feedsOf(store).find((feed) => feed.state !== "up")?.reason ?? "";
  return why === "connection" ? store.connection.value.reason : "";
}

/** Says, and shows on the whole page, when the data is not to be trusted. */
export function Banner({ store }) {
  const { stale, why, age: old } = judge(store);
  document.body.classList.toggle("stale", stale);
  // Who is signed out is asked for a token, in the same place.
  if (!stale || why === "account") return null;
  const detail = language.value === "en" ? technical(store, why) : "";
  return html`<p class="banner" role="alert">
    <strong>${t(WHY[why])}</strong>
    <span> · ${t("since")} ${ageText(old)} ${t("ago")}</span>
    ${detail && html`<span> · ${detail}</span>`}
    ${store.connection.value.phase === "ended" && html` <button type="button" onClick=${() => location.reload()}>${t("reload")}</button>`}
  </p>`;
}
