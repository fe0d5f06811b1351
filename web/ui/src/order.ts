/** What comes first, and what the filter lets through. */
import type {
  EgressChangeView,
  NodeHealthView,
  ProbeView,
  RoundView,
  ServiceView,
  State,
  TransitionView,
} from "./overview";
import { STATES, findingWords, noteWords } from "./words";

export interface Filter {
  text: string;
  onlyProblems: boolean;
}

/** Something that wants attention, or may soon. */
export function isProblem(view: { state: State }): boolean {
  return view.state !== "up" && view.state !== "idle";
}

function isUneasy(probe: ProbeView): boolean {
  return isProblem(probe) || Boolean(probe.pending);
}

function serviceIsUneasy(service: ServiceView): boolean {
  return isProblem(service) || service.vips.some(isUneasy) || service.nodes.some(isProblem);
}

/** Worst first, then what is about to change, then by name. */
export function sortServices(services: readonly ServiceView[]): ServiceView[] {
  return services.toSorted(
    (a, b) =>
      rank(a.state) - rank(b.state) ||
      Number(serviceIsUneasy(b)) - Number(serviceIsUneasy(a)) ||
      a.name.localeCompare(b.name),
  );
}

export function sortProbes(probes: readonly ProbeView[]): ProbeView[] {
  return probes.toSorted(
    (a, b) =>
      rank(a.state) - rank(b.state) ||
      Number(isUneasy(b)) - Number(isUneasy(a)) ||
      a.name.localeCompare(b.name),
  );
}

function rank(state: State): number {
  return STATES.indexOf(state);
}

export function filterServices(services: readonly ServiceView[], filter: Filter): ServiceView[] {
  return services.filter(
    (service) =>
      (!filter.onlyProblems || serviceIsUneasy(service)) &&
      matches(filter.text, [
        service.name,
        service.external_traffic_policy,
        service.state,
        ...service.vips.flatMap(probeWords),
        ...service.nodes.flatMap(nodeWords),
      ]),
  );
}

export function filterProbes(probes: readonly ProbeView[], filter: Filter): ProbeView[] {
  return probes.filter(
    (probe) =>
      (!filter.onlyProblems || isUneasy(probe)) && matches(filter.text, probeWords(probe)),
  );
}

export function filterTransitions(
  transitions: readonly TransitionView[],
  filter: Filter,
): TransitionView[] {
  return transitions.filter((row) =>
    matches(filter.text, [row.probe, row.service, row.node, row.from, row.to]),
  );
}

export function filterEgressChanges(
  changes: readonly EgressChangeView[],
  filter: Filter,
): EgressChangeView[] {
  return changes.filter((row) =>
    matches(filter.text, ["this agent's egress", row.from, row.to, row.source]),
  );
}

function probeWords({ name, target, state, last, answered_by: by }: ProbeView) {
  const answered = by.flatMap(({ node, pod }) => [node, pod]);
  return [name, target, state, ...answered, ...(last ? roundWords(last) : [])];
}

function roundWords({ finding, observed, notes }: RoundView): string[] {
  const seen = observed.flatMap(({ address, what }) => [address, what]);
  return [finding, findingWords(finding), ...seen, ...notes.map(({ kind }) => noteWords(kind))];
}

function nodeWords(node: NodeHealthView): string[] {
  return [node.node, node.address, node.state];
}

/** Every word of the filter occurs somewhere. */
function matches(text: string, haystack: readonly (string | null | undefined)[]): boolean {
  const all = haystack.join("\n").toLowerCase();
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => all.includes(word));
}
