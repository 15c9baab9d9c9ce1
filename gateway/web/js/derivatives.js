// The page of futures: do they trade above or below their index, by how much, and until when.

import { html, useMemo } from "/vendor/preact.js";
import { basisLine } from "./bars.js";
import { Chart, startBasis } from "./chart.js";
import { changeClass, mark } from "./colour.js";
import { change, percent, price, shortDay, volume } from "./format.js";
import { marketOf } from "./strip.js";
import { t } from "./text.js";
import { ArchiveState, SymbolLink, useArchive } from "./use.js";

const AGAIN_BEATS = 20;

export const nameOf = (row) => (row.alias ? `${row.underlying}${row.alias}` : row.symbol);

/** The contracts, those on VN30 first, the next to expire first. */
export function contractsOf(store) {
  const table = store.tables.basis;
  return table.keys.value
    .map((symbol) => table.get(symbol))
    .filter((row) => row !== undefined)
    .sort((a, b) => (a.underlying === b.underlying ? a.month - b.month : a.underlying === "VN30" ? -1 : 1));
}

function Against({ row }) {
  const colour = changeClass(row.basis);
  const word = row.basis > 0 ? "premium" : row.basis < 0 ? "discount" : null;
  return html`<span class=${colour}>${mark(colour)} ${change(row.basis, true, 2)}</span>${word && html` <small class="roomy">${t(word)}</small>`}`;
}

/** The panel below the board. */
export function BasisPanel({ store }) {
  const contracts = contractsOf(store);
  return html`<section class="panel basis" aria-label=${t("basis")}>
    <h2>${t("basis")}</h2>
    ${contracts.length === 0
      ? html`<p class="empty">${t("noBasis")}</p>`
      : html`<table>
          <thead>
            <tr>
              <th scope="col">${t("contract")}</th><th scope="col">${t("price")}</th><th scope="col">${t("spread")}</th><th scope="col">%</th>
              <th scope="col">${t("left")}</th>
            </tr>
          </thead>
          <tbody>
            ${contracts.map(
              (row) => html`<tr key=${row.symbol} data-contract=${row.symbol}>
                <th scope="row" title=${row.symbol}><${SymbolLink} symbol=${row.symbol}>${nameOf(row)}<//></th>
                <td class="number">${price(row.price, true)}</td>
                <td class="number ${changeClass(row.basis)}">${mark(changeClass(row.basis))} ${change(row.basis, true, 2)}</td>
                <td class="number ${changeClass(row.basis)}">${percent(row.basis_pct)}</td>
                <td class="number">${row.stale ? html`<em class="stale-mark">${t("indexStale")}</em>` : `${row.days_to_expiry} ${t("days")}`}</td>
              </tr>`,
            )}
          </tbody>
        </table>`}
  </section>`;
}

function BasisChart({ store, front }) {
  const { day } = marketOf(store);
  const answer = useArchive(day ? "basis" : null, { day, symbol: front.symbol }, store.round(AGAIN_BEATS));
  const said = `${front.symbol} ${answer.rows?.length} ${front.ts_ms}`;
  const data = useMemo(() => {
    return { line: basisLine(answer.rows ?? [], front) };
  }, [said]);
  return html`<${ArchiveState} answer=${answer} /><${Chart} start=${startBasis} data=${data} label=${t("basisLine")} />`;
}

export function DerivativesPage({ store }) {
  const contracts = contractsOf(store);
  if (contracts.length === 0) return html`<section class="page"><p class="empty">${t("noBasis")}</p></section>`;
  const [front] = contracts;
  const parts = { contract: nameOf(front), index: front.underlying, points: change(Math.abs(front.basis), true, 2).replace("+", "") };
  const sentence = t(front.basis > 0 ? "isPremium" : front.basis < 0 ? "isDiscount" : "isEven", parts);
  return html`<section class="page derivatives-page">
    <p class="answer ${changeClass(front.basis)}" data-basis=${front.basis}>
      ${mark(changeClass(front.basis))} ${sentence} (${percent(front.basis_pct)}%)
      ${front.stale && html` <em class="stale-mark">${t("indexStale")}</em>`}
    </p>
    <section class="panel">
      <h2>${t("contract")} <small>${t("openInterestNote")}</small></h2>
      <div class="scroll" tabindex="0" role="region" aria-label=${t("contract")}>
        <table class="contracts">
          <thead>
            <tr>
              <th scope="col">${t("contract")}</th><th scope="col">${t("price")}</th><th scope="col" class="roomy">+/−</th>
              <th scope="col" class="roomy">${t("index")}</th><th scope="col">${t("againstIndex")}</th><th scope="col">%</th>
              <th scope="col" class="roomy">${t("slope")}</th><th scope="col" class="roomy">${t("total")}</th>
              <th scope="col" class="roomy">${t("expiry")}</th><th scope="col">${t("left")}</th>
            </tr>
          </thead>
          <tbody>
            ${contracts.map((row) => {
              const line = store.tables.px.get(row.symbol);
              const moved = line === undefined || line.last === null ? null : line.last - line.reference;
              const expires = store.tables.ref.get(row.symbol)?.last_trading_day;
              return html`<tr key=${row.symbol} data-contract=${row.symbol}>
                <th scope="row"><${SymbolLink} symbol=${row.symbol}>${nameOf(row)}<//> <small class="roomy">${row.symbol}</small></th>
                <td class="number price">${price(row.price, true)}</td>
                <td class="number roomy ${changeClass(moved)}">${change(moved, true)}</td>
                <td class="number roomy">${price(row.index_value, true, 2)}</td>
                <td class="number basis"><${Against} row=${row} /></td>
                <td class="number ${changeClass(row.basis)}">${percent(row.basis_pct)}</td>
                <td class="number roomy">${row.slope === null ? "" : change(Math.round(row.slope), true, 2)}</td>
                <td class="number roomy">${volume(line?.total_volume)}</td>
                <td class="number roomy">${expires ? shortDay(expires) : ""}</td>
                <td class="number">${row.days_to_expiry === 0 ? t("today") : `${row.days_to_expiry} ${t("days")}`}${row.stale ? html` <em class="stale-mark">${t("indexStale")}</em>` : ""}</td>
              </tr>`;
            })}
          </tbody>
        </table>
      </div>
    </section>
    <section class="panel grows"><h2>${t("basisLine")} · ${nameOf(front)}</h2><${BasisChart} store=${store} front=${front} /></section>
  </section>`;
}
