/** What nobody is told of for a while: silences and maintenance windows. */
import { plan } from "../operator";
import type { MaintenanceView, SilenceView } from "../overview";
import { matcherWords } from "../standing";
import { Until } from "./Until";

interface Props {
  silences: readonly SilenceView[];
  maintenance: readonly MaintenanceView[];
}

export function Silences({ silences, maintenance }: Props) {
  return (
    <section class="panel silences" aria-labelledby="silences">
      <div class="panel-head">
        <h2 id="silences">Silences and maintenance</h2>
        <button
          type="button"
          onClick={() => {
            plan.value = { kind: "silence", alert: null };
          }}
        >
          Silence …
        </button>
      </div>
      {silences.length + maintenance.length === 0 && (
        <p class="empty">Nothing is silenced, and no maintenance is planned.</p>
      )}
      <ul>
        {silences.map((silence) => (
          <Silence key={silence.id} silence={silence} />
        ))}
        {maintenance.map((window) => (
          <Window key={window.name} window={window} />
        ))}
      </ul>
    </section>
  );
}

function Silence({ silence }: { silence: SilenceView }) {
  const words = matcherWords(silence.matcher);
  return (
    <li class="open">
      <p>
        <b>{words}</b>
      </p>
      <p class="reason">
        silenced by {silence.by}, <Until at={silence.until} />: {silence.comment}
      </p>
      <button
        type="button"
        aria-label={`End the silence of ${words}`}
        onClick={() => {
          plan.value = { kind: "end", silence };
        }}
      >
        End
      </button>
    </li>
  );
}

function Window({ window }: { window: MaintenanceView }) {
  const { name, matcher, open_until: until, opens_at: next } = window;
  return (
    <li class={until ? "open" : ""}>
      <p>
        <b>{name}</b> {matcherWords(matcher)}
      </p>
      <p class="reason">
        maintenance{" "}
        {until ? <Until at={until} /> : next ? <Until at={next} before="opens " /> : "is over for good"}
      </p>
    </li>
  );
}
