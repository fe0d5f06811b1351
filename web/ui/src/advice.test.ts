import { expect, it } from "vitest";
import { paragraphs } from "./advice";

const read = (remedy: string) =>
  paragraphs(remedy).map((pieces) =>
    pieces.map(({ kind, text }) => (kind === "words" ? text : `<${kind}: ${text}>`)).join(""),
  );

it("puts each command on a line of its own, without the punctuation around it", () => {
  expect(
    read(
      "Look at the policy: `kubectl -n a get service b`. If it says Cluster, restore it: `kubectl -n a patch service b -p '{}'`.",
    ),
  ).toEqual([
    "Look at the policy: ",
    "<command: kubectl -n a get service b>",
    "If it says Cluster, restore it: ",
    "<command: kubectl -n a patch service b -p '{}'>",
  ]);
  expect(read("`nft list ruleset | grep -n masquerade` or `iptables-save -t nat`.")).toEqual([
    "<command: nft list ruleset | grep -n masquerade>",
    "or ",
    "<command: iptables-save -t nat>",
  ]);
});

it("leaves names and settings in their sentence", () => {
  expect(
    read("Set `expect_source = \"header\"`, `[egress] from = [\"stun\"]`, or run `vipwatch echo`."),
  ).toEqual([
    "Set <name: expect_source = \"header\">, <name: [egress] from = [\"stun\"]>, or run <name: vipwatch echo>.",
  ]);
});

it("takes an unpaired backtick for what follows it", () => {
  expect(read("odd `one")).toEqual(["odd <name: one>"]);
  expect(read("")).toEqual([]);
});
