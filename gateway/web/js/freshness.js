// Whether what the page shows is still true (pure).

// How long the connection may be lost before the page says that its prices are old.
export const LOST_MS = 5_000;

/**
 * How old the prices are, and whether to distrust them. That is for the gateway to say, as long as it is connected.
 *
 * `heartbeat` is the last one, with `at`, the page's clock when it came; `feeds` are the rows of channel `status`; `movedAt` and
 * `heardAt` are the page's clock when prices last moved and when anything last came; 0 for never.
 * Returns {age, stale, why}: milliseconds or null; why is "connection", "gateway", "feed", "prices" or "".
 */
export function freshness({ connection, heartbeat, feeds, movedAt, heardAt, now }) {
  const lag = heartbeat?.lag_ms.px;
  const moved = Math.max(movedAt, lag === null || lag === undefined ? 0 : heartbeat.at - lag);
  const age = moved === 0 ? null : Math.max(0, now - moved);
  if (connection.phase !== "live") return { age, stale: now - heardAt > LOST_MS, why: "connection" };
  if (heartbeat === null) return { age, stale: false, why: "" };
  if (heartbeat.reason) return { age, stale: true, why: "gateway" };
  if (!heartbeat.stale.includes("px")) return { age, stale: false, why: "" };
  const nobody = feeds.length > 0 && feeds.every((feed) => feed.state !== "up");
  return { age, stale: true, why: nobody ? "feed" : "prices" };
}
