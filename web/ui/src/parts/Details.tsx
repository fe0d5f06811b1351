/** The whole story of a probe's latest round: why, the likely cause, what to do, and what it is drawn from. */
import type { ComponentChildren } from "preact";
import type { ProbeView } from "../overview";
import { stateWord } from "../words";
import { Advice } from "./Advice";
import { Ago } from "./Ago";
import { Distribution } from "./Distribution";
import { Evidence } from "./Evidence";
import { Notes } from "./Notes";

export function Details({ probe }: { probe: ProbeView }) {
  const { last, since } = probe;
  return (
    <>
      {last && (
        <dl class="story">
          <Detail term="Why">{last.reason}</Detail>
          {last.cause && <Detail term="Likely cause">{last.cause}</Detail>}
          {last.remedy && (
            <Detail term="Remedy">
              <Advice text={last.remedy} />
            </Detail>
          )}
        </dl>
      )}
      {last && <Notes notes={last.notes} />}
      <div class="drawn-from">
        {last && <Evidence round={last} />}
        <Distribution probe={probe} />
      </div>
      <dl class="standing-facts">
        <Detail term="State">
          {stateWord(probe.state)}
          {since && <Ago at={since} before=" for " />}
        </Detail>
        <Detail term="Last round">{last ? <Ago at={last.at} after=" ago" /> : "none yet"}</Detail>
        <Detail term="Probe">
          <code>{probe.name}</code>
        </Detail>
      </dl>
    </>
  );
}

function Detail({ term, children }: { term: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{term}</dt>
      <dd>{children}</dd>
    </div>
  );
}
