import { describe, expect, it } from "vitest";
import { draw } from "./history";
import type { State, Tick } from "./overview";
import { AT } from "./sample";

const tick = (state: State, latency_ms: number | null): Tick => ({ at: AT, state, latency_ms });

describe("draw", () => {
  it("puts the latest round at the right edge", () => {
    expect(draw([tick("up", 1)]).bars).toEqual([{ state: "up", path: "M236 29h3V36h-3z" }]);
  });

  it("draws one path for each state, trouble taller", () => {
    const { bars } = draw([tick("up", 1), tick("down", null), tick("up", 1)]);
    expect(bars.map((bar) => bar.state)).toEqual(["down", "up"]);
    expect(bars[0]?.path).toContain(" 24h");
  });

  it("interrupts the line where nothing answered", () => {
    const { line } = draw([tick("up", 1), tick("down", null), tick("up", 2)]);
    expect(line.match(/M/g)).toHaveLength(2);
  });

  it("says the same in words", () => {
    expect(draw([]).label).toBe("No rounds yet");
    expect(draw([tick("up", 1), tick("down", null)]).label).toBe(
      "Last 2 rounds: 1 down, 1 up; latency 1.00 ms to 1.00 ms",
    );
  });
});
