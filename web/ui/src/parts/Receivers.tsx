/** Who is told about alerts, and whether it gets through. */
import type { ReceiverView } from "../overview";
import { clock } from "../time";
import { grouped } from "../words";
import { Ago } from "./Ago";

export function Receivers({ receivers }: { receivers: readonly ReceiverView[] }) {
  return (
    <section class="panel receivers" aria-labelledby="receivers">
      <div class="panel-head">
        <h2 id="receivers">Receivers</h2>
      </div>
      {receivers.length === 0 && (
        <p class="empty">
          Nobody is told about alerts. Add a <code>[[receiver]]</code> to the configuration.
        </p>
      )}
      <ul>
        {receivers.map((receiver) => (
          <Receiver key={receiver.name} receiver={receiver} />
        ))}
      </ul>
    </section>
  );
}

function Receiver({ receiver }: { receiver: ReceiverView }) {
  const { name, kind, pending, delivered, dead, last_error: error, circuit } = receiver;
  return (
    <li>
      <p class="who">
        <b>{name}</b> <span class="kind">{kind}</span>
      </p>
      <p class="counts">
        <span class={pending > 0 ? "pending" : "none"}>↻ {grouped(pending)} pending</span>
        <span>✓ {grouped(delivered)} delivered</span>
        <span class={dead > 0 ? "dead" : "none"}>✕ {grouped(dead)} given up</span>
      </p>
      <p class="reason">
        {receiver.last_delivered_at ? (
          <Ago at={receiver.last_delivered_at} before="last delivered " after=" ago" />
        ) : (
          "nothing delivered yet"
        )}
        {error && <span class="error"> · {error}</span>}
      </p>
      {circuit && (
        <p class="reason circuit">
          <Ago at={circuit.open_since} before="failing for " />, asked again at{" "}
          <time dateTime={circuit.next_attempt_at}>{clock(circuit.next_attempt_at)}</time>
        </p>
      )}
    </li>
  );
}
