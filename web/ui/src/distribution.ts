/** How the flows of recent rounds spread over nodes and the pods on them. */
import type { Responder } from "./overview";

export interface PodShare {
  /** `null` where the far side names no pod. */
  pod: string | null;
  flows: number;
  /** Of all flows, 0 to 1. */
  share: number;
}

export interface NodeShare {
  /** `null` where the far side names no node. */
  node: string | null;
  pods: PodShare[];
}

/** Nodes and pods by name, so that nothing jumps from round to round. */
export function byNode(responders: readonly Responder[]): NodeShare[] {
  const total = responders.reduce((sum, { flows }) => sum + flows, 0);
  const nodes = new Map<string | null, PodShare[]>();
  for (const { node = null, pod = null, flows } of responders) {
    const pods = nodes.get(node) ?? [];
    pods.push({ pod, flows, share: total > 0 ? flows / total : 0 });
    nodes.set(node, pods);
  }
  return [...nodes]
    .map(([node, pods]) => ({ node, pods: pods.sort((a, b) => byName(a.pod, b.pod)) }))
    .sort((a, b) => byName(a.node, b.node));
}

const collator = new Intl.Collator("en", { numeric: true });

/** Those without a name last; node-2 before node-10. */
function byName(a: string | null, b: string | null): number {
  return Number(a === null) - Number(b === null) || collator.compare(a ?? "", b ?? "");
}

/** "75 %", and never "0 %" for what has some */
export function percent(share: number): string {
  const rounded = Math.round(share * 100);
  return share > 0 && rounded === 0 ? "< 1 %" : `${rounded} %`;
}
