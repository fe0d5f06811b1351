/** The last rounds of a probe at a glance. */
import { useMemo } from "preact/hooks";
import { HEIGHT, WIDTH, draw } from "../history";
import type { Tick } from "../overview";

export function History({ ticks }: { ticks: readonly Tick[] }) {
  const drawing = useMemo(() => draw(ticks), [ticks]);
  if (ticks.length === 0) return <span class="history none">no rounds yet</span>;
  return (
    <svg
      class="history"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={drawing.label}
    >
      <title>{drawing.label}</title>
      <path class="area" d={drawing.area} />
      <path class="line" d={drawing.line} />
      {drawing.bars.map(({ state, path }) => (
        <path key={state} class={`bars ${state}`} d={path} />
      ))}
    </svg>
  );
}
