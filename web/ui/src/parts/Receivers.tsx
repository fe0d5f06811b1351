/** Who is told about alerts, and whether it gets through. */
import { useEffect, useState } from "preact/hooks";
import { type Refusal, deadLetters, plan } from "../operator";
import type { OutboxEntry, ReceiverView } from "../overview";
import { count, eventWords, grouped } from "../words";
import { Ago } from "./Ago";
import { Until } from "./Until";

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
  const { name, kind, pending, delivered, dead, superseded, circuit, last_error: error } = receiver;
  return (
    <li>
      <p class="who">
        <b>{name}</b> <span class="kind">{kind}</span>
      </p>
      <p class="counts">
        <span class={pending > 0 ? "pending" : "none"}>↻ {grouped(pending)} pending</span>
        <span>✓ {grouped(delivered)} delivered</span>
        <span class={dead > 0 ? "dead" : "none"}>✕ {grouped(dead)} given up</span>
        {superseded > 0 && <span>– {grouped(superseded)} over before they could be told</span>}
      </p>
      {circuit && (
        <p class="circuit">
          <b>Does not answer</b>
          <Ago at={circuit.open_since} before=" for " />: tried only now and then,{" "}
          <Until at={circuit.next_attempt_at} before="next at " />
        </p>
      )}
      <p class="reason">
        {receiver.last_delivered_at ? (
          <Ago at={receiver.last_delivered_at} before="last delivered " after=" ago" />
        ) : (
          "nothing delivered yet"
        )}
        {error && <span class="error"> · {error}</span>}
      </p>
      {dead > 0 && <DeadLetters receiver={name} dead={dead} />}
    </li>
  );
}

/** Asked for only when somebody looks. */
function DeadLetters({ receiver, dead }: { receiver: string; dead: number }) {
  const [isOpen, setOpen] = useState(false);
  const [letters, setLetters] = useState<OutboxEntry[] | Refusal | null>(null);
  useEffect(() => {
    let isWanted = true;
    const load = async () => {
      const answer = await deadLetters(receiver);
      if (isWanted) setLetters(answer);
    };
    if (isOpen) void load();
    return () => {
      isWanted = false;
    };
  }, [receiver, dead, isOpen]);
  return (
    <details class="dead-letters" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>What was given up</summary>
      {letters && !Array.isArray(letters) && <p class="error">{letters.text}</p>}
      {Array.isArray(letters) && (
        <ul>
          {letters.map((letter) => (
            <li key={letter.id}>
              <p>
                {letter.title}: {eventWords(letter.event)}{" "}
                <Ago at={letter.created_at} after=" ago" />
              </p>
              <p class="error">
                {letter.last_error}, after {count(letter.attempts, "attempt")}
              </p>
            </li>
          ))}
        </ul>
      )}
      <button
        type="button"
        aria-label={`Retry what was given up for ${receiver}`}
        onClick={() => {
          plan.value = { kind: "retry", receiver };
        }}
      >
        Retry
      </button>
    </details>
  );
}
