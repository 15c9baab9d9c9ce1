import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { STRENGTH } from "../../../../gateway/web/js/flashes.js";
import { ALERT_KINDS, LANGUAGES, PHASES, SECTORS, STATUSES, WORDS } from "../../../../gateway/web/js/words.js";

// The same in both languages: signs, and words that Vietnamese traders take from English.
const SHARED = new Set(["room", "change", "percent"]);

test("every word is there in both languages, and differs", () => {
  for (const [name, words] of [WORDS, PHASES, SECTORS, STATUSES, ALERT_KINDS].flatMap(Object.entries)) {
    assert.equal(words.length, LANGUAGES.length, name);
    assert.ok(words.every((word) => word.trim() === word && word !== ""), name);
    if (!SHARED.has(name)) assert.notEqual(words[0].toLowerCase(), words[1].toLowerCase(), name);
  }
});

test("what is filled in is the same in both languages", () => {
  for (const [name, [vi, en]] of Object.entries(WORDS)) {
    const parts = (text) => [...text.matchAll(/\{\w+\}/g)].map(String).sort();
    assert.deepEqual(parts(vi), parts(en), name);
  }
});

const CSS = readFileSync(new URL("../../../../gateway/web/css/board.css", import.meta.url), "utf8");
const paletteOf = (selector) =>
  Object.fromEntries([...CSS.slice(CSS.indexOf(selector)).split("}")[0].matchAll(/--([\w-]+): (#[0-9a-f]{6})\b/g)].map((found) => found.slice(1)));
const DARK = paletteOf(":root {");
const LIGHT = { ...DARK, ...paletteOf(':root[data-theme="light"] {') };

const channels = (colour) => [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
const luminance = (rgb) => {
  const [r, g, b] = rgb.map((n) => (n / 255 <= 0.03928 ? n / 255 / 12.92 : ((n / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (one, other) => {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
};
const over = (ground, colour) => channels(ground).map((n, i) => n * (1 - STRENGTH) + channels(colour)[i] * STRENGTH);

for (const [theme, palette] of Object.entries({ dark: DARK, light: LIGHT })) {
  test(`every colour of a price is legible on every ground, a flash among them: ${theme}`, () => {
    for (const text of ["ceiling", "floor", "reference", "up", "down", "text"]) {
      for (const ground of ["panel", "bid", "ask", "match"]) {
        assert.ok(contrast(channels(palette[text]), channels(palette[ground])) >= 4.5, `${text} on ${ground}`);
        for (const way of ["flash-up", "flash-down", "flash-same"]) {
          const found = contrast(channels(palette[text]), over(palette[ground], palette[way]));
          assert.ok(found >= 4.5, `${text} on ${way} over ${ground}: ${found.toFixed(2)}`);
        }
      }
    }
    for (const ground of ["panel", "raised", "ground"]) assert.ok(contrast(channels(palette.muted), channels(palette[ground])) >= 4.5, ground);
    assert.ok(contrast(channels(palette["on-accent"]), channels(palette.accent)) >= 4.5);
    assert.ok(contrast(channels(palette["on-alarm"]), channels(palette.alarm)) >= 4.5);
  });
}
