/** How long ago, moving with the clock; the exact moment as a tooltip. */
import { now } from "../clock";
import { exact, span } from "../time";

interface Props {
  at: string;
  before?: string;
  after?: string;
}

export function Ago({ at, before = "", after = "" }: Props) {
  return (
    <time dateTime={at} title={exact(at)}>
      {before}
      {span(now.value - Date.parse(at))}
      {after}
    </time>
  );
}
