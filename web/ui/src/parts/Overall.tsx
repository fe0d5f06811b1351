/** The one sentence to read from across the room, and the counts behind it. */
import type { State, Summary } from "../overview";
import { overview, summary } from "../view";
import { STATES, count, grouped, stateWord } from "../words";
import { Mark } from "./Mark";

/** From best to worst, as people count. */
const ORDER: readonly State[] = STATES.toReversed();

export function Overall() {
  const headline = summary.value;
  const data = overview.value;
  const state = headline?.state ?? "unknown";
  return (
    <div class={`overall ${state}`}>
      <Mark state={state} />
      <div>
        <h1 aria-live="polite">{headline?.sentence ?? "Waiting for the agent"}</h1>
        {data && <Counts summary={data.summary} />}
      </div>
    </div>
  );
}

function Counts({ summary: counts }: { summary: Summary }) {
  const shown = ORDER.filter((state) => counts[state] > 0);
  const total = shown.reduce((sum, state) => sum + counts[state], 0);
  if (total === 0) return null;
  return (
    <ul class="counts" aria-label="Probes by state">
      {shown.map((state) => (
        <li key={state}>
          <Mark state={state} />
          <b>{grouped(counts[state])}</b> {stateWord(state).toLowerCase()}
        </li>
      ))}
      <li>of {count(total, "probe")}</li>
    </ul>
  );
}
