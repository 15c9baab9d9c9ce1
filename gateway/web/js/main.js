// The page: strip, pages, drawer, kept in step with the gateway.

import { effect, html, render, useEffect, useRef } from "/vendor/preact.js";
import { AlertPanel, AlertsPage, newCount, ring } from "./alerts.js";
import { Board, search, shownSymbols } from "./board.js";
import { BasisPanel, DerivativesPage } from "./derivatives.js";
import { Drawer } from "./drawer.js";
import { FlowPanel, ForeignPage } from "./foreign.js";
import { wordsOf } from "./groups.js";
import { Interest } from "./interest.js";
import { PAGES } from "./places.js";
import { mine, theme } from "./prefs.js";
import { go, here, there } from "./router.js";
import { Denied, SignIn, SignOut } from "./signin.js";
import { connect } from "./socket.js";
import { StatusPage } from "./status.js";
import { Store } from "./store.js";
import { Banner, IndexStrip, SessionPanel } from "./strip.js";
import { language, speak, t } from "./text.js";
import "./theme.js";

const PRICES_MS = 250;
const FLOW_MS = 1_000;
const SEARCH_MS = 200;

const store = new Store(Date.now());
const gateway = connect(store);

speak(language.peek());
effect(() => {
  document.title = `${t("title")} · stock-tracker`;
});
// At once: whether a feed lives must not be said later than how old its data is.
gateway.subscribe("status", ["*"], 0);
gateway.subscribe("ref", ["*"], FLOW_MS);
gateway.subscribe("index", ["*"]);
gateway.subscribe("breadth", ["*"]);
gateway.subscribe("flow", ["*"], FLOW_MS);
gateway.subscribe("basis", ["*"]);
gateway.subscribe("alert", ["*"]);

const interest = new Interest();

function want(who, words) {
  for (const { op, words: named } of interest.want(who, words)) gateway[op]("px", named, PRICES_MS);
}

effect(() => {
  const { page, tab } = here.value;
  const symbols = store.tables.ref.keys.value;
  if (page === "board") want("page", wordsOf(tab, symbols, mine.value));
  else want("page", { derivatives: ["@FUT"], status: ["*"] }[page] ?? []);
});

let drawn = "";
effect(() => {
  const { symbol } = here.value;
  if (symbol === drawn) return;
  // The new one first: with the last symbol of a channel its subscription ends, and what follows would be a new one.
  if (symbol !== "") gateway.subscribe("candle", [symbol]);
  if (drawn !== "") gateway.unsubscribe("candle", [drawn]);
  drawn = symbol;
  want("drawer", symbol === "" ? [] : [symbol]);
});

let typing = 0;
effect(() => {
  const text = search.value;
  clearTimeout(typing);
  typing = setTimeout(() => want("search", text.trim() === "" ? [] : shownSymbols(store)), SEARCH_MS);
});

ring(store);

const PAGE_NAMES = { board: "pageBoard", foreign: "pageForeign", derivatives: "pageDerivatives", alerts: "pageAlerts", status: "pageStatus" };

function Navigation() {
  const { page } = here.value;
  const fresh = newCount(store);
  return html`<nav class="pages" aria-label=${t("pages")}>
    ${PAGES.map(
      (name) => html`<a key=${name} href=${there({ page: name })} data-page=${name} aria-current=${page === name ? "page" : null}
        onClick=${(event) => {
          event.preventDefault();
          go({ page: name });
        }}>${t(PAGE_NAMES[name])}${
          name === "alerts" && fresh > 0
            ? html` <b class="badge"><span aria-hidden="true">${fresh}</span><span class="unseen">${t("newAlerts", { n: fresh })}</span></b>`
            : ""
        }</a>`,
    )}
    <span class="choices">
      <${SignOut} gateway=${gateway} />
      <button type="button" class="theme" title=${t("theme")} onClick=${() => (theme.value = theme.value === "dark" ? "light" : "dark")}>
        ${theme.value === "dark" ? "☀" : "☾"} <span>${t(theme.value === "dark" ? "light" : "dark")}</span>
      </button>
      ${["vi", "en"].map(
        (code) => html`<button key=${code} type="button" lang=${code} aria-pressed=${language.value === code} onClick=${() => speak(code)}>${code.toUpperCase()}</button>`,
      )}
    </span>
  </nav>`;
}

function BoardPage({ box }) {
  return html`<${Board} store=${store} box=${box} />
    <div class="panels">
      <${FlowPanel} store=${store} />
      <${BasisPanel} store=${store} />
      <${AlertPanel} store=${store} />
    </div>`;
}

const SHOWN = { foreign: ForeignPage, derivatives: DerivativesPage, alerts: AlertsPage, status: StatusPage };

function Page() {
  const { page, symbol } = here.value;
  const box = useRef(null);
  const isAwaited = useRef(false);
  /** Take the field to search in, which comes with the board; it has the focus if that was asked for on another page. */
  const { current: comes } = useRef((field) => {
    box.current = field;
    if (field !== null && isAwaited.current) field.focus();
    isAwaited.current = false;
  });
  useEffect(() => {
    const pressed = (event) => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.target.closest?.("input, select, textarea")) return;
      event.preventDefault();
      if (here.peek().page === "board") {
        box.current?.focus();
        return;
      }
      isAwaited.current = true;
      go({ page: "board" });
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, []);
  const Shown = SHOWN[page];
  return html`
    <h1 class="unseen">${t(PAGE_NAMES[page])}</h1>
    <header>
      <${IndexStrip} store=${store} />
      <${SessionPanel} store=${store} />
    </header>
    <${Navigation} />
    <${SignIn} store=${store} gateway=${gateway} />
    <${Banner} store=${store} />
    <${Denied} store=${store} />
    <main>
      <div class="content">${Shown === undefined ? html`<${BoardPage} box=${comes} />` : html`<${Shown} store=${store} />`}</div>
      ${symbol !== "" && html`<${Drawer} store=${store} />`}
    </main>
  `;
}

render(html`<${Page} />`, document.getElementById("page"));
