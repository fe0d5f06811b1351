import { describe, expect, it } from "vitest";
import { grid, isAboutNode, move } from "./node-grid";
import { probe, service } from "./sample";

describe("grid", () => {
  it("lists nodes by number and leaves out services that ask none", () => {
    const asked = service("ns/a");
    const [node] = asked.nodes;
    if (!node) throw new Error("the sample has a node");
    asked.nodes = ["node-10", "node-2"].map((name) => ({ ...node, node: name }));
    const { nodes, columns } = grid([asked, { ...service("ns/b"), nodes: [] }], []);
    expect(nodes).toEqual(["node-2", "node-10"]);
    expect(columns.map(({ name, head }) => [name, ...head])).toEqual([["ns/a", "ns", "a"]]);
  });

  it("puts what is asked of the nodes themselves first", () => {
    const probes = [probe("ping@node-1"), probe("kube-proxy@node-1"), probe("ping@node-2", "down")];
    const { nodes, columns } = grid([service("ns/a")], probes);
    expect(nodes).toEqual(["node-1", "node-2"]);
    expect(columns.map(({ name }) => name)).toEqual(["kube-proxy", "ping", "ns/a"]);
    const figures = columns.map(({ cells }) => cells.get("node-1")?.figure);
    expect(figures).toEqual(["1.84 ms", "1.84 ms", "1"]);
    expect(columns[1]?.cells.get("node-2")).toMatchObject({
      state: "down",
      reason: "ping@node-2 is down",
    });
    expect(columns[0]?.cells.has("node-2")).toBe(false);
  });

  it("knows a node's probe by its name", () => {
    expect(["kube-proxy@node-1", "control"].map((name) => isAboutNode(probe(name)))).toEqual([
      true,
      false,
    ]);
  });
});

it("stops at the edges", () => {
  expect(move([0, 0], "ArrowUp", 3, 2)).toEqual([0, 0]);
  expect(move([0, 0], "ArrowDown", 3, 2)).toEqual([1, 0]);
  expect(move([2, 1], "ArrowRight", 3, 2)).toEqual([2, 1]);
  expect(move([2, 1], "Home", 3, 2)).toEqual([2, 0]);
  expect(move([2, 0], "End", 3, 2)).toEqual([2, 1]);
  expect(move([2, 1], "Enter", 3, 2)).toBeNull();
});
