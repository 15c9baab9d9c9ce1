// Which symbols a tab shows (pure).

export const TABS = ["VN30", "HOSE", "HNX", "UPCOM", "FUT"];

/** Whether a row belongs to `tab`; `reference` is the symbol's reference row, if one came. */
export function belongs(tab, row, reference) {
  if (tab === "VN30") return reference?.groups.includes("VN30") ?? false;
  if (tab === "FUT") return row.exchange === "DER";
  return row.exchange === tab;
}

/** The order on the board: by symbol; futures by month, which their codes do not sort by. */
export function inOrder(tab, rows, contracts) {
  const month = (row) => contracts.get(row.symbol)?.month ?? 0;
  return rows.sort((a, b) => (tab === "FUT" ? month(a) - month(b) : 0) || (a.symbol < b.symbol ? -1 : 1));
}
