/** Nodes by services: what each node's health check port says. */
import { useState } from "preact/hooks";
import { type Grid, grid, move } from "../node-grid";
import type { AlertView, NodeHealthView, ServiceView } from "../overview";
import { findingWords, stateWord } from "../words";
import { Ago } from "./Ago";
import { History } from "./History";
import { Mark, StateWord } from "./Mark";

/** More columns than this are shown on demand. */
const COLUMNS = 16;

interface NodesProps {
  services: readonly ServiceView[];
  alerts: readonly AlertView[];
}

export function Nodes({ services, alerts }: NodesProps) {
  const [isWhole, setWhole] = useState(false);
  const [chosen, setChosen] = useState<string | null>(null);
  const all = grid(services);
  if (all.nodes.length === 0) return null;
  const shown: Grid = isWhole ? all : { ...all, services: all.services.slice(0, COLUMNS) };
  const alerted = new Set(alerts.filter((alert) => alert.node).map((alert) => alert.probe));
  const cell = all.services.flatMap((service) => service.nodes).find((one) => one.probe === chosen);
  return (
    <section class="panel nodes" aria-labelledby="nodes">
      <div class="panel-head">
        <h2 id="nodes">Nodes</h2>
        <p class="note">ready endpoints by health check node port</p>
        {all.services.length > COLUMNS && (
          <button type="button" onClick={() => setWhole(!isWhole)}>
            {isWhole ? `Show ${COLUMNS} services` : `Show all ${all.services.length} services`}
          </button>
        )}
      </div>
      <div class="matrix">
        <Matrix shown={shown} alerted={alerted} chosen={chosen} choose={setChosen} />
        <div class="cell-details">
          {cell && <CellDetails node={cell} />}
          <p class="reason" role="status">
            {cell?.reason ?? "Choose a cell to see what the node says."}
          </p>
        </div>
      </div>
    </section>
  );
}

interface MatrixProps {
  shown: Grid;
  /** The probes that an open alert about a node is about. */
  alerted: ReadonlySet<string>;
  chosen: string | null;
  choose: (probe: string | null) => void;
}

function Matrix({ shown, alerted, chosen, choose }: MatrixProps) {
  const [focus, setFocus] = useState<readonly [row: number, column: number]>([0, 0]);
  const onKeyDown = (event: KeyboardEvent) => {
    const to = move(focus, event.key, shown.nodes.length, shown.services.length);
    if (!to) return;
    event.preventDefault();
    setFocus(to);
    const table = event.currentTarget as HTMLElement;
    table.querySelector<HTMLElement>(`[data-cell="${to.join()}"]`)?.focus();
  };
  return (
    <div class="scroll">
      <table role="grid" aria-labelledby="nodes" onKeyDown={onKeyDown}>
        <thead>
          <tr>
            <th scope="col">Node</th>
            {shown.services.map((service) => (
              <th key={service.name} scope="col" title={service.name}>
                {service.name.split("/").map((part) => (
                  <span key={part}>{part}</span>
                ))}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {shown.nodes.map((name, row) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              {shown.services.map((service, column) => {
                const node = service.nodes.find((one) => one.node === name);
                const isFocus = focus[0] === row && focus[1] === column;
                return (
                  <td key={service.name}>
                    <Cell
                      node={node}
                      at={`${row},${column}`}
                      label={`${name}, ${service.name}`}
                      tabIndex={isFocus ? 0 : -1}
                      isAlerted={node !== undefined && alerted.has(node.probe)}
                      isChosen={node !== undefined && node.probe === chosen}
                      onClick={() => {
                        setFocus([row, column]);
                        choose(!node || node.probe === chosen ? null : node.probe);
                      }}
                    />
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface CellProps {
  node: NodeHealthView | undefined;
  at: string;
  label: string;
  tabIndex: number;
  isAlerted: boolean;
  isChosen: boolean;
  onClick: () => void;
}

function Cell({ node, at, label, tabIndex, isAlerted, isChosen, onClick }: CellProps) {
  const told = node ? `${stateWord(node.state)}, ${ready(node)}` : "not asked";
  const words = isAlerted ? `${told}, alert open` : told;
  return (
    <button
      type="button"
      class={`cell ${node?.state ?? "absent"} ${isAlerted ? "alerted" : ""}`}
      data-cell={at}
      tabIndex={tabIndex}
      aria-label={`${label}: ${words}`}
      aria-pressed={isChosen}
      title={node ? `${label}: ${node.reason}` : `${label}: not asked`}
      onClick={onClick}
    >
      {node ? (
        <>
          <Mark state={node.state} />
          <span aria-hidden="true">{node.local_endpoints ?? "–"}</span>
        </>
      ) : (
        "·"
      )}
    </button>
  );
}

function ready({ local_endpoints: endpoints, finding }: NodeHealthView): string {
  if (endpoints === null || endpoints === undefined) return findingWords(finding);
  return `${endpoints} ready`;
}

function CellDetails({ node }: { node: NodeHealthView }) {
  return (
    <>
      <p>
        <StateWord state={node.state} /> <b>{node.node}</b> <code>{node.address}</code>{" "}
        {findingWords(node.finding)}
        {node.since && <Ago at={node.since} before=", for " />}
      </p>
      <p class="facts">
        <span>{ready(node)}</span>
        {typeof node.weight === "number" && <span>weight {node.weight}</span>}
        {node.last_at && <Ago at={node.last_at} before="asked " after=" ago" />}
      </p>
      <History ticks={node.history} />
    </>
  );
}
