// Whether what the page shows is still true (pure).

// How long the connection may be lost before the page says that its prices are old: a moment, so that a quick return does not flicker.
export const LOST_MS = 1_000;

// How long a gateway may say nothing. It is asked after two seconds (client.js), so one that is there has answered by then.
export const HUNG_MS = 4_000;

// The gateway says each second how old the prices are that are older than two; younger ones only with its heartbeats.
export const HEARTBEAT_MS = 5_000;

/**
 * How old the prices are, and whether to distrust them. That is for the gateway to say, as long as it is connected: prices that
 * move may be minutes old, and prices that do not may be as new as they can be.
 *
 * `heartbeat` is the last one, with `at`, the page's clock when it came; `feeds` are the rows of channel `status`; `heardAt` is the
 * page's clock when anything last came, 0 for never.
 * Returns {age, stale, why}: milliseconds or null; why is "account", "connection", "hung", "gateway", "feed", "prices" or "".
 */
export function freshness({ connection, heartbeat, feeds, heardAt, now }) {
  const lag = heartbeat?.lag_ms.px;
  const since = heartbeat === null ? 0 : now - heartbeat.at;
  const isTold = connection.phase === "live" && since <= HEARTBEAT_MS;
  const age = lag === null || lag === undefined ? null : Math.max(0, lag + (isTold ? 0 : since));
  if (connection.phase === "signedOut") return { age, stale: true, why: "account" };
  if (connection.phase !== "live") return { age, stale: now - heardAt > LOST_MS, why: "connection" };
  if (now - heardAt > HUNG_MS) return { age: Math.max(age ?? 0, now - heardAt), stale: true, why: "hung" };
  if (heartbeat === null) return { age, stale: false, why: "" };
  if (heartbeat.reason) return { age, stale: true, why: "gateway" };
  if (!heartbeat.stale.includes("px")) return { age, stale: false, why: "" };
  const nobody = feeds.length > 0 && feeds.every((feed) => feed.state !== "up");
  return { age, stale: true, why: nobody ? "feed" : "prices" };
}

// Clocks of two machines that are right differ by less, as far as a gateway can tell.
export const SKEW_MS = 1_000;

/** The connectors whose clock differs from the gateway's, as [feed, ms]: every age is wrong by as much. */
export function skewed(heartbeat) {
  return Object.entries(heartbeat?.skew_ms ?? {}).filter(([, ms]) => ms > SKEW_MS || ms < -SKEW_MS);
}
