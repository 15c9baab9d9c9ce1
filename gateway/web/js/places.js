// The addresses of the page (pure): #board/HOSE, #board/HOSE/HPG (with the drawer of HPG open), #foreign//HPG/why.

import { TABS } from "./groups.js";

export const PAGES = ["board", "foreign", "derivatives", "alerts", "status"];

/** {page, tab, symbol, view, at}: `view` is the part of the drawer that is open, `at` a minute in milliseconds to show in its chart. */
export function placeOf(hash) {
  const [page, tab, symbol, view, at] = hash.replace(/^#/, "").split("/").map(decodeURIComponent);
  // Before there were pages an address was a tab's name.
  if (TABS.includes(page)) return { page: "board", tab: page, symbol: "", view: "chart", at: 0 };
  return {
    page: PAGES.includes(page) ? page : "board",
    tab: TABS.includes(tab) ? tab : TABS[0],
    symbol: /^[A-Z0-9]{1,12}$/.test(symbol ?? "") ? symbol : "",
    view: view || "chart",
    at: Number(at) || 0,
  };
}

/** The address of a place. */
export function addressOf({ page, tab, symbol, view, at }) {
  const parts = [page, page === "board" || symbol ? tab : "", symbol, symbol && (view !== "chart" || at) ? view : "", at || ""];
  while (parts.at(-1) === "") parts.pop();
  return `#${parts.join("/")}`;
}
