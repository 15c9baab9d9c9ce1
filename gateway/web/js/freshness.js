// Whether what the page shows is still true (pure).

export const STALE_MS = 5_000;
const TRADING = new Set(["ato", "continuous", "atc"]);

/**
 * How old the prices are, and whether to distrust them.
 *
 * `heartbeat` is the last one, with `at`, the page's clock when it came; `movedAt` and `heardAt` are the page's clock when
 * prices last moved and when anything last came; 0 for never.
 * Returns {age, stale, why}: milliseconds or null; why is "connection", "gateway", "feed", "prices" or "".
 */
export function freshness({ connection, heartbeat, feeds, movedAt, heardAt, now }) {
  const lag = heartbeat?.lag_ms.px;
  const moved = Math.max(movedAt, lag === null || lag === undefined ? 0 : heartbeat.at - lag);
  const age = moved === 0 ? null : Math.max(0, now - moved);
  if (connection.phase !== "live") return { age, stale: now - heardAt > STALE_MS, why: "connection" };
  if (heartbeat === null) return { age, stale: false, why: "" };
  if (heartbeat.reason) return { age, stale: true, why: "gateway" };
  const nobody = feeds.length > 0 && feeds.every((feed) => feed.state !== "up");
  // A connector that fell silent at lunch does not say that the afternoon began.
  if (nobody && feeds.some((feed) => feed.state === "silent")) return { age, stale: true, why: "feed" };
  if (!TRADING.has(heartbeat.session)) return { age, stale: false, why: "" };
  if (nobody) return { age, stale: true, why: "feed" };
  return heartbeat.stale.includes("px") ? { age, stale: true, why: "prices" } : { age, stale: false, why: "" };
}
