import { describe, expect, it } from "vitest";
import { flowState, fold, keepsPorts } from "./evidence";
import type { Flow, RoundView } from "./overview";
import { round } from "./sample";

const flow = (finding: string, local: string, seen: string | null): Flow => ({
  finding,
  local,
  remote: "192.0.2.201:80",
  seen,
});

describe("fold", () => {
  it("makes one row of flows that differ in their ports alone", () => {
    const rows = fold([
      flow("translated", "198.51.100.7:40112", "10.244.1.1:3178"),
      flow("preserved", "198.51.100.7:40113", "198.51.100.7:40113"),
      flow("translated", "198.51.100.7:40114", "10.244.1.1:9774"),
    ]);
    expect(rows.map(({ finding, flows }) => [finding, flows])).toEqual([
      ["translated", 2],
      ["preserved", 1],
    ]);
    expect(rows[0]).toMatchObject({
      from: { address: "198.51.100.7", ports: ["40112", "40114"] },
      to: { address: "192.0.2.201", ports: ["80"] },
      seen: { address: "10.244.1.1", ports: ["3178", "9774"] },
    });
    expect(rows.map(keepsPorts)).toEqual([false, true]);
  });

  it("reads addresses of both families, with and without a port", () => {
    const seen = (text: string) => fold([flow("preserved", "192.0.2.9:1", text)])[0]?.seen;
    expect(seen("[2001:db8::9]:80")).toEqual({ address: "2001:db8::9", ports: ["80"] });
    expect(seen("2001:db8::9")).toEqual({ address: "2001:db8::9", ports: [] });
    expect(seen("192.0.2.9")).toEqual({ address: "192.0.2.9", ports: [] });
  });

  it("keeps failures apart, and what never began", () => {
    const failed = (failure: string): Flow => ({ finding: "failed", failure });
    const rows = fold([failed("timeout"), failed("refused"), failed("timeout")]);
    expect(rows.map(({ failure, flows }) => [failure, flows])).toEqual([
      ["timeout", 2],
      ["refused", 1],
    ]);
    expect(rows[0]).toMatchObject({ from: null, to: null, seen: null });
  });

  it("does not call it the same port where none is told", () => {
    expect(fold([flow("preserved", "192.0.2.9:1", "192.0.2.9")]).map(keepsPorts)).toEqual([false]);
  });
});

describe("flowState", () => {
  const state = (finding: string, within: Pick<RoundView, "finding" | "state">) =>
    flowState(finding, { ...round(), ...within });

  it("gives a flow the round's sign where it says the same", () => {
    expect(state("translated", { finding: "translated", state: "translated" })).toBe("translated");
    expect(state("translated", { finding: "translated", state: "up" })).toBe("up");
    expect(state("preserved", { finding: "preserved", state: "translated" })).toBe("translated");
  });

  it("blames an address only where it is to survive", () => {
    expect(state("translated", { finding: "partly_translated", state: "translated" })).toBe(
      "translated",
    );
    expect(state("translated", { finding: "partly_failing", state: "degraded" })).toBe("up");
    expect(state("port_changed", { finding: "preserved", state: "up" })).toBe("up");
  });

  it("tells what failed from what cannot be judged", () => {
    const within = { finding: "partly_failing", state: "degraded" } as const;
    expect(["failed", "not_made", "header_trusted", "new_word"].map((one) => state(one, within))).toEqual(
      ["down", "unknown", "unknown", "unknown"],
    );
  });
});
