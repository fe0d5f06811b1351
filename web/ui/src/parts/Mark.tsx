/** A state's sign: its shape says as much as its colour. */
import type { ComponentChildren } from "preact";
import type { State } from "../overview";
import { stateWord } from "../words";

const SHAPES: Record<State, ComponentChildren> = {
  up: (
    <>
      <circle class="body" cx="8" cy="8" r="7" />
      <path class="sign" d="m4.8 8.3 2.2 2.2 4.2-4.8" />
    </>
  ),
  degraded: (
    <>
      <path class="body" d="M8 1.4 15.2 14H.8z" />
      <path class="sign" d="M8 6.2v3.4M8 11.7v.3" />
    </>
  ),
  translated: (
    <>
      <path class="body" d="m8 .6 7.4 7.4L8 15.4.6 8z" />
      <path class="sign" d="M4.9 6.7h6L9.3 5.1M11.1 9.3h-6l1.6 1.6" />
    </>
  ),
  idle: (
    <>
      <circle class="hollow" cx="8" cy="8" r="6.4" />
      <path class="sign" d="M5.2 8h5.6" />
    </>
  ),
  down: (
    <>
      <rect class="body" x="1" y="1" width="14" height="14" rx="2.5" />
      <path class="sign" d="m5.2 5.2 5.6 5.6m0-5.6-5.6 5.6" />
    </>
  ),
  unknown: (
    <>
      <circle class="hollow" cx="8" cy="8" r="6.4" />
      <path class="sign" d="M6.1 6.4a1.9 1.9 0 1 1 2.7 1.9c-.6.3-.8.6-.8 1.1M8 11.6v.2" />
    </>
  ),
};

/** Decoration: the word for it always stands beside it. */
export function Mark({ state }: { state: State }) {
  return (
    <svg class={`mark ${state}`} viewBox="0 0 16 16" aria-hidden="true">
      {SHAPES[state]}
    </svg>
  );
}

export function StateWord({ state }: { state: State }) {
  return (
    <span class={`state-word ${state}`}>
      <Mark state={state} />
      {stateWord(state)}
    </span>
  );
}
