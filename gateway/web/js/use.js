// Small pieces that several pages use.

import { html, useEffect, useRef, useState } from "/vendor/preact.js";
import { ask, NotAllowed } from "./archive.js";
import { mark } from "./colour.js";
import { mayAsk, token } from "./session.js";
import { t } from "./text.js";
import { go, symbolAddress } from "./router.js";

/** A link to a symbol's drawer. */
export function SymbolLink({ symbol, view = "chart", at = 0, children, ...rest }) {
  const open = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go({ symbol, view, at });
  };
  return html`<a href=${symbolAddress(symbol, view, at)} onClick=${open} ...${rest}>${children ?? symbol}</a>`;
}

/** A number in the colour of its sign, with the sign that stands for it. */
export function Signed({ value, text }) {
  const colour = value > 0 ? "up" : value < 0 ? "down" : "reference";
  return html`<span class=${colour}>${mark(colour)} ${text}</span>`;
}

/**
 * What the archive answers, asked anew when one of `path`, `parameters`, `round` and the token changes; until the new answer is there the old one
 * stands. Returns {rows, error}: both null while nothing has come.
 */
export function useArchive(path, parameters, round = 0, pages = undefined) {
  const [answer, setAnswer] = useState({ of: "", rows: null, error: null });
  const of = JSON.stringify([path, parameters]);
  const isAllowed = mayAsk();
  useEffect(() => {
    let current = true;
    if (path === null || !isAllowed) return;
    ask(path, parameters, pages).then(
      (rows) => current && setAnswer({ of, rows, error: null }),
      (error) => current && setAnswer((before) => ({ of, rows: before.of === of ? before.rows : null, error })),
    );
    return () => {
      current = false;
    };
  }, [of, round, isAllowed, token.value]);
  return answer.of === of ? answer : { of, rows: null, error: null };
}

/** Says that the archive is away, or that it has still to answer; nothing once it has. */
export function ArchiveState({ answer }) {
  if (answer.error !== null) return html`<p class="empty" role="status">${t(answer.error instanceof NotAllowed ? "archiveDenied" : "archiveAway")}</p>`;
  return answer.rows === null ? html`<p class="empty" role="status">${t("loading")}</p>` : null;
}

/** An element that a part without Preact has for its own: `start(element)` returns {end(), …}; what it returned is handed to `update`. */
export function useOwn(start, update) {
  const element = useRef(null);
  const own = useRef(null);
  useEffect(() => {
    own.current = start(element.current);
    update?.(own.current);
    return () => own.current?.end();
  }, []);
  useEffect(() => {
    if (own.current) update?.(own.current);
  });
  return element;
}
