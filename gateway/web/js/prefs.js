// What a user has chosen, kept in the browser.

import { signal } from "/vendor/preact.js";
import { keep, kept } from "./kept.js";

function preference(name, otherwise) {
  const value = signal(kept(name, otherwise));
  value.subscribe((now) => keep(name, now));
  return value;
}

export const mine = preference("mine", []); // symbols of the user's list, in the order in which they were added
export const pinned = preference("pinned", []);
export const hiddenColumns = preference("hiddenColumns", []); // ids
export const overlays = preference("overlays", []); // what charts show beside the symbol: "vn30", "basis"
export const theme = preference("theme", "dark"); // as boards are
export const sound = preference("sound", false);
export const acknowledged = preference("acknowledged", []); // ids of alerts, the last ones only

const ACKNOWLEDGED_KEPT = 2_000;

/** A list with `item` in it, or without it if it was. */
export function toggled(list, item) {
  return list.includes(item) ? list.filter((other) => other !== item) : [...list, item];
}

export function acknowledge(ids) {
  acknowledged.value = [...new Set([...acknowledged.peek(), ...ids])].slice(-ACKNOWLEDGED_KEPT);
}
