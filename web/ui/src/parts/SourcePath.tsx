/** The heart of it: which source address should arrive, and which one does. */
import type { RoundView } from "../overview";

export function SourcePath({ round }: { round: RoundView | null | undefined }) {
  if (!round) return <div class="source none">no round yet</div>;
  const { expected, observed } = round;
  if (expected.length === 0 && observed.length === 0) {
    return <div class="source none">{round.flows_ok > 0 ? "reachability only" : "no answer"}</div>;
  }
  return (
    <div class="source">
      <span class="expected">
        <span class="unseen">expected </span>
        {expected.length > 0 ? expected.map((ip) => <code key={ip}>{ip}</code>) : "any"}
      </span>
      <span class="arrow" aria-hidden="true">
        →
      </span>
      <span class="observed">
        <span class="unseen">seen </span>
        {observed.length === 0 && <span class="nothing">nothing arrived</span>}
        {observed.map((seen) => (
          <span
            key={seen.address}
            class={`seen ${expected.includes(seen.address) ? "same" : "other"}`}
          >
            <code>{seen.address}</code>{" "}
            <span class="what">{seen.what}</span>
            {observed.length > 1 && (
              <span class="share">
                {seen.flows} of {round.flows}
              </span>
            )}
          </span>
        ))}
      </span>
    </div>
  );
}
