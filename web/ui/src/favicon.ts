/** A tab icon that tells the state by shape and colour. */
import type { State } from "./overview";

const SHAPES: Record<State, readonly [colour: string, shape: string]> = {
  up: ["#1f9d5c", "<circle cx='8' cy='8' r='7'/>"],
  degraded: ["#c98a00", "<path d='M8 1 15.5 14.5H.5z'/>"],
  translated: ["#8b46e8", "<path d='M8 .5 15.5 8 8 15.5.5 8z'/>"],
  idle: ["#7d8794", "<circle cx='8' cy='8' r='7'/>"],
  down: ["#dc2f37", "<path d='M1 1h14v14H1z'/>"],
  unknown: ["#7d8794", "<circle cx='8' cy='8' r='5.5' fill='none' stroke='#7d8794' stroke-width='3'/>"],
};

export function faviconUrl(state: State): string {
  const [colour, shape] = SHAPES[state];
  const svg = `<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16' fill='${colour}'>${shape}</svg>`;
  return `data:image/svg+xml,${encodeURIComponent(svg)}`;
}
