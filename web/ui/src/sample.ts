/** Small overviews for the tests. */
import type { AlertView, Overview, ProbeView, RoundView, ServiceView, State } from "./overview";

export const AT = "2026-11-23T03:12:45Z";

export function round(finding = "preserved", state: State = "up"): RoundView {
  return {
    at: AT,
    finding,
    state,
    reason: `this round is ${state}`,
    cause: null,
    remedy: null,
    expected: ["198.51.100.7"],
    observed: [{ address: "198.51.100.7", what: "this agent", flows: 4 }],
    flows_ok: 4,
    flows: 4,
    latency_ms: 1.84,
    responders: [],
    notes: [],
    evidence: [],
  };
}

export function probe(name: string, state: State = "up"): ProbeView {
  return {
    name,
    target: "192.0.2.201:80",
    state,
    since: "2026-11-23T03:06:45Z",
    pending: null,
    last: {
      ...round(state === "translated" ? "translated" : "preserved", state),
      reason: `${name} is ${state}`,
    },
    history: [{ at: AT, state, latency_ms: 1.84 }],
    answered_by: [],
    silent_nodes: [],
  };
}

export function service(name: string, state: State = "up"): ServiceView {
  return {
    name,
    external_traffic_policy: "Local",
    health_check_node_port: 30001,
    state,
    vips: [probe(`${name} vip`, state)],
    nodes: [
      {
        probe: `${name} node-1`,
        node: "node-1",
        address: "192.0.2.11:30001",
        state: "up",
        since: AT,
        finding: "ready",
        reason: "answered 200",
        local_endpoints: 1,
        weight: 1,
        last_at: AT,
        history: [],
      },
    ],
  };
}

export function overview(services: ServiceView[], probes: ProbeView[] = []): Overview {
  return {
    version: "0.0.0",
    vantage: "office-fra",
    started_at: "2026-11-22T03:12:45Z",
    at: AT,
    agent: {
      config: { path: "probes.toml", loaded_at: AT, error: null },
      store: { ok: true, error: null, buffered: 0, lost: 0 },
      scheduler: { probes: services.length, rounds: 10, flows: 40, missed: 0 },
      connectivity: { blind: false, since: "2026-11-22T03:12:45Z", targets: [] },
      egress: [],
      egress_changes: [],
      notices: [],
    },
    summary: { up: services.length, degraded: 0, translated: 0, idle: 0, down: 0, unknown: 0 },
    services,
    probes,
    alerts: [],
    transitions: [],
    receivers: [],
    silences: [],
    maintenance: [],
  };
}

export function alert(id: string): AlertView {
  return {
    id,
    kind: "unreachable",
    subject: "ns/a vip",
    severity: "critical",
    service: "ns/a",
    probe: "ns/a vip",
    target: "192.0.2.201:80",
    labels: {},
    opened_at: AT,
    title: `ns/a does not answer (${id})`,
    reason: "no answer",
    expected: [],
    observed: [],
    told_to: [],
    deliveries: [],
  };
}
