// Which symbols a tab shows, and what to subscribe to for it (pure).

export const TABS = ["VN30", "HOSE", "HNX", "UPCOM", "ETF", "CW", "FUT", "DEALS", "ODD", "MINE"];

// What HOSE calls what it lists: no feed says it. ETFs and funds begin with FUE and FUC, the oldest with E1; a covered warrant is C, the
// stock that it is on, year and number.
const FUND = /^(FUE|FUC|E1)[A-Z0-9]{3,}$/;
const WARRANT = /^C[A-Z0-9]{3}\d{4}$/;

export const isFund = (symbol) => FUND.test(symbol);
export const isWarrant = (symbol) => WARRANT.test(symbol);
const isStock = (symbol) => !isFund(symbol) && !isWarrant(symbol);

/** The sum of what was traded of a row in phase `name`: {volume, value}; null if nothing was. */
export function phaseSum(row, name) {
  const sum = row.phases?.find((one) => one.phase === name);
  if (sum === undefined) return null;
  const volume = sum.buy + sum.sell + sum.neutral;
  return volume === 0 ? null : { volume, value: sum.buy_value + sum.sell_value + sum.neutral_value, buy: sum.buy, sell: sum.sell };
}

/** Whether a row belongs to `tab`; `reference` is the symbol's reference row, if one came; `mine` is the user's list. */
export function belongs(tab, row, reference, mine = []) {
  switch (tab) {
    case "VN30":
      return reference?.groups.includes("VN30") ?? false;
    case "FUT":
      return row.exchange === "DER";
    case "ETF":
      return isFund(row.symbol);
    case "CW":
      return isWarrant(row.symbol);
    case "DEALS":
      return row.put_through_volume > 0;
    case "ODD":
      return phaseSum(row, "odd_lot") !== null;
    case "MINE":
      return mine.includes(row.symbol);
    default:
      return row.exchange === tab && isStock(row.symbol);
  }
}

/** What to subscribe to on channel `px` for `tab`: words of the protocol. `symbols` are all that reference data names. */
export function wordsOf(tab, symbols, mine) {
  switch (tab) {
    case "ETF":
      return symbols.filter(isFund);
    case "CW":
      return symbols.filter(isWarrant);
    case "MINE":
      return mine;
    case "DEALS":
    case "ODD":
      return ["*"];
    default:
      return [`@${tab}`];
  }
}
