/** Which nodes and services the matrix has, and how the arrow keys walk it. */
import type { ServiceView } from "./overview";

export interface Grid {
  nodes: string[];
  services: ServiceView[];
}

/** Services in the order given; nodes by name, node-2 before node-10. */
export function grid(services: readonly ServiceView[]): Grid {
  const asked = services.filter((service) => service.nodes.length > 0);
  const names = new Set(asked.flatMap((service) => service.nodes.map((node) => node.node)));
  const byName = new Intl.Collator("en", { numeric: true }).compare;
  return { nodes: [...names].sort(byName), services: asked };
}

type Position = readonly [row: number, column: number];

/** Where a key leads, or `null` for a key that does not move. */
export function move(
  [row, column]: Position,
  key: string,
  rows: number,
  columns: number,
): Position | null {
  const to = {
    ArrowUp: [row - 1, column],
    ArrowDown: [row + 1, column],
    ArrowLeft: [row, column - 1],
    ArrowRight: [row, column + 1],
    Home: [row, 0],
    End: [row, columns - 1],
  }[key];
  if (!to) return null;
  const [toRow = 0, toColumn = 0] = to;
  return [clamp(toRow, rows), clamp(toColumn, columns)];
}

function clamp(index: number, length: number): number {
  return Math.min(Math.max(index, 0), length - 1);
}
