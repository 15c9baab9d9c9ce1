// The page's words, in Vietnamese and English.

import { signal } from "/vendor/preact.js";
import { age } from "./format.js";
import { kept, keep } from "./kept.js";
import { ALERT_KINDS, LANGUAGES, PHASES, SECTORS, STATUSES, WORDS } from "./words.js";

export const language = signal(kept("language", "vi") === "en" ? "en" : "vi");

export function speak(code) {
  language.value = code;
  keep("language", code);
  document.documentElement.lang = code;
}

const place = () => LANGUAGES.indexOf(language.value);

/** A word in the page's language; whoever asks is drawn again when the language changes. `{name}` in it is replaced by `parts.name`. */
export function t(word, parts = {}) {
  return WORDS[word][place()].replace(/\{(\w+)\}/g, (_, name) => parts[name]);
}

/** An age, as short as can be, in the page's language. */
export const ageText = (ms) => age(ms, t("minutes"), t("hours"));

/** What a phase is called. */
export function phaseName(phase) {
  return phase ? PHASES[phase][place()] : "–";
}

/** What a sector is called: SSI's own English name where it is not one that we know. */
export function sectorName(sector) {
  return SECTORS[sector]?.[place()] ?? sector;
}

/** A trading status other than the ordinary one, as a word; empty for the ordinary one. */
export function statusName(status) {
  return STATUSES[status]?.[place()] ?? "";
}

/** What a kind of alert is called. */
export function alertKind(kind) {
  return ALERT_KINDS[kind]?.[place()] ?? kind;
}
