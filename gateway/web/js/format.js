// Numbers as a Vietnamese board writes them: thousand dong with two decimals, points, shares in full, money in billions.

const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const decimals = [0, 1, 2].map((n) => new Intl.NumberFormat("en-US", { minimumFractionDigits: n, maximumFractionDigits: n }));
const ICT_MS = 7 * 3_600_000;
export const MINUS = "−";

function signed(value, text) {
  return value > 0 ? `+${text}` : value < 0 ? `${MINUS}${text}` : text;
}

/** A price of an instrument: `points` for futures and indices (hundredths), else VND. Empty when there is none. */
export function price(value, points, digits = points ? 1 : 2) {
  if (value === null || value === undefined) return "";
  return decimals[digits].format(value / (points ? 100 : 1_000));
}

/** A change of price, with its sign. */
export function change(value, points, digits = points ? 1 : 2) {
  if (value === null || value === undefined) return "";
  return signed(value, price(Math.abs(value), points, digits));
}

/** A percentage, with its sign and two decimals; the heading says %. */
export function percent(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "";
  return signed(Math.round(value * 100), decimals[2].format(Math.abs(value)));
}

/** The change of `last` from `reference`, in percent. */
export function changePercent(last, reference) {
  return last === null || !reference ? null : ((last - reference) * 100) / reference;
}

/** Shares or contracts; 0 shows as nothing, as on every board. */
export function volume(value) {
  return value ? grouped.format(value) : "";
}

export function count(value) {
  return grouped.format(value);
}

/** A large number of shares, short: 851.3M. */
export function compact(value) {
  if (value < 1e6) return grouped.format(value);
  return value < 1e9 ? `${decimals[1].format(value / 1e6)}M` : `${decimals[2].format(value / 1e9)}B`;
}

/** VND as billions (tỷ). */
export function billions(value, withSign = false) {
  const text = decimals[Math.abs(value) >= 1e12 ? 0 : Math.abs(value) >= 1e9 ? 1 : 2].format(Math.abs(value) / 1e9);
  return withSign ? signed(value, text) : value < 0 ? MINUS + text : text;
}

/** A time of day in Vietnam. */
export function clock(ms) {
  return ms === null || ms === undefined ? "--:--:--" : new Date(ms + ICT_MS).toISOString().slice(11, 19);
}

/** A trading day, 20261123 → 23/11/2026. */
export function day(value) {
  const text = String(value);
  return value ? `${text.slice(6)}/${text.slice(4, 6)}/${text.slice(0, 4)}` : "";
}

/** A trading day without its century, 20261217 → 17/12/26. */
export function shortDay(value) {
  const text = String(value);
  return value ? `${text.slice(6)}/${text.slice(4, 6)}/${text.slice(2, 4)}` : "";
}

/** The exchange's time in an answer of the archive ("2026-11-20 09:15:00.000", Vietnam's), as milliseconds. */
export function archiveMs(text) {
  return Date.parse(`${text.replace(" ", "T")}+07:00`);
}

/** An age, as short as can be; `minutes` and `hours` are the units' names. */
export function age(ms, minutes = "min", hours = "h") {
  if (ms === null || ms === undefined) return "–";
  if (ms < 10_000) return `${decimals[1].format(Math.max(0, ms) / 1_000)} s`;
  if (ms < 120_000) return `${Math.round(ms / 1_000)} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} ${minutes}`;
  return `${Math.round(ms / 3_600_000)} ${hours}`;
}
