/** Who is speaking, and whether it still speaks. */
import type { Connection } from "../live";
import { nextTheme, theme } from "../theme";
import { connection, overview } from "../view";
import { Ago } from "./Ago";

const WORDS: Record<Connection, string> = {
  connecting: "Connecting",
  live: "Live",
  polling: "Polling",
  reconnecting: "Reconnecting",
  lost: "Connection lost",
};

export function Header() {
  const data = overview.value;
  return (
    <header class="top">
      <p class="name">
        <svg viewBox="0 0 20 20" aria-hidden="true">
          <circle cx="10" cy="10" r="8.2" />
          <circle class="pupil" cx="10" cy="10" r="3.4" />
        </svg>
        vipwatch
      </p>
      {data && (
        <p class="vantage">
          <span class="seen-from">seen from</span> <b>{data.vantage}</b>
        </p>
      )}
      <p class={`connection ${connection.value}`}>
        <span class="dot" aria-hidden="true" />
        <b role="status">{WORDS[connection.value]}</b>
        {data && <Ago at={data.at} before="updated " after=" ago" />}
      </p>
      <button type="button" class="theme" onClick={nextTheme} title="Light, dark or the system's">
        <svg viewBox="0 0 16 16" aria-hidden="true">
          <circle cx="8" cy="8" r="6.2" />
          <path d="M8 1.8a6.2 6.2 0 0 1 0 12.4z" />
        </svg>
        <span class="unseen">Theme: </span>
        {theme.value}
      </button>
    </header>
  );
}
