/**
 * The connection to the agent: server-sent events, a plain request where they
 * do not get through, and an honest word about which of them it is.
 */
import type { Overview } from "./overview";

export type Connection = "connecting" | "live" | "polling" | "reconnecting" | "lost";

/** Silence that is longer than this means that what is shown may be wrong. */
export const STALE_MS = 15_000;

const EVENTS = "/api/v1/events";
const OVERVIEW = "/api/v1/overview";
const FIRST_RETRY_MS = 1_000;
/** Below `STALE_MS`, so that polling alone keeps the page fresh. */
const LAST_RETRY_MS = 8_000;
const REQUEST_TIMEOUT_MS = 5_000;

export interface Sink {
  overview(overview: Overview): void;
  connection(connection: Connection): void;
}

/** Follows the agent until the returned function is called. */
export function follow(sink: Sink): () => void {
  let source: EventSource | undefined;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let attempt = 0;
  let heardAt = Date.now();
  let isPolling = false;
  let isOver = false;

  const heard = (connection: Connection) => {
    heardAt = Date.now();
    isPolling = connection === "polling";
    sink.connection(connection);
  };

  const open = () => {
    clearTimeout(retry);
    source?.close();
    const opened = new EventSource(EVENTS);
    source = opened;
    opened.addEventListener("overview", (event: MessageEvent<string>) => {
      sink.overview(JSON.parse(event.data) as Overview);
      attempt = 0;
      heard("live");
    });
    opened.addEventListener("alive", () => heard("live"));
    opened.addEventListener("error", fail);
  };

  const fail = () => {
    source?.close();
    source = undefined;
    if (isOver) return;
    clearTimeout(retry);
    retry = setTimeout(open, retryDelayMs(attempt++));
    if (isStale()) sink.connection("lost");
    else if (!isPolling) sink.connection("reconnecting");
    void poll();
  };

  const poll = async () => {
    try {
      const response = await fetch(OVERVIEW, { signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) });
      if (!response.ok) return;
      const overview = (await response.json()) as Overview;
      // The events may be back already, and newer.
      if (isOver || source?.readyState === EventSource.OPEN) return;
      sink.overview(overview);
      heard("polling");
    } catch {
      // The retry is scheduled, and the watchdog tells the reader.
      isPolling = false;
    }
  };

  const isStale = () => Date.now() - heardAt > STALE_MS;

  const watchdog = setInterval(() => {
    if (!isStale()) return;
    sink.connection("lost");
    // An open but silent stream will not fail by itself.
    if (source?.readyState === EventSource.OPEN) fail();
  }, 1_000);

  const wake = () => {
    if (!document.hidden && source?.readyState !== EventSource.OPEN) {
      attempt = 0;
      open();
    }
  };
  document.addEventListener("visibilitychange", wake);
  window.addEventListener("online", wake);

  open();
  return () => {
    isOver = true;
    source?.close();
    clearTimeout(retry);
    clearInterval(watchdog);
    document.removeEventListener("visibilitychange", wake);
    window.removeEventListener("online", wake);
  };
}

/** Twice as long each time, and never in step with other pages. */
export function retryDelayMs(attempt: number, random = Math.random()): number {
  const longest = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** attempt);
  return longest * (0.5 + random / 2);
}
