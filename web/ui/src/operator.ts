/** What the reader has the agent do, and as whom. */
import { signal } from "@preact/signals";
import type { AlertView, Changed, NewSilence, OutboxEntry, Problem, SilenceView } from "./overview";

/** What the reader is about to do. */
export type Plan =
  | { kind: "acknowledge"; alert: AlertView }
  | { kind: "silence"; alert: AlertView | null }
  | { kind: "end"; silence: SilenceView }
  | { kind: "retry"; receiver: string };

/** What the open dialog is about. */
export const plan = signal<Plan | null>(null);
/** What was done last, for those who hear the page. */
export const done = signal("");
/** Why what was done last was not stored when the agent answered; empty if it was. */
export const notStored = signal("");

const API = "/api/v1";
const TIMEOUT_MS = 10_000;

/** Something that the reader is asked for once. Where storage is blocked, it is known until the page is left. */
interface Remembered {
  key: string;
  /** Reading the property itself throws where storage is blocked. */
  storage: () => Storage;
  value: string;
}

const NAME: Remembered = { key: "vipwatch-name", storage: () => localStorage, value: "" };
/** Kept until the tab is closed. */
const TOKEN: Remembered = { key: "vipwatch-token", storage: () => sessionStorage, value: "" };

/** Why something was not done. */
export interface Refusal {
  text: string;
  /** Whether a token would help. */
  wantsToken: boolean;
}

export function acknowledge(alert: string, by: string, comment: string): Promise<Refusal | null> {
  return change("POST", `/alerts/${encodeURIComponent(alert)}/acknowledgement`, { by, comment });
}

export function silence(wanted: NewSilence): Promise<Refusal | null> {
  return change("POST", "/silences", wanted);
}

export function endSilence(id: string, by: string): Promise<Refusal | null> {
  return change("DELETE", `/silences/${encodeURIComponent(id)}?by=${encodeURIComponent(by)}`);
}

export function retry(receiver: string, by: string): Promise<Refusal | null> {
  return change("POST", "/deliveries/retry", { receiver, by });
}

/** What was given up for a receiver. */
export async function deadLetters(receiver: string): Promise<OutboxEntry[] | Refusal> {
  const query = new URLSearchParams({ receiver, state: "dead" });
  const answer = await ask(`/deliveries?${query}`);
  return answer instanceof Response ? ((await answer.json()) as OutboxEntry[]) : answer;
}

async function change(method: string, path: string, body?: object): Promise<Refusal | null> {
  const headers = new Headers();
  const init: RequestInit = { method, headers };
  if (body) {
    headers.set("content-type", "application/json");
    init.body = JSON.stringify(body);
  }
  const token = recall(TOKEN);
  if (token) headers.set("authorization", `Bearer ${token}`);
  const answer = await ask(path, init);
  if (!(answer instanceof Response)) return answer;
  notStored.value = await whyNotStored(answer);
  return null;
}

async function ask(path: string, init: RequestInit = {}): Promise<Response | Refusal> {
  try {
    const response = await fetch(API + path, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (response.ok) return response;
    return { text: await whyNot(response), wantsToken: response.status === 401 };
  } catch {
    return { text: "The agent did not answer. Is there a connection?", wantsToken: false };
  }
}

/** It is done, whatever became of the rest of the answer. */
async function whyNotStored(answer: Response): Promise<string> {
  try {
    return ((await answer.json()) as Changed).not_stored ?? "";
  } catch {
    return "";
  }
}

/** The agent's own words, as a sentence. */
async function whyNot(response: Response): Promise<string> {
  try {
    const { detail } = (await response.json()) as Problem;
    return `${detail.charAt(0).toUpperCase()}${detail.slice(1)}.`;
  } catch {
    return `The agent answered ${response.status}.`;
  }
}

/** Who the reader said to be. */
export function name(): string {
  return recall(NAME);
}

export function rememberName(value: string): void {
  remember(NAME, value);
}

export function rememberToken(value: string): void {
  remember(TOKEN, value);
}

function recall(what: Remembered): string {
  try {
    return what.storage().getItem(what.key) ?? what.value;
  } catch {
    return what.value;
  }
}

function remember(what: Remembered, value: string): void {
  what.value = value;
  try {
    what.storage().setItem(what.key, value);
  } catch {
    // It is known for as long as the page is open.
  }
}
