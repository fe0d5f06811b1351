/** How the agent itself is doing. */
import type { ComponentChildren } from "preact";
import type { EgressView, Overview } from "../overview";
import { grouped, latency } from "../words";
import { Ago } from "./Ago";
import { Connectivity } from "./Connectivity";

export function Footer({ data }: { data: Overview }) {
  const { config, scheduler, store, connectivity, egress } = data.agent;
  return (
    <footer>
      <h2 class="unseen">Agent</h2>
      <dl>
        <Fact term="vipwatch">{data.version}</Fact>
        <Fact term="running for">
          <Ago at={data.started_at} />
        </Fact>
        <Fact term="probes">{grouped(scheduler.probes)}</Fact>
        <Fact term="rounds">{grouped(scheduler.rounds)}</Fact>
        <Fact term="flows">{grouped(scheduler.flows)}</Fact>
        <Fact term="missed ticks">{grouped(scheduler.missed)}</Fact>
        <Fact term="lateness p50 / p99">
          {latency(scheduler.lateness_p50_ms)} / {latency(scheduler.lateness_p99_ms)}
        </Fact>
        <Fact term="store">{store.ok ? "ok" : "failing"}</Fact>
        <Fact term="configuration">
          <code>{config.path}</code>, loaded <Ago at={config.loaded_at} after=" ago" />
        </Fact>
        <Fact term="connectivity">
          <Connectivity connectivity={connectivity} />
        </Fact>
        {egress.length > 0 && (
          <Fact term="egress">
            <ul>
              {egress.map((one) => (
                <Egress key={`${one.address} ${one.local} ${one.source}`} egress={one} />
              ))}
            </ul>
          </Fact>
        )}
        <Fact term="API">
          <a href="/api/v1/overview">overview</a> · <a href="/api/v1/openapi.json">OpenAPI</a>
        </Fact>
      </dl>
    </footer>
  );
}

function Egress({ egress }: { egress: EgressView }) {
  const { address, source, local, confirmed_at: confirmed } = egress;
  return (
    <li>
      {address ? <code>{address}</code> : <b>not known</b>}, {source}
      {local && ` from ${local}`}
      {confirmed && <Ago at={confirmed} before=", " after=" ago" />}
    </li>
  );
}

function Fact({ term, children }: { term: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{term}</dt>
      <dd>{children}</dd>
    </div>
  );
}
