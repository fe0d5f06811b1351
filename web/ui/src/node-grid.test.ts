import { expect, it } from "vitest";
import { grid, move } from "./node-grid";
import { service } from "./sample";

it("lists nodes by number and leaves out services that ask none", () => {
  const asked = service("ns/a");
  const [node] = asked.nodes;
  if (!node) throw new Error("the sample has a node");
  asked.nodes = ["node-10", "node-2"].map((name) => ({ ...node, node: name }));
  const { nodes, services } = grid([asked, { ...service("ns/b"), nodes: [] }]);
  expect(nodes).toEqual(["node-2", "node-10"]);
  expect(services).toEqual([asked]);
});

it("stops at the edges", () => {
  expect(move([0, 0], "ArrowUp", 3, 2)).toEqual([0, 0]);
  expect(move([0, 0], "ArrowDown", 3, 2)).toEqual([1, 0]);
  expect(move([2, 1], "ArrowRight", 3, 2)).toEqual([2, 1]);
  expect(move([2, 1], "Home", 3, 2)).toEqual([2, 0]);
  expect(move([2, 0], "End", 3, 2)).toEqual([2, 1]);
  expect(move([2, 1], "Enter", 3, 2)).toBeNull();
});
