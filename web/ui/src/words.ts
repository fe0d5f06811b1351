/** Stored words as people read them, and numbers with their units. */
import type { DeliveryView, Flow, Pending, State } from "./overview";

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

type Words = ReadonlyMap<string, string>;

/** What a round found. */
export const FINDINGS: Words = new Map([
  ["preserved", "preserved"],
  ["translated", "translated"],
  ["partly_translated", "partly translated"],
  ["only_in_header", "only in a header"],
  ["inconclusive", "cannot be judged"],
  ["answering", "answering"],
  ["partly_failing", "partly failing"],
  ["slow", "too slow"],
  ["wrong_answer", "wrong answer"],
  ["unreachable", "no answer"],
  ["blind", "agent could not look"],
  ["ready", "ready"],
  ["no_endpoints", "no ready endpoint"],
  ["proxy_unhealthy", "service proxy unhealthy"],
  ["other_service", "another service's port"],
  ["port_closed", "port closed"],
  ["node_silent", "node silent"],
  ["unreadable", "unreadable answer"],
  ["policy_local", "policy is Local"],
  ["proxy_healthy", "healthy"],
  ["node_ineligible", "node is leaving"],
]);

/** What one flow says. */
export const FLOW_FINDINGS: Words = new Map([
  ["preserved", "preserved"],
  ["port_changed", "port changed"],
  ["translated", "translated"],
  ["only_in_header", "only in a header"],
  ["header_trusted", "told by a header"],
  ["inconclusive", "cannot be judged"],
  ["answered", "answered"],
  ["failed", "failed"],
  ["not_made", "not made"],
]);

/** What an alert is about. */
export const ALERTS: Words = new Map([
  ["source_translated", "client addresses lost"],
  ["unreachable", "no answer"],
  ["degraded", "partly failing"],
  ["node_unhealthy", "node lost its endpoints"],
  ["node_down", "node down"],
  ["no_healthy_node", "no healthy node"],
  ["redundancy_lost", "too few healthy nodes"],
  ["policy_drift", "other policy than configured"],
  ["headers_trusted", "headers trusted"],
  ["dns_drift", "name leads elsewhere"],
  ["certificate_expiring", "certificate expires"],
  ["egress_changed", "agent's own address changed"],
  ["vantage_blind", "agent cannot see"],
  ["flapping", "back and forth"],
]);

/** What a notification tells. */
export const EVENTS: Words = new Map([
  ["opened", "opened"],
  ["reminder", "still open"],
  ["acknowledged", "taken on"],
  ["resolved", "over"],
  ["digest", "summed up"],
  ["test", "a test"],
]);

/** Why a flow gave no answer. */
export const FAILURES: Words = new Map([
  ["resolve", "name not found"],
  ["refused", "refused"],
  ["reset", "reset"],
  ["timeout", "timed out"],
  ["unreachable", "no way there"],
  ["tls", "TLS failed"],
  ["protocol", "broken answer"],
  ["status", "error status"],
  ["unexpected", "other answer than expected"],
  ["vantage", "could not leave this host"],
  ["blind", "agent could not see"],
  ["agent", "agent's own fault"],
]);

/** What a note is about. */
export const NOTES: Words = new Map([
  ["port_changed", "Port changed"],
  ["headers_trusted", "Headers trusted"],
  ["dns_drift", "Name leads elsewhere"],
  ["certificate_expiring", "Certificate"],
  ["retransmitted", "Sent again"],
  ["vantage_inside", "Agent inside the cluster"],
]);

export function alertWords(kind: string): string {
  return spoken(ALERTS, kind);
}

export function eventWords(event: string): string {
  return spoken(EVENTS, event);
}

export function findingWords(finding: string): string {
  return spoken(FINDINGS, finding);
}

/** A failure says more than that there was one. */
export function flowWords(flow: Pick<Flow, "finding" | "failure">): string {
  return flow.failure ? spoken(FAILURES, flow.failure) : spoken(FLOW_FINDINGS, flow.finding);
}

export function noteWords(kind: string): string {
  const words = spoken(NOTES, kind);
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** A newer agent's word is at least readable: `no_such_word` as "no such word". */
function spoken(words: Words, stored: string): string {
  return words.get(stored) ?? stored.replaceAll("_", " ");
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
  if (state === "dead") return attempts > 0 ? `given up after ${tries}` : "given up";
  if (state === "superseded") return "over before it could be told";
  return attempts > 0 ? `retrying after ${tries}` : "waiting";
}
