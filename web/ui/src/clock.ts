/**
 * The agent's clock, as far as the browser can know it: relative times must be
 * right even where the reader's clock is wrong.
 */
import { signal } from "@preact/signals";

/** How far the agent's clock is ahead of the browser's, at least. */
let aheadMs = Number.NEGATIVE_INFINITY;

/** Now, by the agent's clock, in milliseconds; moves once a second. */
export const now = signal(Date.now());

/**
 * An overview is never younger than its arrival, so each gives a lower bound of
 * the difference, and the largest of them is the best.
 */
export function learn(computedAt: string): void {
  aheadMs = Math.max(aheadMs, Date.parse(computedAt) - Date.now());
  tick();
}

export function tick(): void {
  now.value = Date.now() + (Number.isFinite(aheadMs) ? aheadMs : 0);
}
