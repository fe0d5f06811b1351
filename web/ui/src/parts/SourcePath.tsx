/** The heart of it: which source address should arrive, and which one does. */
import type { RoundView, Seen } from "../overview";
import { Address, Breakable } from "./Address";

export function SourcePath({ round }: { round: RoundView | null | undefined }) {
  if (!round) return <div class="source none">no round yet</div>;
  const { expected, observed } = round;
  if (expected.length === 0 && observed.length === 0) {
    return <div class="source none">{round.flows_ok > 0 ? "reachability only" : "no answer"}</div>;
  }
  return (
    <div class={`source ${round.state}`}>
      <span class="expected">
        <span class="unseen">expected </span>
        {expected.length > 0 ? expected.map((ip) => <Address key={ip} text={ip} />) : "any"}
      </span>
      <Arrow />
      <span class={`observed ${observed.length > 1 ? "fork" : ""}`}>
        <span class="unseen">seen </span>
        {observed.length === 0 && <Nothing round={round} />}
        {observed.map((seen) => (
          <Observed key={seen.address} seen={seen} round={round} />
        ))}
        {round.finding === "only_in_header" && <Pod client={expected} />}
      </span>
    </div>
  );
}

function Observed({ seen, round }: { seen: Seen; round: RoundView }) {
  const isProxy = round.finding === "only_in_header";
  const isSame = round.expected.includes(seen.address);
  const isOtherPort = isSame && round.notes.some(({ kind }) => kind === "port_changed");
  return (
    <span class={`seen ${isSame ? "same" : "other"}`}>
      <Address text={seen.address} />{" "}
      <span class="what">
        {isProxy && "proxy, "}
        <Breakable text={seen.what} />
      </span>
      {isOtherPort && <span class="tag">other port</span>}
      {round.observed.length > 1 && (
        <span class="share">
          {seen.flows} of {round.flows}
        </span>
      )}
    </span>
  );
}

/** Behind the proxy: the pod, which knows the client from hearsay. */
function Pod({ client }: { client: readonly string[] }) {
  return (
    <span class="hearsay">
      <Arrow /> pod <span class="what">told by a header: </span>
      {client.map((ip) => (
        <Address key={ip} text={ip} />
      ))}
    </span>
  );
}

function Nothing({ round }: { round: RoundView }) {
  if (round.flows_ok === 0) return <span class="nothing">nothing arrived</span>;
  const isHearsay = round.evidence.some(({ finding }) => finding === "header_trusted");
  return (
    <span class="what">
      {isHearsay ? "only what a header says" : "answered, but told no address to compare"}
    </span>
  );
}

function Arrow() {
  return (
    <span class="arrow" aria-hidden="true">
      →
    </span>
  );
}
