/** The state of everything in one sentence, and the page's title. */
import { isAboutNode, nodeOf } from "./node-grid";
import type { Overview, ProbeView, State } from "./overview";
import { isProblem } from "./order";
import { STATES, count } from "./words";

export interface Headline {
  /** The worst state of all. */
  state: State;
  sentence: string;
}

/** How "1 service ..." and "2 services ..." go on. */
const VERBS: Record<Exclude<State, "up" | "idle">, readonly [one: string, many: string]> = {
  down: ["is down", "are down"],
  translated: ["loses client addresses", "lose client addresses"],
  degraded: ["is degraded", "are degraded"],
  unknown: ["cannot be judged", "cannot be judged"],
};

/** Only so many problems fit into one glance. */
const PARTS = 2;

export function headline(overview: Overview): Headline {
  const { services, probes } = overview;
  if (services.length + probes.length === 0) {
    return { state: "unknown", sentence: "Nothing is configured to be watched" };
  }
  const watched = [...services, ...probes];
  if (watched.every((one) => one.state === "unknown") && !hasRounds(overview)) {
    return { state: "unknown", sentence: `Waiting for the first round of ${watchedWords(overview)}` };
  }
  const problems = [
    ...phrases(services, "service"),
    ...phrases(probes.filter((probe) => !isAboutNode(probe)), "probe"),
    ...phrases(nodes(probes.filter(isAboutNode)), "node"),
  ].toSorted((a, b) => STATES.indexOf(a.state) - STATES.indexOf(b.state));
  const worst = problems[0];
  if (!worst) return { state: "up", sentence: fine(overview) };
  const shown = problems.slice(0, PARTS);
  const words = shown.map(({ count: n, noun, verb }, index) => {
    const isSaid = shown[index - 1]?.noun === noun;
    return `${isSaid ? n : count(n, noun)} ${verb}`;
  });
  const hidden = problems.slice(PARTS).reduce((sum, problem) => sum + problem.count, 0);
  if (hidden > 0) words.push(count(hidden, "more problem"));
  return { state: worst.state, sentence: words.join(", ") };
}

interface Phrase {
  state: State;
  count: number;
  noun: string;
  verb: string;
}

function phrases(views: readonly { state: State }[], noun: string): Phrase[] {
  return STATES.flatMap((state) => {
    const n = views.filter((view) => view.state === state).length;
    if (n === 0 || state === "up" || state === "idle") return [];
    const [one, many] = VERBS[state];
    return [{ state, count: n, noun, verb: n === 1 ? one : many }];
  });
}

/** Nodes by what is asked of them: whatever a node does, what clients feel is what the services say. */
function nodes(probes: readonly ProbeView[]): { state: State }[] {
  const worst = new Map<string, State>();
  for (const probe of probes) {
    const state = probe.state === "down" ? "degraded" : probe.state;
    const other = worst.get(nodeOf(probe)) ?? "up";
    worst.set(nodeOf(probe), STATES.indexOf(state) < STATES.indexOf(other) ? state : other);
  }
  return [...worst.values()].map((state) => ({ state }));
}

function fine({ services, probes }: Overview): string {
  if (services.length === 0) return `${all(probes.length, "probe")} as expected`;
  const isLocal = services.every((service) => service.external_traffic_policy === "Local");
  const isOne = services.length === 1;
  if (!isLocal) return `${all(services.length, "service")} as expected`;
  return isOne
    ? "The service preserves client addresses"
    : `All ${services.length} services preserve client addresses`;
}

function all(n: number, noun: string): string {
  return n === 1 ? `The ${noun} is` : `All ${n} ${noun}s are`;
}

function watchedWords({ services, probes }: Overview): string {
  return services.length > 0 ? count(services.length, "service") : count(probes.length, "probe");
}

function hasRounds({ services, probes }: Overview): boolean {
  return [...services.flatMap((service) => service.vips), ...probes].some((probe) => probe.last);
}

/** What a tab in the background says. */
export function documentTitle(overview: Overview | null, isLost: boolean): string {
  if (isLost) return "○ no connection · vipwatch";
  if (!overview) return "vipwatch";
  const alerts = overview.alerts.length;
  if (alerts > 0) return `● ${count(alerts, "alert")} · vipwatch`;
  const problems = [...overview.services, ...overview.probes].filter(isProblem).length;
  if (problems > 0) return `● ${count(problems, "problem")} · vipwatch`;
  return `vipwatch · ${overview.vantage}`;
}
