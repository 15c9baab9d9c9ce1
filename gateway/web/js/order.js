// In which order symbols stand, and which of them a search finds (pure).

/** Text as it is compared: without accents, case and đ, so that "thep" finds "Thép". */
export function plain(text) {
  return text
    .normalize("NFD")
    .replace(/[\u0300-\u036f]/g, "")
    .replace(/đ/gi, "d")
    .toUpperCase();
}

/**
 * The symbols that a search finds, best first: the symbol itself, those that begin with it, those whose name has a word that begins with
 * it, and those that have it anywhere. `names` is a Map of every symbol's name, which may be null.
 */
export function found(text, names, most = 60) {
  const needle = plain(text.trim());
  if (needle === "") return [];
  const ranked = [];
  for (const [symbol, name] of names) {
    const rank = rankOf(needle, symbol, name === null || name === undefined ? "" : plain(name));
    if (rank !== null) ranked.push([rank, symbol]);
  }
  ranked.sort((a, b) => a[0] - b[0] || a[1].length - b[1].length || (a[1] < b[1] ? -1 : 1));
  return ranked.slice(0, most).map(([, symbol]) => symbol);
}

function rankOf(needle, symbol, name) {
  if (symbol === needle) return 0;
  if (symbol.startsWith(needle)) return 1;
  if (name.startsWith(needle) || name.includes(` ${needle}`)) return 2;
  if (symbol.includes(needle)) return 3;
  return name.includes(needle) ? 4 : null;
}

/**
 * Sorted keys. `key` gives what a symbol is compared by; null and undefined stand last, whichever way. Equal ones stand by symbol.
 * `pinned` symbols come first, in the order in which they were pinned.
 */
export function ordered(symbols, key, descending, pinned = []) {
  const keys = new Map(symbols.map((symbol) => [symbol, key(symbol)]));
  const sorted = [...symbols].sort((a, b) => {
    const [left, right] = [keys.get(a), keys.get(b)];
    const none = (left ?? null) === null;
    if (none !== ((right ?? null) === null)) return none ? 1 : -1;
    if (none || left === right) return a < b ? -1 : 1;
    return left < right === descending ? 1 : -1;
  });
  const first = pinned.filter((symbol) => keys.has(symbol));
  return first.length === 0 ? sorted : [...first, ...sorted.filter((symbol) => !first.includes(symbol))];
}

/** What a click on a column's heading makes of the order: largest first, smallest first, as it was. */
export function nextSort(sort, column) {
  if (sort.column !== column) return { column, descending: true };
  return sort.descending ? { column, descending: false } : { column: null, descending: false };
}
