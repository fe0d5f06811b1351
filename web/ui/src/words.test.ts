import { expect, it } from "vitest";
import kind from "../../../model/src/alert/kind.rs?raw";
import flow from "../../../model/src/flow.rs?raw";
import verdict from "../../../model/src/verdict.rs?raw";
import { moment, span } from "./time";
import type { DeliveryView } from "./overview";
import {
  ALERTS,
  EVENTS,
  FAILURES,
  FINDINGS,
  FLOW_FINDINGS,
  NOTES,
  count,
  deliveryWords,
  findingWords,
  flowWords,
  latency,
  noteWords,
  pendingWords,
} from "./words";

/** The stored words of one of the model's enums. */
function stored(source: string, name: string): string[] {
  const [, body = ""] = new RegExp(`pub enum ${name} \\{(.*?)\\n    \\}`, "s").exec(source) ?? [];
  return [...body.matchAll(/^ +\w+ = "(\w+)",$/gm)].map(([, word = ""]) => word);
}

it("has words for all that the model can say, and for nothing else", () => {
  expect([...FINDINGS.keys()]).toEqual(stored(verdict, "Finding"));
  expect([...FLOW_FINDINGS.keys()]).toEqual(stored(verdict, "FlowFinding"));
  expect([...NOTES.keys()]).toEqual(stored(verdict, "NoteKind"));
  expect([...FAILURES.keys()]).toEqual(stored(flow, "FailureKind"));
  expect([...ALERTS.keys()]).toEqual(stored(kind, "AlertKind"));
  expect([...EVENTS.keys()]).toEqual(stored(kind, "Event"));
});

it("makes words that it does not know readable", () => {
  expect(findingWords("seen_by_nobody")).toBe("seen by nobody");
  expect(noteWords("path_is_longer")).toBe("Path is longer");
  expect(flowWords({ finding: "failed", failure: "too_hot" })).toBe("too hot");
  expect(findingWords("constructor")).toBe("constructor");
});

it("says why a flow failed rather than that it did", () => {
  expect(flowWords({ finding: "failed", failure: "timeout" })).toBe("timed out");
  expect(flowWords({ finding: "only_in_header", failure: null })).toBe("only in a header");
});

it("gives latency three significant digits", () => {
  expect([0.4231, 1.8449, 18.449, 184.49, 1844.9].map(latency)).toEqual([
    "0.42 ms",
    "1.84 ms",
    "18.4 ms",
    "184 ms",
    "1.84 s",
  ]);
  expect(latency(null)).toBe("–");
});

it("measures time in the unit that matters", () => {
  const second = 1000;
  const times = [-5, 0, 99, 100, 5999, 6000, 172_799, 172_800, 864_000].map((s) => s * second);
  expect(times.map(span)).toEqual([
    "0 s",
    "0 s",
    "99 s",
    "1 min",
    "99 min",
    "1 h",
    "47 h",
    "2 d",
    "10 d",
  ]);
});

it("names the day of a moment that is not within hours", () => {
  const now = Date.parse("2026-11-23T10:00:00");
  expect(moment("2026-11-23T18:30:00", now)).toBe("18:30");
  expect(moment("2026-11-24T03:30:00", now)).toBe("03:30");
  expect(moment("2026-11-24T10:30:00", now)).toBe("24 Nov, 10:30");
});

it("counts in English", () => {
  expect([count(1, "flow"), count(2, "flow"), count(1284, "result")]).toEqual([
    "1 flow",
    "2 flows",
    "1,284 results",
  ]);
  const pending = (rounds: number) => pendingWords({ state: "down", rounds, of: 30 });
  expect([1, 2, 3, 4, 11, 21].map(pending).map((words) => words.split(" ")[0])).toEqual([
    "1st",
    "2nd",
    "3rd",
    "4th",
    "11th",
    "21st",
  ]);
});

it("says how far a delivery has come", () => {
  const words = (state: DeliveryView["state"], attempts: number) =>
    deliveryWords({ receiver: "ops", event: "opened", state, attempts });
  expect(words("pending", 0)).toBe("waiting");
  expect(words("pending", 2)).toBe("retrying after 2 attempts");
  expect(words("delivered", 1)).toBe("delivered");
  expect(words("dead", 8)).toBe("given up after 8 attempts");
  expect(words("dead", 0)).toBe("given up");
  expect(words("superseded", 3)).toBe("over before it could be told");
});
