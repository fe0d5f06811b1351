/** One VIP or stand-alone probe: verdict, source, flows, latency, history. */
import { useId, useState } from "preact/hooks";
import type { ProbeView } from "../overview";
import { isProblem } from "../order";
import { alertedProbes } from "../view";
import { findingWords, latency, pendingWords, stateWord } from "../words";
import { Advice } from "./Advice";
import { Ago } from "./Ago";
import { History } from "./History";
import { Mark } from "./Mark";
import { SourcePath } from "./SourcePath";

export function ProbeRow({ probe, label }: { probe: ProbeView; label: string }) {
  const [isOpen, setOpen] = useState(false);
  const details = useId();
  const { last, pending } = probe;
  const isLoud = isProblem(probe) || Boolean(pending);
  return (
    <div class={`probe ${probe.state}`}>
      <div class="probe-line">
        <div class="target">
          <code>{label}</code>
          <span class={`finding ${last?.state ?? probe.state}`}>
            <Mark state={last?.state ?? probe.state} />
            <span class="unseen">{stateWord(probe.state)}: </span>
            {last ? findingWords(last.finding) : "waiting"}
          </span>
        </div>
        <SourcePath round={last} />
        <div class="measure flows">
          {last ? (
            <>
              <b class={last.flows_ok < last.flows ? "short" : ""}>
                {last.flows_ok}/{last.flows}
              </b>{" "}
              <span class="unit">flows</span>
            </>
          ) : (
            "–"
          )}
        </div>
        <div class="measure latency">{latency(last?.latency_ms)}</div>
        <History ticks={probe.history} />
        <button
          type="button"
          class="more"
          aria-expanded={isOpen}
          aria-controls={details}
          aria-label={`Details of ${label}`}
          onClick={() => setOpen(!isOpen)}
        >
          <svg viewBox="0 0 16 16" aria-hidden="true">
            <path d="m4 6 4 4 4-4" />
          </svg>
        </button>
      </div>
      {pending && (
        <p class={`hysteresis ${pending.state}`}>
          <Mark state={pending.state} />
          {pendingWords(pending)}
        </p>
      )}
      {isLoud && last && <p class="reason">{last.reason}</p>}
      {isLoud && last?.remedy && !alertedProbes.value.has(probe.name) && (
        <Advice text={last.remedy} />
      )}
      <div id={details} class="details" hidden={!isOpen}>
        {isOpen && <Details probe={probe} isLoud={isLoud} />}
      </div>
    </div>
  );
}

function Details({ probe, isLoud }: { probe: ProbeView; isLoud: boolean }) {
  const { last, since } = probe;
  return (
    <dl>
      {last && !isLoud && <Detail term="Why">{last.reason}</Detail>}
      {last?.remedy && (
        <Detail term="Remedy">
          <Advice text={last.remedy} />
        </Detail>
      )}
      <Detail term="State">
        {stateWord(probe.state)}
        {since && <Ago at={since} before=" for " />}
      </Detail>
      <Detail term="Last round">{last ? <Ago at={last.at} after=" ago" /> : "none yet"}</Detail>
      {last && last.responders.length > 0 && (
        <Detail term="Answered by">{last.responders.join(", ")}</Detail>
      )}
      <Detail term="Probe">
        <code>{probe.name}</code>
      </Detail>
    </dl>
  );
}

function Detail({ term, children }: { term: string; children: preact.ComponentChildren }) {
  return (
    <div>
      <dt>{term}</dt>
      <dd>{children}</dd>
    </div>
  );
}
