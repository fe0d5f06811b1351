import { describe, expect, it } from "vitest";
import { renderToString } from "preact-render-to-string";
import type { VNode } from "preact";
import { Details } from "./parts/Details";
import { SourcePath } from "./parts/SourcePath";
import { probe, round } from "./sample";

const draw = (what: VNode) => {
  const shown = document.createElement("div");
  shown.innerHTML = renderToString(what);
  return shown;
};

const words = (within: Element | null | undefined) =>
  within?.textContent?.replace(/\s+/g, " ").trim();

describe("an opened probe", () => {
  const open = () => {
    const opened = probe("ns/a@192.0.2.201", "translated");
    opened.last = {
      ...round("partly_translated", "translated"),
      cause: "rules that only node-3 has",
      remedy: "Compare the nodes.",
      notes: [{ kind: "retransmitted", text: "packets are lost" }],
      evidence: [
        { finding: "preserved", local: "[2001:db8::7]:1", remote: "[2001:db8::c9]:80", seen: "[2001:db8::7]:1" },
        { finding: "translated", local: "[2001:db8::7]:2", remote: "[2001:db8::c9]:80", seen: "[2001:db8::1]:7" },
        { finding: "translated", local: "[2001:db8::7]:3", remote: "[2001:db8::c9]:80", seen: "[2001:db8::1]:8" },
        { finding: "failed", local: "[2001:db8::7]:4", remote: "[2001:db8::c9]:80", failure: "reset" },
      ],
    };
    opened.answered_by = [
      { node: "node-1", pod: "echo-a", flows: 30 },
      { node: "node-3", pod: "echo-b", flows: 9 },
      { node: null, pod: "echo-c", flows: 1 },
    ];
    opened.silent_nodes = ["node-2", "node-4"];
    return opened;
  };

  it("tells why, the likely cause and the remedy, each by its name", () => {
    const terms = [...draw(<Details probe={open()} />).querySelectorAll(".story > div")].map(words);
    expect(terms).toEqual([
      "Whythis round is translated",
      "Likely causerules that only node-3 has",
      "RemedyCompare the nodes.",
    ]);
  });

  it("shows flow by flow who saw what, equal ones as one row", () => {
    const rows = [...draw(<Details probe={open()} />).querySelectorAll(".evidence tbody tr")];
    expect(rows.map((row) => [...row.children].map(words))).toEqual([
      ["preserved", "2001:db8::7port 1", "2001:db8::c9port 80", "2001:db8::7same port"],
      ["translated 2 ×", "2001:db8::7ports 2, 3", "2001:db8::c9port 80", "2001:db8::1ports 7, 8"],
      ["reset", "2001:db8::7port 4", "2001:db8::c9port 80", "–"],
    ]);
    expect(rows.map((row) => row.className)).toEqual(["up", "translated", "down"]);
  });

  it("does not list ports without end", () => {
    const many = open();
    if (many.last) {
      many.last.evidence = Array.from({ length: 9 }, (_, index) => ({
        finding: "answered",
        local: `192.0.2.9:${index + 1}`,
      }));
    }
    const row = draw(<Details probe={many} />).querySelector(".evidence tbody tr");
    expect(words(row)).toContain("ports 1, 2, 3, 4 and 5 more");
  });

  it("shows who answered, and calmly who did not", () => {
    const shown = draw(<Details probe={open()} />);
    expect([...shown.querySelectorAll(".distribution > ul > li")].map(words)).toEqual([
      "node-1echo-a75 %",
      "node-3echo-b23 %",
      "echo-c3 %",
    ]);
    const silent = words(shown.querySelector(".silent"));
    expect(silent).toContain("node-2, node-4 ready, but answered none of the recent flows.");
    expect(silent).toContain("Normal in layer 2 mode");
  });

  it("names its notes", () => {
    expect(words(draw(<Details probe={open()} />).querySelector(".notes"))).toBe(
      "Sent again packets are lost",
    );
  });

  it("shows no empty tables", () => {
    const shown = draw(<Details probe={{ ...probe("control"), last: null }} />);
    expect(shown.querySelector(".evidence, .distribution, .notes, .story")).toBeNull();
    expect(words(shown)).toContain("none yet");
  });
});

describe("the path of a source address", () => {
  const path = (change: Partial<ReturnType<typeof round>>) =>
    words(draw(<SourcePath round={{ ...round(), ...change }} />));
  const proxy = { address: "10.244.3.9", what: "pod network of node-3", flows: 4 };
  const own = { address: "198.51.100.7", what: "this agent", flows: 2 };

  it("leads over a proxy to a pod that knows the client from a header", () => {
    expect(path({ finding: "only_in_header", observed: [proxy] })).toBe(
      "expected 198.51.100.7→seen 10.244.3.9 proxy, pod network of node-3→ pod told by a header: 198.51.100.7",
    );
  });

  it("forks where some flows are translated and some are not", () => {
    const observed = [{ ...proxy, flows: 2 }, own];
    const shown = draw(<SourcePath round={{ ...round("partly_translated"), observed }} />);
    expect(draw(<SourcePath round={round()} />).querySelector(".fork")).toBeNull();
    const branches = [...shown.querySelectorAll(".fork .seen")];
    expect(branches.map((branch) => [branch.className, words(branch)])).toEqual([
      ["seen other", "10.244.3.9 pod network of node-32 of 4"],
      ["seen same", "198.51.100.7 this agent2 of 4"],
    ]);
  });

  it("tells another port from another address", () => {
    const notes = [{ kind: "port_changed", text: "ports change" }];
    expect(path({ observed: [own], notes })).toContain("this agentother port");
    expect(path({ observed: [proxy], notes })).not.toContain("other port");
  });

  it("does not say that nothing arrived where something did", () => {
    const none = { observed: [] };
    expect(path({ ...none, flows_ok: 0 })).toContain("nothing arrived");
    expect(path(none)).toContain("answered, but told no address to compare");
    expect(path({ ...none, evidence: [{ finding: "header_trusted" }] })).toContain(
      "only what a header says",
    );
    expect(path({ ...none, expected: [] })).toBe("reachability only");
  });
});
