import { beforeEach, describe, expect, it } from "vitest";
import { renderToString } from "preact-render-to-string";
import { notStored } from "./operator";
import { Page } from "./parts/Page";
import type { Overview } from "./overview";
import { alert, overview as sample, probe, service } from "./sample";
import { connection, filter, overview, receive } from "./view";

const page = () => {
  const shown = document.createElement("div");
  shown.innerHTML = renderToString(<Page />);
  return shown;
};

const show = (data: Overview) => {
  receive(structuredClone(data));
  return page();
};

const text = (within: Element, selector: string) =>
  within.querySelector(selector)?.textContent?.replace(/\s+/g, " ").trim();

beforeEach(() => {
  overview.value = null;
  connection.value = "live";
  filter.value = { text: "", onlyProblems: false };
});

describe("the page", () => {
  it("waits in words", () => {
    expect(text(page(), "h1")).toBe("Waiting for the agent");
  });

  it("shows a calm day", () => {
    const shown = show(sample([service("default/echo")], [probe("control")]));
    expect(text(shown, "h1")).toBe("The service preserves client addresses");
    expect(text(shown, ".alerts")).toContain("No open alerts");
    expect(text(shown, ".service .standing")).toContain("Up");
    expect(text(shown, ".service .target")).toContain("preserved");
    expect(shown.querySelectorAll(".banner")).toHaveLength(0);
  });

  it("shows what was expected, what was seen, and what to do", () => {
    const data = sample([service("ingress/traefik", "translated")]);
    const last = data.services[0]?.vips[0]?.last;
    if (!last) throw new Error("the sample has a round");
    last.observed = [{ address: "10.244.1.1", what: "bridge of node-1", flows: 4 }];
    last.remedy = "Set it back: `kubectl patch service traefik`";
    const shown = show(data);
    expect(text(shown, ".source")).toBe("expected 198.51.100.7→seen 10.244.1.1 bridge of node-1");
    expect(text(shown, ".service .reason")).toBe("ingress/traefik vip is translated");
    expect(text(shown, ".command code")).toBe("kubectl patch service traefik");
    expect(text(shown, ".command button")).toBe("Copy");
  });

  it("says that a restart would undo what is not stored", () => {
    notStored.value = "no room";
    const shown = show(sample([service("default/echo")]));
    notStored.value = "";
    expect(text(shown, ".banner")).toBe(
      "What you did last holds, but was not stored at once. " +
        "A restart of the agent before it is stored would undo it. The reason was: no room.",
    );
  });

  it("shows an alert's cause, and how far each receiver has been told", () => {
    const data = sample([service("ns/a", "down")]);
    data.alerts = [
      {
        ...alert("1"),
        cause: "nobody announces the VIP",
        told_at: data.at,
        told_to: ["ops", "night"],
        deliveries: [
          { receiver: "ops", event: "opened", state: "delivered", attempts: 1 },
          { receiver: "night", event: "opened", state: "pending", attempts: 2, last_error: "answered 503" },
          { receiver: "mail", event: "opened", state: "delivered", attempts: 1, last_error: "1 of 2 recipients have it" },
        ],
      },
    ];
    const shown = show(data);
    expect(text(shown, ".alert .cause")).toBe("Likely cause nobody announces the VIP");
    expect(text(shown, ".told")).toMatch(/^Told to ops /);
    const deliveries = text(shown, ".deliveries");
    expect(deliveries).toContain("ops delivered");
    expect(deliveries).toContain("night retrying after 2 attempts: answered 503");
    expect(deliveries).toContain("mail delivered: 1 of 2 recipients have it");
  });

  it("says who has taken an alert on, and why nobody was told of another", () => {
    const data = sample([service("ns/a", "down")]);
    const until = new Date(Date.parse(data.at) + 40 * 60_000).toISOString();
    data.alerts = [
      {
        ...alert("1"),
        told_at: data.at,
        told_to: [],
        acknowledgement: { by: "kim", comment: "on it", at: data.at },
      },
      { ...alert("2"), held: { by: "maintenance", why: "maintenance window nightly", until } },
      { ...alert("3"), held: { by: "inhibition", why: "inhibited: that", alert: "1" } },
      { ...alert("4"), told_at: data.at, told_to: ["ops"], held: { by: "silence", why: "by kim" } },
      alert("5"),
    ];
    const shown = show(data);
    const standings = [...shown.querySelectorAll(".standing-of")].map((one) => one.textContent);
    expect(standings[0]).toMatch(/^Nobody was told: inhibited: that$/);
    expect(standings[1]).toMatch(/^kim has taken it on, .* ago: on itMeant for nobody by its route/);
    expect(standings[2]).toMatch(/^Nobody was told: maintenance window nightly, until .*, in \d+ /);
    expect(standings[3]).toMatch(/^No reminders: by kimTold to ops /);
    expect(standings[4]).toBe("About to be told");
    const [first] = shown.querySelectorAll(".alert");
    expect(first && text(first, ".consequences .title b")).toBe("ns/a does not answer (3)");
    const verbs = [...shown.querySelectorAll(".alert > .foot button:first-child")];
    expect(verbs.map((verb) => verb.textContent)).toEqual(["Take over", ...Array(3).fill("Acknowledge")]);
  });

  it("lists what is silenced, and what a receiver does not take", () => {
    const data = sample([service("ns/a")]);
    const matcher = { kinds: ["node_down"], nodes: ["node-4"] };
    data.silences = [
      { id: "1", matcher, from: data.at, until: data.at, by: "kim", comment: "new disks" },
    ];
    data.maintenance = [{ name: "patch night", matcher: {}, open_until: null, opens_at: data.at }];
    data.receivers = [
      {
        name: "ops",
        kind: "webhook",
        pending: 0,
        delivered: 4,
        dead: 2,
        superseded: 3,
        circuit: { open_since: data.at, next_attempt_at: data.at },
      },
    ];
    const shown = show(data);
    const rows = [...shown.querySelectorAll(".silences li")].map((row) => row.textContent);
    expect(rows[0]).toMatch(/^node down, node-4silenced by kim, until .*: new disksEnd$/);
    expect(rows[1]).toMatch(/^patch night all alertsmaintenance opens /);
    expect(text(shown, ".receivers .counts")).toContain("✕ 2 given up– 3 over before they could be told");
    expect(text(shown, ".circuit")).toMatch(/^Does not answer for .*: tried only now and then, next at /);
    expect(text(shown, ".dead-letters button")).toBe("Retry");
  });

  it("marks a row that has notes, and tells the cause where no alert does", () => {
    const data = sample([service("ns/a", "translated")]);
    const last = data.services[0]?.vips[0]?.last;
    if (!last) throw new Error("the sample has a round");
    last.cause = "the policy was reset";
    last.notes = [{ kind: "port_changed", text: "ports change on the way" }];
    const shown = show(data);
    expect(text(shown, ".service .cause")).toBe("Likely cause the policy was reset");
    expect(text(shown, ".noted")).toBe("Port changed");
    last.notes = [...last.notes, { kind: "dns_drift", text: "the name leads elsewhere" }];
    expect(text(show(data), ".noted")).toBe("2 notes");
  });

  it("keeps probes of nodes with the nodes", () => {
    const shown = show(
      sample([service("ns/a")], [probe("ping@node-1"), probe("kube-proxy@node-2", "down")]),
    );
    expect(shown.querySelector("#probes")).toBeNull();
    const heads = [...shown.querySelectorAll(".nodes thead th")].map((head) => head.textContent);
    expect(heads).toEqual(["Node", "nodekube-proxy", "nodeping", "nsa"]);
    const labels = [...shown.querySelectorAll(".cell.down")].map((cell) =>
      cell.getAttribute("aria-label"),
    );
    expect(labels).toEqual(["node-2, kube-proxy: Down, 1.84 ms"]);
  });

  it("speaks up about the agent itself", () => {
    const data = sample([service("ns/a")]);
    data.agent.store = { ok: false, error: "disk full", buffered: 12, lost: 3 };
    data.agent.config.error = "probes.toml:3:1: unknown key";
    data.agent.notices = ["this agent stands on node-1"];
    const banners = [...show(data).querySelectorAll(".banner")].map((one) => one.textContent);
    expect(banners[0]).toContain("disk full. Probing goes on; 12 results held in memory, 3 lost.");
    expect(banners[1]).toContain("unknown key");
    expect(banners[2]).toContain("this agent stands on node-1");
  });

  it("says whether the agent itself sees, and who is asked for that", () => {
    const data = sample([service("ns/a")]);
    const { at, started_at: since } = data;
    data.agent.connectivity.targets = [
      { target: "192.0.2.1", asked_at: at, latency_ms: 0.42 },
      { target: "tcp://198.51.100.1:443", asked_at: at, error: "no answer within 1000 ms" },
      { target: "https://control.example.net/healthz" },
    ];
    const targets = (shown: Element) =>
      [...shown.querySelectorAll("footer li")].map((one) => one.textContent);
    const [gateway, router, control] = targets(show(data));
    expect(gateway).toMatch(/^192.0.2.1, answered in 0.42 ms, .* ago$/);
    expect(router).toMatch(/^tcp:\/\/198.51.100.1:443, no answer within 1000 ms, .* ago$/);
    expect(control).toBe("https://control.example.net/healthz, not asked yet");
    expect(text(page(), "footer")).toContain("connectivityseeing for ");
    expect(page().querySelectorAll(".banner")).toHaveLength(0);

    data.agent.connectivity = { blind: true, since, targets: [] };
    const blind = show(data);
    expect(text(blind, "footer")).toContain("connectivityblind for ");
    expect(text(blind, ".banner")).toMatch(/^The agent cannot see\. .* counts as unknown/);
  });

  it("tells of a new egress address among the changes", () => {
    const data = sample([service("ns/a")]);
    const source = "stun stun.example.net:3478";
    data.agent.egress = [
      { address: "203.0.113.7", source, local: "10.0.0.2", confirmed_at: data.at },
      { address: null, source: `${source} over IPv6: no answer`, local: null, confirmed_at: null },
    ];
    data.agent.egress_changes = [
      { at: data.at, from: "198.51.100.7", to: "203.0.113.7", source },
    ];
    data.transitions = [
      { at: data.started_at, probe: "p", from: "unknown", to: "up", reason: "p is up" },
    ];
    const shown = show(data);
    const rows = [...shown.querySelectorAll(".transitions li")].map((row) => row.textContent);
    expect(rows).toHaveLength(2);
    expect(rows[0]).toContain("This agent’s egress198.51.100.7→to203.0.113.7Told by stun");
    const known = [...shown.querySelectorAll("footer li")].map((one) => one.textContent);
    expect(known[0]).toMatch(/^203.0.113.7, stun stun.example.net:3478 from 10.0.0.2, .* ago$/);
    expect(known[1]).toBe("not known, stun stun.example.net:3478 over IPv6: no answer");
    filter.value = { text: "egress 198.51", onlyProblems: false };
    expect(show(data).querySelectorAll(".transitions li")).toHaveLength(1);
  });

  it("does not pass old data off as new", () => {
    connection.value = "lost";
    const shown = show(sample([service("ns/a")]));
    expect(text(shown, ".banner")).toContain("No connection to the agent");
    expect(shown.querySelector(".page.stale")).not.toBeNull();
  });

  it("filters what it lists", () => {
    filter.value = { text: "traefik", onlyProblems: false };
    const shown = show(sample([service("ns/echo"), service("ns/traefik")]));
    expect(shown.querySelectorAll(".service")).toHaveLength(1);
    expect(text(shown, ".services .note")).toBe("1 of 2");
  });

  it("treats what it is sent as text", () => {
    const shown = show(sample([service("ns/<img src=x>", "down")]));
    expect(shown.querySelector("img")).toBeNull();
  });
});
