/** One VIP or stand-alone probe: verdict, source, flows, latency, history. */
import { useId, useState } from "preact/hooks";
import type { ProbeView, RoundView } from "../overview";
import { isProblem } from "../order";
import { alertedProbes } from "../view";
import { findingWords, latency, pendingWords, stateWord } from "../words";
import { Address } from "./Address";
import { Advice } from "./Advice";
import { Cause } from "./Cause";
import { Details } from "./Details";
import { History } from "./History";
import { Mark } from "./Mark";
import { Noted } from "./Notes";
import { SourcePath } from "./SourcePath";

export function ProbeRow({ probe, label }: { probe: ProbeView; label: string }) {
  const [isOpen, setOpen] = useState(false);
  const details = useId();
  const { last, pending } = probe;
  const isLoud = isProblem(probe) || Boolean(pending);
  const isTold = alertedProbes.value.has(probe.name);
  return (
    <div class={`probe ${probe.state}`}>
      <div class="probe-line">
        <div class="target">
          <Address text={label} />
          <span class={`finding ${last?.state ?? probe.state}`} title={last?.finding}>
            <Mark state={last?.state ?? probe.state} />
            <span class="unseen">{stateWord(probe.state)}: </span>
            {last ? findingWords(last.finding) : "waiting"}
          </span>
          {last && <Noted notes={last.notes} />}
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
      {!isOpen && isLoud && last && <Story round={last} isTold={isTold} />}
      <div id={details} class="details" hidden={!isOpen}>
        {isOpen && <Details probe={probe} />}
      </div>
    </div>
  );
}

/** What a closed row says of trouble; an alert has told the rest. */
function Story({ round, isTold }: { round: RoundView; isTold: boolean }) {
  return (
    <>
      <p class="reason">{round.reason}</p>
      {!isTold && round.cause && <Cause text={round.cause} />}
      {!isTold && round.remedy && <Advice text={round.remedy} />}
    </>
  );
}
