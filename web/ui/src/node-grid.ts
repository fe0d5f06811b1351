/** What the matrix of nodes has for rows, columns and cells, and how the arrow keys walk it. */
import type { NodeHealthView, Note, ProbeView, ServiceView, State, Tick } from "./overview";
import { findingWords, latency } from "./words";

/** One probe of one node. */
export interface Cell {
  probe: string;
  node: string;
  address: string;
  state: State;
  since: string | null;
  /** What the latest round found, in words. */
  finding: string;
  reason: string;
  cause: string | null;
  remedy: string | null;
  notes: Note[];
  askedAt: string | null;
  history: Tick[];
  /** The figure that the cell shows, if there is one. */
  figure: string | undefined;
  /** What was measured, in words. */
  facts: string[];
}

export interface Column {
  /** What is asked of the nodes: a service, or `ping`. */
  name: string;
  /** The same in two lines. */
  head: readonly [group: string, name: string];
  cells: ReadonlyMap<string, Cell>;
}

export interface Grid {
  nodes: string[];
  columns: Column[];
}

/** Whether a probe is about a node as such: `kube-proxy@node-1`. Names of other stand-alone probes have no "@". */
export function isAboutNode({ name }: ProbeView): boolean {
  return name.includes("@");
}

/** The node that such a probe is about. */
export function nodeOf({ name }: ProbeView): string {
  return name.slice(name.indexOf("@") + 1);
}

/** What is asked of the nodes themselves, then services, in the order given; nodes by name, node-2 before node-10. */
export function grid(services: readonly ServiceView[], probes: readonly ProbeView[]): Grid {
  const columns = [
    ...ofNodes(probes),
    ...services.filter((service) => service.nodes.length > 0).map(ofService),
  ];
  const names = new Set(columns.flatMap(({ cells }) => [...cells.keys()]));
  const byName = new Intl.Collator("en", { numeric: true }).compare;
  return { nodes: [...names].sort(byName), columns };
}

function ofService({ name, nodes }: ServiceView): Column {
  const slash = name.indexOf("/");
  const head = [name.slice(0, Math.max(slash, 0)), name.slice(slash + 1)] as const;
  return { name, head, cells: new Map(nodes.map((node) => [node.node, healthCell(node)])) };
}

function healthCell(node: NodeHealthView): Cell {
  const { local_endpoints: endpoints, weight } = node;
  const facts = [];
  if (typeof endpoints === "number") facts.push(`${endpoints} ready`);
  if (typeof weight === "number") facts.push(`weight ${weight}`);
  return {
    ...node,
    since: node.since ?? null,
    finding: findingWords(node.finding),
    cause: null,
    remedy: null,
    notes: [],
    askedAt: node.last_at ?? null,
    figure: typeof endpoints === "number" ? String(endpoints) : undefined,
    facts,
  };
}

function ofNodes(probes: readonly ProbeView[]): Column[] {
  const columns = new Map<string, Map<string, Cell>>();
  for (const probe of probes) {
    const kind = probe.name.slice(0, probe.name.indexOf("@"));
    const cells = columns.get(kind) ?? new Map<string, Cell>();
    const cell = probeCell(probe);
    columns.set(kind, cells.set(cell.node, cell));
  }
  return [...columns]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([kind, cells]) => ({ name: kind, head: ["node", kind], cells }));
}

function probeCell(probe: ProbeView): Cell {
  const { name, target, state, since, last, history } = probe;
  const took = typeof last?.latency_ms === "number" ? latency(last.latency_ms) : undefined;
  return {
    probe: name,
    node: nodeOf(probe),
    address: target,
    state,
    since: since ?? null,
    finding: last ? findingWords(last.finding) : "waiting",
    reason: last?.reason ?? "Not asked yet.",
    cause: last?.cause ?? null,
    remedy: last?.remedy ?? null,
    notes: last?.notes ?? [],
    askedAt: last?.at ?? null,
    history,
    figure: took,
    facts: took ? [took] : [],
  };
}

type Position = readonly [row: number, column: number];

/** Where a key leads, or `null` for a key that does not move. */
export function move(
  [row, column]: Position,
  key: string,
  rows: number,
  columns: number,
): Position | null {
  const to = {
    ArrowUp: [row - 1, column],
    ArrowDown: [row + 1, column],
    ArrowLeft: [row, column - 1],
    ArrowRight: [row, column + 1],
    Home: [row, 0],
    End: [row, columns - 1],
  }[key];
  if (!to) return null;
  const [toRow = 0, toColumn = 0] = to;
  return [clamp(toRow, rows), clamp(toColumn, columns)];
}

function clamp(index: number, length: number): number {
  return Math.min(Math.max(index, 0), length - 1);
}
