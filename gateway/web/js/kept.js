// What the browser keeps for its user: language, theme, lists, columns. It may refuse to; then it lasts as long as the page.

const memory = new Map();

/** What was kept under `name`, or `otherwise`. */
export function kept(name, otherwise) {
  if (memory.has(name)) return memory.get(name);
  try {
    const text = localStorage.getItem(name);
    return text === null ? otherwise : JSON.parse(text);
  } catch {
    return otherwise;
  }
}

export function keep(name, value) {
  memory.set(name, value);
  try {
    localStorage.setItem(name, JSON.stringify(value));
  } catch {
    // Storage is full, or forbidden.
  }
}
