/** Who answered the flows of recent rounds, and who did not. */
import { useMemo } from "preact/hooks";
import { type PodShare, byNode, percent } from "../distribution";
import type { ProbeView } from "../overview";
import { count } from "../words";

export function Distribution({ probe }: { probe: ProbeView }) {
  const { answered_by: responders, silent_nodes: silent } = probe;
  const nodes = useMemo(() => byNode(responders), [responders]);
  if (nodes.length + silent.length === 0) return null;
  return (
    <div class="distribution">
      <h4>Answered by, in recent rounds</h4>
      <ul>
        {nodes.map(({ node, pods }) => (
          <li key={node}>
            {node !== null && <b>{node}</b>}
            <ul>
              {pods.map((pod) => (
                <Pod key={pod.pod} pod={pod} />
              ))}
            </ul>
          </li>
        ))}
      </ul>
      {silent.length > 0 && (
        <p class="silent">
          <b>{silent.join(", ")}</b> ready, but answered none of the recent flows.{" "}
          <span class="note">
            Normal in layer 2 mode, where one node gets all traffic of a VIP; with BGP several
            should answer.
          </span>
        </p>
      )}
    </div>
  );
}

function Pod({ pod: { pod, flows, share } }: { pod: PodShare }) {
  return (
    <li title={count(flows, "flow")}>
      <span class="pod">{pod ?? "pod not told"}</span>
      <span class="share">{percent(share)}</span>
      <svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
        <path class="whole" d="M0 0h100v6H0z" />
        <path d={`M0 0h${(share * 100).toFixed(1)}v6H0z`} />
      </svg>
    </li>
  );
}
