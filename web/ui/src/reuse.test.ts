import { expect, it } from "vitest";
import { reuse } from "./reuse";
import { overview, service } from "./sample";

it("keeps what is equal and takes what is new", () => {
  const before = overview([service("ns/a"), service("ns/b")]);
  const after = overview([service("ns/a"), service("ns/b", "down")]);
  const kept = reuse(before, after);
  expect(kept.services[0]).toBe(before.services[0]);
  expect(kept.services[1]).not.toBe(before.services[1]);
  expect(kept.services[1]?.state).toBe("down");
  expect(kept.agent).toBe(before.agent);
});

it("keeps the whole when nothing has changed", () => {
  const before = overview([service("ns/a")]);
  expect(reuse(before, overview([service("ns/a")]))).toBe(before);
});

it("does not take fewer for the same", () => {
  const before = { list: [1, 2, 3], note: "x" };
  expect(reuse<unknown>(before, { list: [1, 2] })).toEqual({ list: [1, 2] });
  expect(reuse<unknown>([], {})).toEqual({});
});
