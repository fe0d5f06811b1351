/** Every service with its VIPs, problems first. */
import { Component } from "preact";
import type { ProbeView, ServiceView } from "../overview";
import { count } from "../words";
import { Ago } from "./Ago";
import { StateWord } from "./Mark";
import { ProbeRow } from "./ProbeRow";

/** From here on, rows off screen are not laid out. */
const MANY = 40;

interface Props {
  shown: ServiceView[];
  total: number;
}

export function Services({ shown, total }: Props) {
  return (
    <section class={`panel services ${total > MANY ? "many" : ""}`} aria-labelledby="services">
      <div class="panel-head">
        <h2 id="services">Services</h2>
        <p class="note">
          {shown.length === total ? total : `${shown.length} of ${total}`}
        </p>
        {total > 0 && <Columns />}
      </div>
      {total === 0 && (
        <p class="empty">
          No services configured. Add a <code>[[service]]</code> to the configuration.
        </p>
      )}
      {total > 0 && shown.length === 0 && <p class="empty">No service matches the filter.</p>}
      {shown.map((service) => (
        <Service key={service.name} service={service} />
      ))}
    </section>
  );
}

/** Column heads for the eye; each value names itself to a screen reader. */
function Columns() {
  return (
    <div class="columns" aria-hidden="true">
      <span>VIP</span>
      <span>Source address: expected → seen</span>
      <span>Flows</span>
      <span>Latency</span>
      <span>Last 60 rounds</span>
    </div>
  );
}

/** Renders again only when its service has changed. */
class Service extends Component<{ service: ServiceView }> {
  override shouldComponentUpdate(next: { service: ServiceView }) {
    return next.service !== this.props.service;
  }

  override render() {
    const { service } = this.props;
    const [namespace, name] = split(service.name);
    const since = service.vips.find((vip) => vip.state === service.state)?.since;
    return (
      <article class={`service ${service.state}`} aria-label={service.name}>
        <div class="identity">
          <h3>
            {namespace && <span class="namespace">{namespace}/</span>}
            {name}
          </h3>
          <p class="standing">
            <StateWord state={service.state} />
            {since && <Ago at={since} before="for " />}
          </p>
          <p class="facts">
            <span title="externalTrafficPolicy">{service.external_traffic_policy}</span>
            {service.nodes.length > 0 && (
              <span title={`Health check node port ${service.health_check_node_port ?? "unknown"}`}>
                {readiness(service)}
              </span>
            )}
          </p>
        </div>
        <div class="probes">
          {service.vips.map((vip) => (
            <ProbeRow key={vip.name} probe={vip} label={vip.target} />
          ))}
          {service.vips.length === 0 && <p class="empty">No VIP configured.</p>}
        </div>
      </article>
    );
  }
}

function split(name: string): [namespace: string, name: string] {
  const slash = name.indexOf("/");
  return slash < 0 ? ["", name] : [name.slice(0, slash), name.slice(slash + 1)];
}

function readiness({ nodes }: ServiceView): string {
  if (nodes.every((node) => !node.last_at)) return count(nodes.length, "node");
  const ready = nodes.filter((node) => (node.local_endpoints ?? 0) > 0).length;
  return `${ready}/${count(nodes.length, "node")} ready`;
}

/** Probes that belong to no service. */
export function StandAlone({ shown, total }: { shown: ProbeView[]; total: number }) {
  if (total === 0) return null;
  return (
    <section class="panel services" aria-labelledby="probes">
      <div class="panel-head">
        <h2 id="probes">Other probes</h2>
        <p class="note">
          {shown.length === total ? total : `${shown.length} of ${total}`}
        </p>
      </div>
      {shown.length === 0 && <p class="empty">No probe matches the filter.</p>}
      {shown.map((probe) => (
        <article key={probe.name} class={`service ${probe.state}`} aria-label={probe.name}>
          <div class="identity">
            <h3>{probe.name}</h3>
            <p class="standing">
              <StateWord state={probe.state} />
              {probe.since && <Ago at={probe.since} before="for " />}
            </p>
          </div>
          <div class="probes">
            <ProbeRow probe={probe} label={probe.target} />
          </div>
        </article>
      ))}
    </section>
  );
}
