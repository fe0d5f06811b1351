/** What has changed lately. */
import type { TransitionView } from "../overview";
import { clock, exact } from "../time";
import { Ago } from "./Ago";
import { StateWord } from "./Mark";

export function Transitions({ shown, total }: { shown: TransitionView[]; total: number }) {
  return (
    <section class="panel transitions" aria-labelledby="transitions">
      <div class="panel-head">
        <h2 id="transitions">Recent changes</h2>
      </div>
      {total === 0 && <p class="empty">Nothing has changed yet.</p>}
      {total > 0 && shown.length === 0 && <p class="empty">No change matches the filter.</p>}
      {shown.length > 0 && (
        // It scrolls, so a keyboard has to get there.
        <ol tabIndex={0} aria-labelledby="transitions">
          {shown.map((row) => (
            <li key={`${row.at} ${row.probe} ${row.to}`}>
              <p class="when">
                <span title={exact(row.at)}>{clock(row.at)}</span>
                <Ago at={row.at} after=" ago" />
              </p>
              <div>
                <p>
                  <b>{row.service ?? row.probe}</b>
                  {row.node && <span class="on"> on {row.node}</span>}
                </p>
                <p class="change">
                  <StateWord state={row.from} />
                  <span class="arrow" aria-hidden="true">
                    →
                  </span>
                  <span class="unseen">to</span>
                  <StateWord state={row.to} />
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
