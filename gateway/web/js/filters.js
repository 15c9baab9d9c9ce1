// Which alerts a filter lets through (pure).

/** `filter` is {severity, kind, symbol, onlyNew}; empty words let all through; `seen` are the ids of the acknowledged. */
export function alertsShown(alerts, { severity, kind, symbol, onlyNew }, seen) {
  const needle = symbol.trim().toUpperCase();
  return alerts.filter(
    (alert) =>
      (severity === "" || alert.severity === severity) &&
      (kind === "" || alert.kind === kind) &&
      (needle === "" || alert.symbol.startsWith(needle)) &&
      !(onlyNew && seen.has(alert.alert_id)),
  );
}
