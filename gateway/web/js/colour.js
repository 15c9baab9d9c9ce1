// What a price is, by the day's limits: purple ceiling, cyan floor, yellow reference, green above, red below.

/** The class of a price: ceiling, floor, reference, up, down, or none where there is no price to compare. */
export function priceClass(price, row) {
  if (!price || !row.reference) return "none";
  if (price === row.ceiling) return "ceiling";
  if (price === row.floor) return "floor";
  if (price === row.reference) return "reference";
  return price > row.reference ? "up" : "down";
}

/** The class of a change, where there are no limits: indices, basis, flow. */
export function changeClass(change) {
  return change > 0 ? "up" : change < 0 ? "down" : "reference";
}

const MARKS = { ceiling: "CE", floor: "FL", up: "▲", down: "▼", reference: "■", none: "" };

/** The sign that stands beside a colour, for those who cannot see it. */
export function mark(className) {
  return MARKS[className];
}

/** How a cell moved, for its flash: up, down, or same where only something else of it changed. */
export function movement(before, now) {
  if (before === undefined || before === now) return "";
  if (typeof before !== "number" || typeof now !== "number" || before === 0 || now === 0) return "same";
  return now > before ? "up" : "down";
}
