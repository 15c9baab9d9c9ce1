// The page that says whether the data can be trusted: how old it is, what is missing, what is in doubt.

import { html, useEffect, useMemo, useState } from "/vendor/preact.js";
import { clock, count, volume } from "./format.js";
import { skewed } from "./freshness.js";
import { authorization, mayAsk, token } from "./session.js";
import { feedsOf, feedState, judge, technical } from "./strip.js";
import { ageText, t } from "./text.js";
import { SymbolLink } from "./use.js";

const ROWS = 20;
const CHANNELS = { px: "pageBoard", index: "index", breadth: "breadth", flow: "flow", basis: "spread", alert: "pageAlerts", candle: "candleMinutes" };

function Feeds({ store }) {
  const feeds = feedsOf(store);
  if (feeds.length === 0) return html`<p class="empty">${t("noFeed")}</p>`;
  return html`<table>
    <thead>
      <tr>
        <th scope="col">${t("feed")}</th><th scope="col">${t("state")}</th><th scope="col" class="roomy">${t("connectedSince")}</th><th scope="col">${t("received")}</th>
        <th scope="col">${t("deadLetters")}</th><th scope="col" class="roomy">${t("dropped")}</th><th scope="col" class="roomy">${t("connects")}</th>
      </tr>
    </thead>
    <tbody>
      ${feeds.map((feed) => {
        const { state, words, sign } = feedState(store, feed);
        return html`<tr key=${feed.feed} data-feed=${feed.feed}>
          <th scope="row">${feed.feed.toUpperCase()}</th>
          <td class="feed ${state}">${sign} ${words}</td>
          <td class="number roomy">${clock(feed.epoch)}</td>
          <td class="number received">${count(feed.received)}</td>
          <td class="number dead-letters ${feed.dead_letters > 0 ? "down" : ""}">${count(feed.dead_letters)}</td>
          <td class="number roomy ${feed.dropped > 0 ? "down" : ""}">${count(feed.dropped)}</td>
          <td class="number roomy">${count(feed.connects)}</td>
        </tr>`;
      })}
    </tbody>
  </table>`;
}

function Channels({ store }) {
  const heartbeat = store.heartbeat.value;
  if (heartbeat === null) return html`<p class="empty">${t("ageUnknown")}</p>`;
  const unheard = ["account", "connection", "hung"].includes(judge(store).why) ? store.now.value - heartbeat.at : 0;
  return html`<table>
    <thead>
      <tr><th scope="col">${t("channel")}</th><th scope="col">${t("channelAge")}</th><th scope="col">${t("state")}</th><th scope="col">${t("channelRows")}</th></tr>
    </thead>
    <tbody>
      ${Object.entries(heartbeat.lag_ms).map(([channel, lag]) => {
        const isOld = heartbeat.stale.includes(channel) || unheard > 0;
        return html`<tr key=${channel} data-channel=${channel}>
          <th scope="row">${t(CHANNELS[channel] ?? "channel")} <small><code lang="en">${channel}</code></small></th>
          <td class="number">${lag === null ? t("ageUnknown") : ageText(Math.max(0, lag) + unheard)}</td>
          <td class=${isOld ? "down" : "up"}>${isOld ? `✕ ${t("old")}` : `✓ ${t("ok")}`}</td>
          <td class="number">${channel in store.tables ? count(store.tables[channel].keys.value.length) : "–"}</td>
        </tr>`;
      })}
    </tbody>
  </table>`;
}

function Gaps({ store }) {
  const { px } = store.tables;
  const rows = [...px.rows.values()].filter((row) => row.gaps > 0 || row.missed_volume > 0);
  const sum = (of) => rows.reduce((total, row) => total + of(row), 0);
  const repeats = [...px.rows.values()].reduce((total, row) => total + row.repeats, 0);
  rows.sort((a, b) => b.missed_volume - a.missed_volume || b.gaps - a.gaps);
  return html`<dl class="facts">
      <div><dt>${t("gapCount")}</dt><dd data-gaps>${count(sum((row) => row.gaps))}</dd></div>
      <div><dt>${t("missed")}</dt><dd data-missed>${count(sum((row) => row.missed_volume))}</dd></div>
      <div><dt>${t("repeats")}</dt><dd>${count(repeats)}</dd></div>
    </dl>
    ${rows.length === 0
      ? html`<p class="note">${t("whyNoGaps")}</p>`
      : html`<table>
          <thead><tr><th scope="col">${t("symbol")}</th><th scope="col">${t("gapCount")}</th><th scope="col">${t("missed")}</th><th scope="col">${t("total")}</th></tr></thead>
          <tbody>
            ${rows.slice(0, ROWS).map(
              (row) => html`<tr key=${row.symbol} data-gap=${row.symbol}>
                <th scope="row"><${SymbolLink} symbol=${row.symbol} view="why" /></th><td class="number">${count(row.gaps)}</td>
                <td class="number">${count(row.missed_volume)}</td><td class="number">${volume(row.total_volume)}</td>
              </tr>`,
            )}
          </tbody>
        </table>`}`;
}

function Suspects({ store }) {
  const rows = [...store.tables.flow.rows.values()].filter((row) => row.suspects > 0 || row.unresolved > 0);
  if (rows.length === 0) return html`<p class="note">✓ ${t("noSuspects")}</p>`;
  return html`<table>
    <thead><tr><th scope="col">${t("symbol")}</th><th scope="col">${t("suspect")}</th><th scope="col">${t("unresolved")}</th></tr></thead>
    <tbody>
      ${rows.slice(0, ROWS).map(
        (row) => html`<tr key=${row.key} data-suspect=${row.key}>
          <th scope="row"><${SymbolLink} symbol=${row.key} view="foreign" /></th><td class="number">${count(row.suspects)}</td>
          <td class="number">${count(row.unresolved)}</td>
        </tr>`,
      )}
    </tbody>
  </table>`;
}

function Versions({ store }) {
  const [about, setAbout] = useState(null);
  const isAllowed = mayAsk();
  useEffect(() => {
    if (!isAllowed) return;
    fetch("/api/v1/about", { headers: authorization() }).then(async (answer) => answer.ok && setAbout(await answer.json()), () => {});
  }, [isAllowed, token.value]);
  return html`<dl class="facts wide">
    <div><dt>${t("release")}</dt><dd data-release>${about?.release ?? "–"}</dd></div>
    <div><dt>${t("protocol")}</dt><dd>${about?.protocol ?? "–"}</dd></div>
    <div><dt>${t("stream")}</dt><dd>${store.connection.value.stream || "–"}</dd></div>
    ${skewed(store.heartbeat.value).map(([feed, ms]) => html`<div><dt>${t("skew")} ${feed}</dt><dd>${ageText(Math.abs(ms))}</dd></div>`)}
  </dl>`;
}

export function StatusPage({ store }) {
  const { age: old, stale, why } = judge(store);
  const beat = store.round(2);
  const gaps = useMemo(() => html`<${Gaps} store=${store} />`, [beat, t("gapCount")]);
  const suspects = useMemo(() => html`<${Suspects} store=${store} />`, [beat, t("suspect")]);
  const detail = technical(store, why);
  const sentence = old === null ? t("notKnown") : stale ? t("notFresh") : t("fresh", { age: ageText(old) });
  return html`<section class="page status-page">
    <p class="answer ${stale || old === null ? "down" : "up"}" data-fresh=${String(!stale && old !== null)}>${stale || old === null ? "✕" : "✓"} ${sentence}</p>
    ${detail && html`<p class="note">${t("technical")}: <code lang="en">${detail}</code></p>`}
    <div class="columns">
      <section class="panel"><h2>${t("feeds")}</h2><div class="scroll" tabindex="0" role="region" aria-label=${t("feeds")}><${Feeds} store=${store} /></div></section>
      <section class="panel"><h2>${t("channels")}</h2><${Channels} store=${store} /></section>
    </div>
    <div class="columns">
      <section class="panel"><h2>${t("gapsToday")}</h2>${gaps}</section>
      <section class="panel"><h2>${t("suspects")}</h2>${suspects}<h2>${t("versions")}</h2><${Versions} store=${store} /></section>
    </div>
  </section>`;
}
