// Light or dark: the colours are the style sheet's, by the class of the page; charts ask for them.

import { effect, signal } from "/vendor/preact.js";
import { theme } from "./prefs.js";

/** Counts changes of the theme, for what draws with its colours. */
export const painted = signal(0);

effect(() => {
  document.documentElement.dataset.theme = theme.value;
  document.querySelector('meta[name="color-scheme"]').content = theme.value;
  painted.value = painted.peek() + 1;
});

/** A colour of the style sheet, such as `up`. */
export function colourOf(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
