/** What has changed lately: states, and the agent's own egress address. */
import type { ComponentChildren } from "preact";
import type { EgressChangeView, TransitionView } from "../overview";
import { clock, exact } from "../time";
import { Ago } from "./Ago";
import { StateWord } from "./Mark";

interface Props {
  shown: TransitionView[];
  egress: EgressChangeView[];
  total: number;
}

interface Change {
  at: string;
  key: string;
  who: ComponentChildren;
  from: ComponentChildren;
  to: ComponentChildren;
  reason: string;
}

export function Transitions({ shown, egress, total }: Props) {
  const rows = [...shown.map(ofState), ...egress.map(ofEgress)].toSorted(
    (a, b) => Date.parse(b.at) - Date.parse(a.at),
  );
  return (
    <section class="panel transitions" aria-labelledby="transitions">
      <div class="panel-head">
        <h2 id="transitions">Recent changes</h2>
      </div>
      {total === 0 && <p class="empty">Nothing has changed yet.</p>}
      {total > 0 && rows.length === 0 && <p class="empty">No change matches the filter.</p>}
      {rows.length > 0 && (
        // It scrolls, so a keyboard has to get there.
        <ol tabIndex={0} aria-labelledby="transitions">
          {rows.map((row) => (
            <li key={row.key}>
              <p class="when">
                <span title={exact(row.at)}>{clock(row.at)}</span>
                <Ago at={row.at} after=" ago" />
              </p>
              <div>
                <p>{row.who}</p>
                <p class="change">
                  {row.from}
                  <span class="arrow" aria-hidden="true">
                    →
                  </span>
                  <span class="unseen">to</span>
                  {row.to}
                </p>
                <p class="reason">{row.reason}</p>
              </div>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

function ofState(row: TransitionView): Change {
  return {
    at: row.at,
    key: `${row.at} ${row.probe} ${row.to}`,
    who: (
      <>
        <b>{row.service ?? row.probe}</b>
        {row.node && <span class="on"> on {row.node}</span>}
      </>
    ),
    from: <StateWord state={row.from} />,
    to: <StateWord state={row.to} />,
    reason: row.reason,
  };
}

function ofEgress(row: EgressChangeView): Change {
  return {
    at: row.at,
    key: `${row.at} egress ${row.from} ${row.to}`,
    who: <b>This agent&rsquo;s egress</b>,
    from: <code>{row.from}</code>,
    to: <code>{row.to}</code>,
    reason: `Told by ${row.source}. Verdicts are compared with the new address.`,
  };
}
