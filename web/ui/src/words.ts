/** Stored words as people read them, and numbers with their units. */
import type { DeliveryView, Pending, State } from "./overview";

/** Worst first: the order in which problems want attention. */
export const STATES: readonly State[] = [
  "down",
  "translated",
  "degraded",
  "unknown",
  "idle",
  "up",
];

const STATE_WORDS: Record<State, string> = {
  up: "Up",
  degraded: "Degraded",
  translated: "Translated",
  idle: "Idle",
  down: "Down",
  unknown: "Unknown",
};

export function stateWord(state: State): string {
  return STATE_WORDS[state];
}

/** `no_endpoint` is stored, "no endpoint" is read. */
export function findingWords(finding: string): string {
  return finding.replaceAll("_", " ");
}

/** "1 flow", "2 flows" */
export function count(n: number, noun: string): string {
  return `${grouped(n)} ${noun}${n === 1 ? "" : "s"}`;
}

/** 1284 as "1,284", whatever the browser's language. */
export function grouped(n: number): string {
  return n.toLocaleString("en");
}

/** Three significant digits: 0.42 ms, 1.84 ms, 18.4 ms, 184 ms, 1.84 s */
export function latency(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return "–";
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)} s`;
  if (ms >= 100) return `${ms.toFixed(0)} ms`;
  return `${ms.toFixed(ms >= 10 ? 1 : 2)} ms`;
}

function ordinal(n: number): string {
  const isTeen = n % 100 >= 11 && n % 100 <= 13;
  const ending = isTeen ? undefined : { 1: "st", 2: "nd", 3: "rd" }[n % 10];
  return `${n}${ending ?? "th"}`;
}

/** What hysteresis still holds back: "2nd of 3 rounds: translated" */
export function pendingWords(pending: Pending): string {
  return `${ordinal(pending.rounds)} of ${pending.of} rounds: ${pending.state}`;
}

export function deliveryWords({ state, attempts }: DeliveryView): string {
  const tries = count(attempts, "attempt");
  if (state === "delivered") return attempts > 1 ? `delivered after ${tries}` : "delivered";
  if (state === "dead") return `given up after ${tries}`;
  return attempts > 0 ? `retrying after ${tries}` : "waiting";
}
