/** Times as an operator wants them: how long ago first, the exact moment on demand. */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A length of time in one unit: "42 s", "6 min", "26 h", "3 d" */
export function span(ms: number): string {
  const length = Math.max(0, ms);
  if (length < 100 * SECOND) return `${Math.floor(length / SECOND)} s`;
  if (length < 100 * MINUTE) return `${Math.floor(length / MINUTE)} min`;
  if (length < 2 * DAY) return `${Math.floor(length / HOUR)} h`;
  return `${Math.floor(length / DAY)} d`;
}

/** What is left of a time, never less than there is: "42 s", "6 min", "1 h 50 min", "26 h", "3 d" */
export function remaining(ms: number): string {
  const length = Math.max(0, ms);
  if (length < 100 * SECOND) return `${Math.ceil(length / SECOND)} s`;
  const minutes = Math.ceil(length / MINUTE);
  if (minutes < 100) return `${minutes} min`;
  if (minutes < 600) return `${Math.floor(minutes / 60)} h${minutes % 60 ? ` ${minutes % 60} min` : ""}`;
  if (length < 2 * DAY) return `${Math.ceil(length / HOUR)} h`;
  return `${Math.ceil(length / DAY)} d`;
}

/** The exact moment, in the reader's zone and language. */
export function exact(iso: string): string {
  return new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" });
}

/** The time of day alone, for lists: "03:12:45" */
export function clock(iso: string): string {
  return new Date(iso).toLocaleTimeString("en-GB");
}

/** A moment to come: the time of day, with the day where that is not within hours. */
export function moment(iso: string, nowMs: number): string {
  const at = new Date(iso);
  const isSoon = at.getTime() - nowMs < 18 * HOUR;
  return at.toLocaleString("en-GB", {
    ...(!isSoon && { day: "numeric", month: "short" }),
    hour: "2-digit",
    minute: "2-digit",
  });
}
