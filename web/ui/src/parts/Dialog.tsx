/** Asks what the agent needs to know before it does something for the reader. */
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import * as operator from "../operator";
import { type Plan, type Refusal, plan } from "../operator";
import { type Scope, matcherWords, scopesOf, scopesOfAll } from "../standing";
import { overview } from "../view";

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const LENGTHS: readonly (readonly [words: string, seconds: number])[] = [
  ["30 minutes", 30 * MINUTE],
  ["1 hour", HOUR],
  ["2 hours", 2 * HOUR],
  ["8 hours", 8 * HOUR],
  ["1 day", DAY],
  ["3 days", 3 * DAY],
  ["1 week", 7 * DAY],
];

/** How a kind of plan is asked about and carried out. */
interface Form {
  title: string;
  /** The button that does it. */
  verb: string;
  fields?: ComponentChildren;
  carryOut(said: (field: string) => string): Promise<Refusal | null>;
  /** What was done, in a sentence. */
  done: string;
}

export function Dialog() {
  const asked = plan.value;
  return asked && <Asking key={asked.kind} asked={asked} />;
}

function Asking({ asked }: { asked: Plan }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [refusal, setRefusal] = useState<Refusal | null>(null);
  const [isBusy, setBusy] = useState(false);
  const id = useId();
  const form = formOf(asked);
  useEffect(() => dialog.current?.showModal(), []);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    if (isBusy) return;
    const data = new FormData(event.currentTarget as HTMLFormElement);
    const said = (field: string) => String(data.get(field) ?? "").trim();
    operator.rememberName(said("name"));
    if (data.has("token")) operator.rememberToken(said("token"));
    setBusy(true);
    const refused = await form.carryOut(said);
    setBusy(false);
    setRefusal(refused);
    if (refused) return;
    operator.done.value = form.done;
    dialog.current?.close();
  };
  return (
    <dialog
      ref={dialog}
      class="asking"
      aria-labelledby={id}
      onClose={() => {
        plan.value = null;
      }}
    >
      <form onSubmit={(event) => void submit(event)}>
        <h2 id={id}>{form.title}</h2>
        {form.fields}
        <label>
          Your name
          <input name="name" defaultValue={operator.name()} required maxLength={100} autocomplete="username" />
        </label>
        {refusal?.wantsToken && (
          <label>
            The agent&rsquo;s token
            <input name="token" type="password" required autocomplete="off" />
          </label>
        )}
        <p class="refusal" role="alert">
          {refusal?.text}
        </p>
        <div class="answers">
          <button type="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
          <button type="submit" class="main" aria-disabled={isBusy}>
            {form.verb}
          </button>
        </div>
      </form>
    </dialog>
  );
}

function formOf(asked: Plan): Form {
  switch (asked.kind) {
    case "acknowledge":
      return {
        title: "Take this alert on",
        verb: "Acknowledge",
        fields: (
          <>
            <p>{asked.alert.title}</p>
            <Comment label="What you do about it (optional)" />
          </>
        ),
        carryOut: (said) => operator.acknowledge(asked.alert.id, said("name"), said("comment")),
        done: "You have taken the alert on.",
      };
    case "silence":
      return silenceForm(asked.alert);
    case "end":
      return {
        title: "End this silence",
        verb: "End it",
        fields: <p>{`${matcherWords(asked.silence.matcher)}: ${asked.silence.comment}`}</p>,
        carryOut: (said) => operator.endSilence(asked.silence.id, said("name")),
        done: "The silence is over.",
      };
    case "retry":
      return {
        title: "Try again",
        verb: "Retry",
        fields: <p>{`Deliver to ${asked.receiver} what was given up.`}</p>,
        carryOut: (said) => operator.retry(asked.receiver, said("name")),
        done: "What is not over meanwhile is being delivered again.",
      };
  }
}

function silenceForm(alert: Extract<Plan, { kind: "silence" }>["alert"]): Form {
  const all = overview.peek();
  const scopes: Scope[] = alert ? scopesOf(alert) : all ? scopesOfAll(all) : [];
  return {
    title: "Tell nobody for a while",
    verb: "Silence",
    fields: (
      <>
        <label>
          What
          <select name="scope">
            {scopes.map(({ label }, index) => (
              <option key={label} value={index}>
                {label}
              </option>
            ))}
          </select>
        </label>
        <label>
          For
          <select name="seconds">
            {LENGTHS.map(([words, seconds]) => (
              <option key={seconds} value={seconds} selected={seconds === 2 * HOUR}>
                {words}
              </option>
            ))}
          </select>
        </label>
        <Comment label="Why" required />
      </>
    ),
    carryOut: (said) => {
      const matcher = scopes[Number(said("scope"))]?.matcher ?? {};
      return operator.silence({
        matcher,
        all: Object.keys(matcher).length === 0,
        for_seconds: Number(said("seconds")),
        comment: said("comment"),
        by: said("name"),
      });
    },
    done: "Nobody is told until the silence is over.",
  };
}

function Comment({ label, required = false }: { label: string; required?: boolean }) {
  return (
    <label>
      {label}
      <input name="comment" required={required} maxLength={500} autocomplete="off" />
    </label>
  );
}
