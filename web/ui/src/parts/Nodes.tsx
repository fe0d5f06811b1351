/** Nodes by what is asked of them: themselves, and each service's health check port. */
import { useState } from "preact/hooks";
import { type Cell as CellData, type Grid, grid, move } from "../node-grid";
import type { AlertView, ProbeView, ServiceView } from "../overview";
import { stateWord } from "../words";
import { Advice } from "./Advice";
import { Ago } from "./Ago";
import { Cause } from "./Cause";
import { History } from "./History";
import { Mark, StateWord } from "./Mark";
import { Notes } from "./Notes";

/** More columns than this are shown on demand. */
const COLUMNS = 16;

interface NodesProps {
  services: readonly ServiceView[];
  /** The probes that are about nodes as such. */
  probes: readonly ProbeView[];
  alerts: readonly AlertView[];
}

export function Nodes({ services, probes, alerts }: NodesProps) {
  const [isWhole, setWhole] = useState(false);
  const [chosen, setChosen] = useState<string | null>(null);
  const all = grid(services, probes);
  if (all.nodes.length === 0) return null;
  const shown: Grid = isWhole ? all : { ...all, columns: all.columns.slice(0, COLUMNS) };
  const alerted = new Set(alerts.filter((alert) => alert.node).map((alert) => alert.probe));
  const cell = all.columns
    .flatMap(({ cells }) => [...cells.values()])
    .find((one) => one.probe === chosen);
  return (
    <section class="panel nodes" aria-labelledby="nodes">
      <div class="panel-head">
        <h2 id="nodes">Nodes</h2>
        <p class="note">
          {probes.length > 0 && "the nodes themselves, and "}ready endpoints by health check node port
        </p>
        {all.columns.length > COLUMNS && (
          <button type="button" onClick={() => setWhole(!isWhole)}>
            {isWhole ? `Show ${COLUMNS} columns` : `Show all ${all.columns.length} columns`}
          </button>
        )}
      </div>
      <div class="matrix">
        <Matrix shown={shown} alerted={alerted} chosen={chosen} choose={setChosen} />
        <div class="cell-details">
          {cell && <CellFacts cell={cell} />}
          <p class="reason" role="status">
            {cell?.reason ?? "Choose a cell to see what the node says."}
          </p>
          {cell?.cause && <Cause text={cell.cause} />}
          {cell?.remedy && <Advice text={cell.remedy} />}
          {cell && <Notes notes={cell.notes} />}
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
    const to = move(focus, event.key, shown.nodes.length, shown.columns.length);
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
            {shown.columns.map((column) => (
              <th key={column.name} scope="col" title={column.name}>
                {column.head.map((line) => line && <span key={line}>{line}</span>)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {shown.nodes.map((name, row) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              {shown.columns.map(({ name: asked, cells }, column) => {
                const cell = cells.get(name);
                const isFocus = focus[0] === row && focus[1] === column;
                return (
                  <td key={asked}>
                    <Cell
                      cell={cell}
                      at={`${row},${column}`}
                      label={`${name}, ${asked}`}
                      tabIndex={isFocus ? 0 : -1}
                      isAlerted={cell !== undefined && alerted.has(cell.probe)}
                      isChosen={cell !== undefined && cell.probe === chosen}
                      onClick={() => {
                        setFocus([row, column]);
                        choose(!cell || cell.probe === chosen ? null : cell.probe);
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
  cell: CellData | undefined;
  at: string;
  label: string;
  tabIndex: number;
  isAlerted: boolean;
  isChosen: boolean;
  onClick: () => void;
}

function Cell({ cell, at, label, tabIndex, isAlerted, isChosen, onClick }: CellProps) {
  const told = cell ? `${stateWord(cell.state)}, ${cell.facts[0] ?? cell.finding}` : "not asked";
  const words = isAlerted ? `${told}, alert open` : told;
  return (
    <button
      type="button"
      class={`cell ${cell?.state ?? "absent"} ${isAlerted ? "alerted" : ""}`}
      data-cell={at}
      tabIndex={tabIndex}
      aria-label={`${label}: ${words}`}
      aria-pressed={isChosen}
      title={`${label}: ${cell?.reason ?? "not asked"}`}
      onClick={onClick}
    >
      {cell ? (
        <>
          <Mark state={cell.state} />
          <span aria-hidden="true">{cell.figure ?? "–"}</span>
        </>
      ) : (
        "·"
      )}
    </button>
  );
}

function CellFacts({ cell }: { cell: CellData }) {
  return (
    <>
      <p>
        <StateWord state={cell.state} /> <b>{cell.node}</b> <code>{cell.address}</code>{" "}
        {cell.finding}
        {cell.since && <Ago at={cell.since} before=", for " />}
      </p>
      <p class="facts">
        {cell.facts.map((fact) => (
          <span key={fact}>{fact}</span>
        ))}
        {cell.askedAt && <Ago at={cell.askedAt} before="asked " after=" ago" />}
      </p>
      <History ticks={cell.history} />
    </>
  );
}
