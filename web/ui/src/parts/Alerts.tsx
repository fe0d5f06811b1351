/** What somebody has been, or is being, told about; and what they do about it. */
import { done, plan } from "../operator";
import type { AlertView } from "../overview";
import { type Branch, branches } from "../standing";
import { alertWords } from "../words";
import { Advice } from "./Advice";
import { Ago } from "./Ago";
import { Cause } from "./Cause";
import { Standing } from "./Standing";

export function Alerts({ alerts }: { alerts: readonly AlertView[] }) {
  return (
    <section class="alerts" aria-labelledby="alerts">
      <h2 id="alerts" class={alerts.length > 0 ? "" : "unseen"}>
        {alerts.length > 0 ? `Open alerts (${alerts.length})` : "Alerts"}
      </h2>
      <p class="unseen" role="status">
        {done.value}
      </p>
      {alerts.length === 0 ? (
        <p class="empty quiet">No open alerts</p>
      ) : (
        <div class="alert-cards">
          {branches(alerts).map((branch) => (
            <Alert key={branch.alert.id} branch={branch} />
          ))}
        </div>
      )}
    </section>
  );
}

function Alert({ branch: { alert, consequences } }: { branch: Branch }) {
  const title = `alert-${alert.id}`;
  return (
    <article class={`alert ${alert.severity}`} aria-labelledby={title}>
      <header>
        <Kind alert={alert} />
        <h3 id={title}>{alert.title}</h3>
        <Ago at={alert.opened_at} before="open for " />
      </header>
      <p class="reason">{alert.reason}</p>
      <dl class="comparison">
        <Addresses term="Expected" values={alert.expected} />
        <Addresses term="Observed" values={alert.observed} />
        <div>
          <dt>Where</dt>
          <dd>
            <code>{alert.target}</code>
            {alert.node && <> on {alert.node}</>}
          </dd>
        </div>
      </dl>
      {alert.cause && <Cause text={alert.cause} />}
      {alert.remedy && <Advice text={alert.remedy} />}
      {consequences.length > 0 && <Consequences alerts={consequences} />}
      <div class="foot">
        <Standing alert={alert} />
        <Actions alert={alert} />
      </div>
    </article>
  );
}

/** What the alert above explains: its own story is told there. */
function Consequences({ alerts }: { alerts: readonly AlertView[] }) {
  return (
    <ul class="consequences" aria-label="What follows from it">
      {alerts.map((alert) => (
        <li key={alert.id} class={alert.severity}>
          <Kind alert={alert} />
          <p class="title">
            <b>{alert.title}</b> <Ago at={alert.opened_at} before="open for " />
          </p>
          <Standing alert={alert} />
          <Actions alert={alert} />
        </li>
      ))}
    </ul>
  );
}

function Kind({ alert }: { alert: AlertView }) {
  return (
    <span class="severity">
      {alert.severity}: {alertWords(alert.kind)}
    </span>
  );
}

function Actions({ alert }: { alert: AlertView }) {
  const verb = alert.acknowledgement ? "Take over" : "Acknowledge";
  return (
    <p class="actions">
      <button
        type="button"
        aria-label={`${verb}: ${alert.title}`}
        onClick={() => {
          plan.value = { kind: "acknowledge", alert };
        }}
      >
        {verb}
      </button>
      <button
        type="button"
        aria-label={`Silence: ${alert.title}`}
        onClick={() => {
          plan.value = { kind: "silence", alert };
        }}
      >
        Silence
      </button>
    </p>
  );
}

function Addresses({ term, values }: { term: string; values: readonly string[] }) {
  if (values.length === 0) return null;
  return (
    <div class={term.toLowerCase()}>
      <dt>{term}</dt>
      <dd>
        {values.map((value) => (
          <code key={value}>{value}</code>
        ))}
      </dd>
    </div>
  );
}
