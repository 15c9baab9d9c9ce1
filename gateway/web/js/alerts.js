// The page of alerts, its list, and their sounds.

import { effect, html, signal } from "/vendor/preact.js";
import { alertsShown } from "./filters.js";
import { ask } from "./archive.js";
import { archiveMs, clock } from "./format.js";
import { acknowledge, acknowledged, sound } from "./prefs.js";
import { marketOf } from "./strip.js";
import { alertKind, language, t } from "./text.js";
import { SymbolLink } from "./use.js";

export const SEVERITIES = ["critical", "warning", "info"];
const SIGNS = { info: "i", warning: "!", critical: "‼" };
const PAGE = 100;

const filter = signal({ severity: "", kind: "", symbol: "", onlyNew: false });
const shownCount = signal(PAGE);
const backfill = signal(""); // "", "loading", "away", or the day that has been loaded

/** What an alert says, in the page's language. */
export const messageOf = (alert) => (language.value === "vi" && alert.message_vi) || alert.message;

/** How many alerts nobody has acknowledged. */
export const newCount = (store) => {
  const seen = new Set(acknowledged.value);
  return store.alerts.value.reduce((count, alert) => count + (seen.has(alert.alert_id) ? 0 : 1), 0);
};

function Line({ alert, isSeen, withAcknowledge }) {
  const spoken = language.value === "vi" && alert.message_vi === "" ? "en" : null;
  return html`<li class="${alert.severity} ${isSeen ? "seen" : ""}" data-alert=${alert.alert_id}>
    <time><${SymbolLink} symbol=${alert.symbol} at=${alert.ts_ms} title=${t("toMinute")}>${clock(alert.ts_ms)}<//></time>
    <i class="severity" title=${t(alert.severity)} role="img" aria-label=${t(alert.severity)}>${SIGNS[alert.severity]}</i>
    <b><${SymbolLink} symbol=${alert.symbol} /></b>
    <span class="message" lang=${spoken}>${messageOf(alert)}</span>
    ${withAcknowledge &&
    (isSeen
      ? html`<em class="muted">${t("acknowledged")}</em>`
      : html`<button type="button" class="acknowledge" onClick=${() => acknowledge([alert.alert_id])}>${t("acknowledge")}</button>`)}
  </li>`;
}

export function AlertList({ alerts, label, withAcknowledge = false }) {
  const seen = new Set(acknowledged.value);
  // The list is a list; what announces its additions to those who hear the page is the element around it.
  return html`<div class="log" role="log" aria-live="polite" aria-relevant="additions" aria-label=${label} tabindex="0">
    <ol>
      ${alerts.map((alert) => html`<${Line} key=${alert.alert_id} alert=${alert} isSeen=${seen.has(alert.alert_id)} withAcknowledge=${withAcknowledge} />`)}
    </ol>
  </div>`;
}

export function AlertPanel({ store }) {
  const alerts = store.alerts.value.slice(0, 60);
  return html`<section class="panel alerts" aria-label=${t("alerts")}>
    <h2>${t("alerts")} ${alerts.length > 0 && html`<small>${store.alerts.value.length}</small>`}</h2>
    ${alerts.length > 0 ? html`<${AlertList} alerts=${alerts} label=${t("alerts")} />` : html`<p class="empty">${t("noAlerts")}</p>`}
  </section>`;
}

async function loadDay(store) {
  const { day } = marketOf(store);
  backfill.value = "loading";
  try {
    const rows = await ask("alerts", { day, limit: 2_000 });
    store.addAlerts(rows.map((row) => ({ ...row, ts_ms: archiveMs(row.ts) })));
    backfill.value = String(day);
  } catch {
    backfill.value = "away";
  }
}

const change = (what) => {
  filter.value = { ...filter.value, ...what };
  shownCount.value = PAGE;
};

/** Those that say which stock has just come to a limit, newest first: what most who open this page look for. */
function LimitHits({ alerts }) {
  const hits = alerts.filter((alert) => alert.kind === "price_limit").slice(0, 12);
  if (hits.length === 0) return null;
  return html`<section class="panel hits" aria-label=${t("limitHits")}>
    <h2>${t("limitHits")}</h2>
    <ul>
      ${hits.map((alert) => {
        const isFloor = alert.direction === "down";
        return html`<li key=${alert.alert_id} data-hit=${alert.symbol}>
          <time>${clock(alert.ts_ms)}</time> <b class=${isFloor ? "floor" : "ceiling"}><${SymbolLink} symbol=${alert.symbol} at=${alert.ts_ms} /></b>
          <span class=${isFloor ? "floor" : "ceiling"}>${isFloor ? "FL" : "CE"} ${t(isFloor ? "atFloor" : "atCeiling")}</span>
        </li>`;
      })}
    </ul>
  </section>`;
}

export function AlertsPage({ store }) {
  const alerts = store.alerts.value;
  const { severity, kind, symbol, onlyNew } = filter.value;
  const shown = alertsShown(alerts, filter.value, new Set(acknowledged.value));
  const kinds = [...new Set(alerts.map((alert) => alert.kind))].sort();
  const fresh = shown.filter((alert) => !acknowledged.value.includes(alert.alert_id));
  return html`<section class="page alerts-page">
    <div class="toolbar">
      <nav class="tabs" aria-label=${t("severity")}>
        ${["", ...SEVERITIES].map(
          (name) => html`<button key=${name} type="button" aria-pressed=${severity === name} data-severity=${name} onClick=${() => change({ severity: name })}>
            ${t(name || "everything")}
          </button>`,
        )}
      </nav>
      <label>${t("kind")}
        <select value=${kind} onChange=${(event) => change({ kind: event.currentTarget.value })}>
          <option value="">${t("everything")}</option>
          ${kinds.map((name) => html`<option key=${name} value=${name}>${alertKind(name)}</option>`)}
        </select>
      </label>
      <input type="search" placeholder=${t("filterSymbol")} aria-label=${t("filterSymbol")} value=${symbol} autocomplete="off"
        onInput=${(event) => change({ symbol: event.currentTarget.value })} />
      <label><input type="checkbox" checked=${onlyNew} onChange=${() => change({ onlyNew: !onlyNew })} /> ${t("onlyNew")}</label>
      <label><input type="checkbox" checked=${sound.value} data-sound onChange=${toggleSound} /> ${t("sound")}</label>
      <button type="button" disabled=${fresh.length === 0} onClick=${() => acknowledge(fresh.map((alert) => alert.alert_id))}>${t("acknowledgeAll")}</button>
      <button type="button" class="backfill" disabled=${backfill.value === "loading"} onClick=${() => loadDay(store)}>${t("olderAlerts")}</button>
      ${backfill.value === "loading" && html`<span role="status">${t("loading")}</span>`}
      ${backfill.value === "away" && html`<span role="status">${t("archiveAway")}</span>`}
    </div>
    <div class="columns wide-first">
      <section class="panel alerts" aria-label=${t("alerts")}>
        <h2>${t("alerts")} <small>${shown.length} / ${alerts.length}</small></h2>
        ${shown.length === 0 && html`<p class="empty">${t(alerts.length === 0 ? "noAlerts" : "noAlertMatch")}</p>`}
        ${shown.length > 0 && html`<${AlertList} alerts=${shown.slice(0, shownCount.value)} label=${t("alerts")} withAcknowledge=${true} />`}
        ${shown.length > shownCount.value &&
        html`<button type="button" onClick=${() => (shownCount.value += PAGE)}>${t("moreRows", { n: Math.min(PAGE, shown.length - shownCount.value) })}</button>`}
      </section>
      <${LimitHits} alerts=${alerts} />
    </div>
  </section>`;
}

// Sounds: a browser plays none before its user has touched the page, which ticking the box does.

let audio = null;
const PITCHES = { info: [660], warning: [660, 880], critical: [880, 660, 880] };

function toggleSound() {
  sound.value = !sound.peek();
  if (sound.peek()) beep("info");
}

function beep(severity) {
  audio ??= new AudioContext();
  audio.resume();
  PITCHES[severity].forEach((pitch, place) => {
    const tone = audio.createOscillator();
    const loudness = audio.createGain();
    const at = audio.currentTime + place * 0.14;
    tone.frequency.value = pitch;
    loudness.gain.setValueAtTime(0.08, at);
    loudness.gain.exponentialRampToValueAtTime(0.001, at + 0.12);
    tone.connect(loudness).connect(audio.destination);
    tone.start(at);
    tone.stop(at + 0.13);
  });
}

/** Ring for each alert that comes live, if its user wants that. */
export function ring(store) {
  effect(() => {
    const alert = store.bell.value;
    if (alert !== null && sound.peek()) beep(alert.severity);
  });
}
