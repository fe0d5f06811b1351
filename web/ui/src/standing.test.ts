import { describe, expect, it } from "vitest";
import type { AlertView } from "./overview";
import { alert, overview, service } from "./sample";
import { branches, matcherWords, scopesOf, scopesOfAll } from "./standing";

const below = (id: string, parent: string): AlertView => ({ ...alert(id), consequence_of: parent });

function tree(alerts: AlertView[]): string[] {
  return branches(alerts).map(({ alert: head, consequences }) =>
    [head.id, ...consequences.map((one) => one.id)].join(" "),
  );
}

describe("alerts that explain others", () => {
  it("have these below them, however far away", () => {
    const inhibited = { ...alert("3"), held: { by: "inhibition", why: "", alert: "1" } };
    expect(tree([below("5", "4"), below("4", "1"), inhibited, alert("2"), alert("1")])).toEqual([
      "2",
      "1 5 4 3",
    ]);
  });

  it("are not needed: what is explained by nothing open stands alone", () => {
    expect(tree([below("1", "gone"), below("2", "2")])).toEqual(["1", "2"]);
  });

  it("lose nothing in a circle", () => {
    expect(tree([below("1", "2"), below("2", "1"), below("3", "1")])).toEqual(["1", "2", "3"]);
  });
});

describe("a silence", () => {
  const labels = (one: AlertView) => scopesOf(one).map((scope) => scope.label);

  it("is about this alert first, and about all of them last", () => {
    expect(labels({ ...alert("1"), node: "node-1" })).toEqual([
      "This: no answer of ns/a vip",
      "Everything about ns/a",
      "Everything about node-1",
      "Every alert of this kind: no answer",
      "All alerts",
    ]);
    const [first] = scopesOf(alert("1"));
    expect(first?.matcher).toEqual({ kinds: ["unreachable"], probes: ["ns/a vip"] });
  });

  it("of what concerns a whole service is not about the node it was noticed on", () => {
    const [first] = scopesOf({ ...alert("1"), kind: "policy_drift" });
    expect(first?.matcher).toEqual({ kinds: ["policy_drift"], services: ["ns/a"] });
  });

  it("may be about any node or service", () => {
    const labels = scopesOfAll(overview([service("ns/a"), service("ns/b")])).map(({ label }) => label);
    expect(labels).toEqual(["node-1", "ns/a", "ns/b", "All alerts"]);
  });

  it("is said in words", () => {
    expect(matcherWords({})).toBe("all alerts");
    expect(
      matcherWords({
        kinds: ["node_down"],
        severities: ["info", "warning"],
        services: ["shop/*"],
        labels: { team: "web" },
      }),
    ).toBe("node down, info or warning, shop/*, team=web");
  });
});
