import { expect, it } from "vitest";
import { byNode, percent } from "./distribution";

it("groups pods by their nodes, in an order that does not change with the counts", () => {
  const nodes = byNode([
    { node: "node-10", pod: "a", flows: 1 },
    { node: null, pod: "c", flows: 1 },
    { node: "node-2", pod: "z", flows: 1 },
    { node: "node-2", pod: null, flows: 2 },
    { node: "node-2", pod: "b", flows: 5 },
  ]);
  expect(nodes.map(({ node, pods }) => [node, ...pods.map(({ pod }) => pod)])).toEqual([
    ["node-2", "b", "z", null],
    ["node-10", "a"],
    [null, "c"],
  ]);
  expect(nodes[0]?.pods.map(({ share }) => share)).toEqual([0.5, 0.1, 0.2]);
});

it("gives shares in percent, and some to whoever has some", () => {
  expect([0, 0.001, 0.126, 1].map(percent)).toEqual(["0 %", "< 1 %", "13 %", "100 %"]);
});
