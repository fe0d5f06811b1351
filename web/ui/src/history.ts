/** The geometry of a probe's recent past: a latency line above a strip of states. */
import type { State, Tick } from "./overview";
import { STATES, latency } from "./words";

const SLOTS = 60;
const SLOT = 4;
const BAR = 3;

export const WIDTH = SLOTS * SLOT;
export const HEIGHT = 36;

const LINE_TOP = 2;
const LINE_BOTTOM = 21;
const STRIP_BOTTOM = 36;
/** Trouble stands out by height as well as by colour. */
const FINE_TOP = 29;
const TROUBLE_TOP = 24;

export interface Drawing {
  /** One SVG path for each state that occurs. */
  bars: { state: State; path: string }[];
  line: string;
  area: string;
  /** The same in words. */
  label: string;
}

export function draw(history: readonly Tick[]): Drawing {
  const ticks = history.slice(-SLOTS);
  const first = SLOTS - ticks.length;
  const bars = STATES.flatMap((state) => {
    const path = ticks
      .map((tick, index) => (tick.state === state ? bar(first + index, state) : ""))
      .join("");
    return path ? [{ state, path }] : [];
  });
  return { bars, ...lines(ticks, first), label: describe(ticks) };
}

function bar(slot: number, state: State): string {
  const top = state === "up" ? FINE_TOP : TROUBLE_TOP;
  return `M${slot * SLOT} ${top}h${BAR}V${STRIP_BOTTOM}h-${BAR}z`;
}

/** From zero, so that noise looks like noise; gaps where nothing answered. */
function lines(ticks: readonly Tick[], first: number): { line: string; area: string } {
  const highest = Math.max(0, ...ticks.map((tick) => tick.latency_ms ?? 0));
  const scale = highest > 0 ? (LINE_BOTTOM - LINE_TOP) / highest : 0;
  let line = "";
  let area = "";
  let run: string[] = [];
  let start = 0;
  const close = (end: number) => {
    if (run.length > 0) {
      line += `M${run.join("L")}`;
      area += `M${start} ${LINE_BOTTOM}L${run.join("L")}L${end} ${LINE_BOTTOM}z`;
    }
    run = [];
  };
  ticks.forEach((tick, index) => {
    const x = (first + index) * SLOT + BAR / 2;
    if (tick.latency_ms === null || tick.latency_ms === undefined) {
      close(x - SLOT);
      return;
    }
    if (run.length === 0) start = x;
    run.push(`${x} ${(LINE_BOTTOM - tick.latency_ms * scale).toFixed(1)}`);
  });
  close(WIDTH - SLOT + BAR / 2);
  return { line, area };
}

function describe(ticks: readonly Tick[]): string {
  if (ticks.length === 0) return "No rounds yet";
  const counts = STATES.flatMap((state) => {
    const n = ticks.filter((tick) => tick.state === state).length;
    return n > 0 ? [`${n} ${state}`] : [];
  });
  const measured = ticks.flatMap((tick) => tick.latency_ms ?? []);
  const range =
    measured.length > 0
      ? `; latency ${latency(Math.min(...measured))} to ${latency(Math.max(...measured))}`
      : "";
  return `Last ${ticks.length} rounds: ${counts.join(", ")}${range}`;
}
