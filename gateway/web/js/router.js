// Where the page is, and how it goes elsewhere.

import { signal } from "/vendor/preact.js";
import { addressOf, placeOf } from "./places.js";

export const here = signal(placeOf(location.hash));

/** The address of here with some of it changed. */
export const there = (change) => addressOf({ ...here.value, ...change });

export function go(change) {
  const place = { ...here.peek(), ...change };
  const address = addressOf(place);
  if (address !== location.hash) history.pushState(null, "", address);
  here.value = place;
}

/** The address of a symbol's drawer, over the page that is open. */
export const symbolAddress = (symbol, view = "chart", at = 0) => there({ symbol, view, at });

for (const event of ["popstate", "hashchange"]) window.addEventListener(event, () => (here.value = placeOf(location.hash)));
