/** The flows of a round in as few rows as tell them apart. */
import type { Flow, RoundView, State } from "./overview";

/** One end of several flows: the address is the same, the ports need not be. */
export interface End {
  address: string;
  /** In the order of the flows; empty where no port is known. */
  ports: string[];
}

/** Flows that differ in nothing but their ports. */
export interface Row {
  finding: string;
  failure: string | null;
  flows: number;
  from: End | null;
  to: End | null;
  seen: End | null;
}

export function fold(flows: readonly Flow[]): Row[] {
  const rows = new Map<string, Row>();
  for (const flow of flows) {
    const [from, to, seen] = [flow.local, flow.remote, flow.seen].map(split);
    const key = [flow.finding, flow.failure, from?.address, to?.address, seen?.address].join(" ");
    const row = rows.get(key);
    if (row) {
      row.flows += 1;
      row.from?.ports.push(...(from?.ports ?? []));
      row.to?.ports.push(...(to?.ports ?? []));
      row.seen?.ports.push(...(seen?.ports ?? []));
    } else {
      rows.set(key, {
        finding: flow.finding,
        failure: flow.failure ?? null,
        flows: 1,
        from: from ?? null,
        to: to ?? null,
        seen: seen ?? null,
      });
    }
  }
  return [...rows.values()].map((row) => ({ ...row, to: row.to && once(row.to) }));
}

/** `192.0.2.9:80`, `[2001:db8::1]:80`, or an address without a port. */
function split(text: string | null | undefined): End | null {
  if (!text) return null;
  const parts = /^\[(.+)\]:(\d+)$/.exec(text) ?? /^([^:]+):(\d+)$/.exec(text);
  const [, address = text, port] = parts ?? [];
  return { address, ports: port ? [port] : [] };
}

/** A target's port is the same for all flows. */
function once(end: End): End {
  return { ...end, ports: [...new Set(end.ports)] };
}

/** Whether every flow arrived from the very port that it left from, as far as ports are told. */
export function keepsPorts({ from, seen }: Row): boolean {
  return seen !== null && seen.ports.length > 0 && seen.ports.join() === from?.ports.join();
}

const SIGNS: Record<string, State> = {
  preserved: "up",
  port_changed: "up",
  answered: "up",
  failed: "down",
};

/** The sign of a flow. One that says what the round says has the round's: under Cluster, translated is fine. */
export function flowState(finding: string, round: RoundView): State {
  if (finding === round.finding) return round.state;
  if (finding === "translated" || finding === "only_in_header") {
    return round.state === "translated" ? "translated" : "up";
  }
  return SIGNS[finding] ?? "unknown";
}
