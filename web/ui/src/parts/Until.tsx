/** Until when, and how long that is; the exact moment as a tooltip. */
import { now } from "../clock";
import { exact, moment, remaining } from "../time";

export function Until({ at, before = "until " }: { at: string; before?: string }) {
  return (
    <time dateTime={at} title={exact(at)}>
      {before}
      {moment(at, now.value)}, in {remaining(Date.parse(at) - now.value)}
    </time>
  );
}
