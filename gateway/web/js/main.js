// The page: strip, board, panels, kept in step with the gateway.

import { effect, html, render, signal } from "/vendor/preact.js";
import { Board } from "./board.js";
import { TABS } from "./groups.js";
import { AlertPanel, BasisPanel, FlowPanel } from "./panels.js";
import { connect } from "./socket.js";
import { Store } from "./store.js";
import { Banner, IndexStrip, SessionPanel } from "./strip.js";
import { speak, language, t } from "./text.js";

const PRICES_MS = 250;
const FLOW_MS = 1_000;

const store = new Store();
const tab = signal(TABS.includes(location.hash.slice(1)) ? location.hash.slice(1) : TABS[0]);
const search = signal("");
const gateway = connect(store);

/** Show another group: the new one is asked for before the old one is given up, so that what both have does not stop. */
function choose(name) {
  const before = tab.peek();
  if (name === before) return;
  tab.value = name;
  history.replaceState(null, "", `#${name}`);
  gateway.subscribe("px", [`@${name}`], PRICES_MS);
  gateway.unsubscribe("px", [`@${before}`]);
}

speak(language.peek());
effect(() => {
  document.title = `${t("title")} · stock-tracker`;
});
gateway.subscribe("status", ["*"], FLOW_MS);
gateway.subscribe("ref", ["*"], FLOW_MS);
gateway.subscribe("index", ["*"]);
gateway.subscribe("breadth", ["*"]);
gateway.subscribe("px", [`@${tab.peek()}`], PRICES_MS);
gateway.subscribe("flow", ["*"], FLOW_MS);
gateway.subscribe("basis", ["*"]);
gateway.subscribe("alert", ["*"]);

function Page() {
  return html`
    <header>
      <${IndexStrip} store=${store} />
      <${SessionPanel} store=${store} />
    </header>
    <${Banner} store=${store} />
    <main>
      <${Board} store=${store} tab=${tab} search=${search} choose=${choose} />
      <div class="panels">
        <${FlowPanel} store=${store} />
        <${BasisPanel} store=${store} />
        <${AlertPanel} store=${store} />
      </div>
    </main>
  `;
}

render(html`<${Page} />`, document.getElementById("page"));
