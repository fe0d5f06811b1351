/** Who knows of an alert, who has taken it on, or why nobody was told. */
import type { AlertView, DeliveryView } from "../overview";
import { deliveryWords } from "../words";
import { Ago } from "./Ago";
import { Until } from "./Until";

export function Standing({ alert }: { alert: AlertView }) {
  const { acknowledgement: taken, held, told_at: toldAt, told_to: toldTo, deliveries } = alert;
  const lacks = ({ event, state }: DeliveryView) => event === "opened" && state !== "delivered";
  const lacking = deliveries.filter(lacks).map(({ receiver }) => receiver);
  const know = toldTo.filter((receiver) => !lacking.includes(receiver));
  return (
    <div class="standing-of">
      {taken && (
        <p class="taken">
          <b>{taken.by}</b> has taken it on
          <Ago at={taken.at} before=", " after=" ago" />
          {taken.comment && `: ${taken.comment}`}
        </p>
      )}
      {held && (
        <p class="held">
          <b>{toldAt ? "No reminders" : "Nobody was told"}</b>: {held.why}
          {held.until && (
            <>
              , <Until at={held.until} />
            </>
          )}
        </p>
      )}
      {!held && !toldAt && <p class="held">About to be told</p>}
      {toldAt && (know.length > 0 || toldTo.length === 0) && (
        <p class="told">
          <Ago
            at={toldAt}
            before={know.length > 0 ? `Told to ${know.join(", ")} ` : "Meant for nobody by its route, "}
            after=" ago"
          />
        </p>
      )}
      {deliveries.length > 0 && (
        <ul class="deliveries" aria-label="Deliveries">
          {deliveries.map((delivery) => (
            <Delivery key={delivery.receiver} delivery={delivery} />
          ))}
        </ul>
      )}
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
      {delivery.last_error && <span class="error">: {delivery.last_error}</span>}
    </li>
  );
}
