import { expect, it } from "vitest";

import { remaining } from "./time";

it.each([
  [-1, "0 s"],
  [41_001, "42 s"],
  [59 * 60_000 + 1, "60 min"],
  [2 * 3_600_000 - 3_000, "2 h"],
  [110 * 60_000, "1 h 50 min"],
  [11 * 3_600_000 + 1, "12 h"],
  [2.5 * 86_400_000, "3 d"],
])("never says that less is left than there is: %d ms are %s", (ms, words) => {
  expect(remaining(ms)).toBe(words);
});
