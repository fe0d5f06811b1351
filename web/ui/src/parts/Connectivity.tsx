/** Whether the agent itself sees, and who is asked for that. */
import type { ConnectivityView } from "../overview";
import { latency } from "../words";
import { Ago } from "./Ago";

export function Connectivity({ connectivity }: { connectivity: ConnectivityView }) {
  const { blind, since, targets } = connectivity;
  return (
    <>
      {blind ? <b>blind</b> : "seeing"}
      <Ago at={since} before=" for " />
      {targets.length > 0 && (
        <ul>
          {targets.map((one) => (
            <li key={one.target}>
              <code>{one.target}</code>, <Answer {...one} />
              {one.asked_at && <Ago at={one.asked_at} before=", " after=" ago" />}
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

function Answer({ asked_at: at, latency_ms: took, error }: ConnectivityView["targets"][number]) {
  if (!at) return <>not asked yet</>;
  return error ? <b>{error}</b> : <>answered in {latency(took)}</>;
}
