/** The flows of a round: from where, to where, and as whom they were seen. */
import { useMemo } from "preact/hooks";
import { type End, type Row, flowState, fold, keepsPorts } from "../evidence";
import type { RoundView } from "../overview";
import { flowWords } from "../words";
import { Address } from "./Address";
import { Mark } from "./Mark";

/** With the roles written out, since a phone shows it as a list. */
export function Evidence({ round }: { round: RoundView }) {
  const rows = useMemo(() => fold(round.evidence), [round.evidence]);
  if (rows.length === 0) return null;
  return (
    <table class="evidence" role="table">
      <caption>Flows of the last round</caption>
      <thead role="rowgroup">
        <tr role="row">
          <th role="columnheader">Finding</th>
          <th role="columnheader">From</th>
          <th role="columnheader">To</th>
          <th role="columnheader">Seen as</th>
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((row) => {
          const state = flowState(row.finding, round);
          return (
            <tr key={keyOf(row)} role="row" class={state}>
              <td role="cell" class="says" title={row.failure ?? row.finding}>
                <Mark state={state} />
                {flowWords(row)}
                {row.flows > 1 && <span class="times"> {row.flows} ×</span>}
              </td>
              <EndCell term="from" end={row.from} />
              <EndCell term="to" end={row.to} />
              <EndCell term="seen as" end={row.seen} isSame={keepsPorts(row)} />
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

function keyOf({ finding, failure, from, to, seen }: Row): string {
  return [finding, failure, from?.address, to?.address, seen?.address].join(" ");
}

/** So many ports show where a fold of flows came from; the others add nothing. */
const PORTS = 4;

interface EndProps {
  term: string;
  end: End | null;
  /** Whether the ports are those of the other end. */
  isSame?: boolean;
}

function EndCell({ term, end, isSame = false }: EndProps) {
  return (
    <td role="cell" data-term={term}>
      {end ? <Address text={end.address} /> : <span class="ports">–</span>}
      {end && end.ports.length > 0 && <Ports ports={end.ports} isSame={isSame} />}
    </td>
  );
}

function Ports({ ports, isSame }: { ports: readonly string[]; isSame: boolean }) {
  const many = ports.length > 1;
  if (isSame) return <span class="ports">same port{many ? "s" : ""}</span>;
  const shown = ports.slice(0, PORTS).join(", ");
  return (
    <span class="ports">
      port{many ? "s" : ""} {shown}
      {ports.length > PORTS && ` and ${ports.length - PORTS} more`}
    </span>
  );
}
