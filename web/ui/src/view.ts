/** What the page knows and what its reader has chosen. */
import { computed, signal } from "@preact/signals";
import { headline } from "./headline";
import type { Connection } from "./live";
import type { Overview } from "./overview";
import { learn } from "./clock";
import type { Filter } from "./order";
import { reuse } from "./reuse";

export const overview = signal<Overview | null>(null);
export const connection = signal<Connection>("connecting");
export const filter = signal<Filter>({ text: "", onlyProblems: false });

export const isLost = computed(() => connection.value === "lost");
export const summary = computed(() => overview.value && headline(overview.value));

/** Probes whose alert shows the remedy already. */
export const alertedProbes = computed(
  () => new Set(overview.value?.alerts.map((alert) => alert.probe)),
);

export function receive(next: Overview): void {
  learn(next.at);
  overview.value = reuse(overview.peek(), next);
}
