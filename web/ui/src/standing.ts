/** How open alerts stand to each other, and what a silence of them may be about. */
import type { AlertView, MatcherView, Overview } from "./overview";
import { alertWords } from "./words";

/** An alert and those that it explains or makes pointless. */
export interface Branch {
  alert: AlertView;
  consequences: readonly AlertView[];
}

/** Every alert once: alone, or below the one that explains it in the end. */
export function branches(alerts: readonly AlertView[]): Branch[] {
  const open = new Map(alerts.map((alert) => [alert.id, alert]));
  const below = new Map<string, AlertView[]>();
  const heads: AlertView[] = [];
  for (const alert of alerts) {
    const head = headOf(alert, open);
    if (head === alert) heads.push(alert);
    else below.set(head.id, [...(below.get(head.id) ?? []), alert]);
  }
  return heads.map((alert) => ({ alert, consequences: below.get(alert.id) ?? [] }));
}

function headOf(alert: AlertView, open: ReadonlyMap<string, AlertView>): AlertView {
  const seen = new Set([alert.id]);
  let head = alert;
  for (;;) {
    const parent = open.get(head.consequence_of ?? head.held?.alert ?? "");
    if (!parent) return head;
    // In a circle nobody explains anybody.
    if (seen.has(parent.id)) return alert;
    seen.add(parent.id);
    head = parent;
  }
}

/** What may be silenced at once. */
export interface Scope {
  label: string;
  matcher: Partial<MatcherView>;
}

/** Kinds that are told of a service as a whole, whichever node they were noticed on. */
const OF_SERVICES = ["policy_drift", "no_healthy_node", "redundancy_lost"];

/** From this alert alone to everything. */
export function scopesOf(alert: AlertView): Scope[] {
  const { kind, service, node, probe } = alert;
  const kinds = [kind];
  const isOfService = service && OF_SERVICES.includes(kind);
  const words = alertWords(kind);
  return [
    {
      label: `This: ${words} of ${isOfService ? service : probe}`,
      matcher: isOfService ? { kinds, services: [service] } : { kinds, probes: [probe] },
    },
    ...(service ? [{ label: `Everything about ${service}`, matcher: { services: [service] } }] : []),
    ...(node ? [{ label: `Everything about ${node}`, matcher: { nodes: [node] } }] : []),
    { label: `Every alert of this kind: ${words}`, matcher: { kinds } },
    ALL,
  ];
}

/** What may be silenced ahead of work. */
export function scopesOfAll({ services }: Overview): Scope[] {
  const nodes = new Set(services.flatMap((service) => service.nodes.map((node) => node.node)));
  return [
    ...[...nodes].toSorted().map((node) => ({ label: node, matcher: { nodes: [node] } })),
    ...services.map(({ name }) => ({ label: name, matcher: { services: [name] } })),
    ALL,
  ];
}

const ALL: Scope = { label: "All alerts", matcher: {} };

/** What a matcher is about: "node down, node-4" */
export function matcherWords(matcher: MatcherView): string {
  const { kinds = [], severities = [], services = [], nodes = [], probes = [], labels = {} } = matcher;
  const lists = [kinds.map(alertWords), severities, services, nodes, probes]
    .filter((list) => list.length > 0)
    .map((list) => list.join(" or "));
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return [...lists, ...pairs].join(", ") || "all alerts";
}
