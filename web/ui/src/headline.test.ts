import { describe, expect, it } from "vitest";
import { documentTitle, headline } from "./headline";
import { overview, probe, service } from "./sample";

describe("headline", () => {
  const sentence = (...states: Parameters<typeof service>[1][]) =>
    headline(overview(states.map((state, index) => service(`ns/${index}`, state)))).sentence;

  it("says that all is well", () => {
    expect(sentence("up", "up")).toBe("All 2 services preserve client addresses");
    expect(sentence("up")).toBe("The service preserves client addresses");
  });

  it("promises nothing about addresses where a policy is Cluster", () => {
    const cluster = { ...service("ns/b"), external_traffic_policy: "Cluster" as const };
    expect(headline(overview([service("ns/a"), cluster])).sentence).toBe(
      "All 2 services are as expected",
    );
  });

  it("names the worst problem first, and no more than two", () => {
    expect(sentence("translated", "up")).toBe("1 service loses client addresses");
    expect(sentence("translated", "translated")).toBe("2 services lose client addresses");
    expect(sentence("translated", "down", "up")).toBe(
      "1 service is down, 1 loses client addresses",
    );
    expect(sentence("translated", "down", "degraded", "unknown")).toBe(
      "1 service is down, 1 loses client addresses, 2 more problems",
    );
  });

  it("takes the state of the worst", () => {
    const mixed = overview([service("ns/a", "degraded")], [probe("control", "down")]);
    expect(headline(mixed)).toEqual({
      state: "down",
      sentence: "1 probe is down, 1 service is degraded",
    });
  });

  it("counts nodes by what is asked of them, and as no more than degraded", () => {
    const node1 = [probe("ping@node-1", "down"), probe("kube-proxy@node-1", "degraded")];
    expect(headline(overview([service("ns/a")], [...node1, probe("ping@node-2")]))).toEqual({
      state: "degraded",
      sentence: "1 node is degraded",
    });
    expect(headline(overview([service("ns/a", "translated")], node1)).sentence).toBe(
      "1 service loses client addresses, 1 node is degraded",
    );
  });

  it("tells waiting from not knowing, and both from having nothing to do", () => {
    const waiting = service("ns/a", "unknown");
    waiting.vips = waiting.vips.map((vip) => ({ ...vip, last: null }));
    expect(headline(overview([waiting])).sentence).toBe("Waiting for the first round of 1 service");
    expect(sentence("unknown")).toBe("1 service cannot be judged");
    expect(headline(overview([])).sentence).toBe("Nothing is configured to be watched");
  });
});

describe("documentTitle", () => {
  it("counts alerts, then problems, and admits a lost connection", () => {
    expect(documentTitle(null, false)).toBe("vipwatch");
    expect(documentTitle(overview([service("ns/a")]), false)).toBe("vipwatch · office-fra");
    expect(documentTitle(overview([service("ns/a", "down")]), false)).toBe(
      "● 1 problem · vipwatch",
    );
    expect(documentTitle(overview([]), true)).toBe("○ no connection · vipwatch");
  });
});
