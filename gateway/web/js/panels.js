// Below the board: foreign flow, futures against their index, alerts.

import { html } from "/vendor/preact.js";
import { changeClass, mark } from "./colour.js";
import { billions, change, clock, percent, price } from "./format.js";
import { language, t } from "./text.js";

const SCOPES = ["#market", "#HOSE", "#HNX", "#UPCOM", "#VN30"];
const SEVERITIES = { info: "i", warning: "!", critical: "‼" };

function Movers({ title, movers, colour }) {
  const largest = Math.max(1, ...movers.map((mover) => Math.abs(mover.net_value)));
  return html`<div class="movers ${colour}">
    <h3>${mark(colour)} ${title}</h3>
    <ol>
      ${movers.map(
        (mover) => html`<li key=${mover.symbol} data-mover=${mover.symbol}>
          <span class="name">${mover.symbol}</span>
          <span class="bar" aria-hidden="true"><i style=${{ width: `${(Math.abs(mover.net_value) * 100) / largest}%` }} /></span>
          <span class="number ${colour}">${billions(mover.net_value, true)}</span>
        </li>`,
      )}
    </ol>
  </div>`;
}

export function FlowPanel({ store }) {
  const table = store.tables.flow;
  const scopes = SCOPES.filter((scope) => table.keys.value.includes(scope));
  if (scopes.length === 0) return html`<section class="panel flow"><h2>${t("flow")}</h2><p class="empty">${t("noFlow")}</p></section>`;
  const market = table.get("#market") ?? table.get(scopes[0]);
  return html`<section class="panel flow" aria-label=${t("flow")}>
    <h2>${t("flow")} <small>(${t("billion")} VND)</small></h2>
    <table>
      <thead>
        <tr><th scope="col"></th><th scope="col">${t("bought")}</th><th scope="col">${t("sold")}</th><th scope="col">${t("net")}</th></tr>
      </thead>
      <tbody>
        ${scopes.map((scope) => {
          const row = table.get(scope);
          const colour = changeClass(row.net_value);
          return html`<tr key=${scope} data-scope=${scope}>
            <th scope="row">${scope === "#market" ? t("market") : scope.slice(1)}</th>
            <td class="number">${billions(row.bought_value)}</td>
            <td class="number">${billions(row.sold_value)}</td>
            <td class="number ${colour}">${mark(colour)} ${billions(row.net_value, true)}</td>
          </tr>`;
        })}
      </tbody>
    </table>
    <div class="tops">
      <${Movers} title=${t("netBuy")} movers=${(market.buyers ?? []).slice(0, 10)} colour="up" />
      <${Movers} title=${t("netSell")} movers=${(market.sellers ?? []).slice(0, 10)} colour="down" />
    </div>
  </section>`;
}

export function BasisPanel({ store }) {
  const table = store.tables.basis;
  const contracts = table.keys.value.map((symbol) => table.get(symbol)).sort((a, b) => a.month - b.month);
  return html`<section class="panel basis" aria-label=${t("basis")}>
    <h2>${t("basis")}</h2>
    ${contracts.length === 0
      ? html`<p class="empty">${t("noBasis")}</p>`
      : html`<table>
          <thead>
            <tr>
              <th scope="col">${t("contract")}</th><th scope="col">${t("price")}</th><th scope="col">${t("spread")}</th><th scope="col">%</th>
              <th scope="col">${t("expiry")}</th>
            </tr>
          </thead>
          <tbody>
            ${contracts.map((row) => {
              const colour = changeClass(row.basis);
              return html`<tr key=${row.symbol} data-contract=${row.symbol}>
                <th scope="row" title=${row.symbol}>${row.underlying}${row.alias ?? row.month}</th>
                <td class="number">${price(row.price, true)}</td>
                <td class="number ${colour}">${mark(colour)} ${change(row.basis, true, 2)}</td>
                <td class="number ${colour}">${percent(row.basis_pct)}</td>
                <td class="number">${row.stale ? html`<em class="stale-mark">${t("indexStale")}</em>` : `${row.days_to_expiry} ${t("days")}`}</td>
              </tr>`;
            })}
          </tbody>
        </table>`}
  </section>`;
}

export function AlertPanel({ store }) {
  const alerts = store.alerts.value;
  return html`<section class="panel alerts" aria-label=${t("alerts")}>
    <h2>${t("alerts")} ${alerts.length > 0 && html`<small>${alerts.length}</small>`}</h2>
    <ol role="log" aria-live="polite" aria-relevant="additions" tabindex="0">
      ${alerts.map(
        (alert) => html`<li key=${alert.alert_id} class=${alert.severity} data-alert=${alert.alert_id}>
          <time>${clock(alert.ts_ms)}</time>
          <i class="severity" title=${alert.severity} aria-label=${alert.severity}>${SEVERITIES[alert.severity]}</i>
          <b>${alert.symbol}</b>
          <span>${(language.value === "vi" && alert.message_vi) || alert.message}</span>
        </li>`,
      )}
    </ol>
    ${alerts.length === 0 && html`<p class="empty">${t("noAlerts")}</p>`}
  </section>`;
}
