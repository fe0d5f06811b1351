/** What somebody has been, or is being, told about. */
import type { AlertView, DeliveryView } from "../overview";
import { deliveryWords } from "../words";
import { Advice } from "./Advice";
import { Ago } from "./Ago";
import { Cause } from "./Cause";

export function Alerts({ alerts }: { alerts: readonly AlertView[] }) {
  return (
    <section class="alerts" aria-labelledby="alerts">
      <h2 id="alerts" class={alerts.length > 0 ? "" : "unseen"}>
        {alerts.length > 0 ? `Open alerts (${alerts.length})` : "Alerts"}
      </h2>
      {alerts.length === 0 ? (
        <p class="empty quiet">No open alerts</p>
      ) : (
        <div class="alert-cards">
          {alerts.map((alert) => (
            <Alert key={alert.id} alert={alert} />
          ))}
        </div>
      )}
    </section>
  );
}

function Alert({ alert }: { alert: AlertView }) {
  const title = `alert-${alert.id}`;
  return (
    <article class={`alert ${alert.severity}`} aria-labelledby={title}>
      <header>
        <span class="severity">{alert.severity}</span>
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
      {alert.deliveries.length > 0 && (
        <ul class="deliveries" aria-label="Deliveries">
          {alert.deliveries.map((delivery) => (
            <Delivery key={delivery.receiver} delivery={delivery} />
          ))}
        </ul>
      )}
    </article>
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

const SIGNS: Record<DeliveryView["state"], string> = {
  delivered: "✓",
  pending: "↻",
  dead: "✕",
  superseded: "–",
};

function Delivery({ delivery }: { delivery: DeliveryView }) {
  return (
    <li class={delivery.state}>
      <span aria-hidden="true">{SIGNS[delivery.state]}</span> <b>{delivery.receiver}</b>{" "}
      {deliveryWords(delivery)}
      {delivery.state !== "delivered" && delivery.last_error && (
        <span class="error">: {delivery.last_error}</span>
      )}
    </li>
  );
}
