/** What is wrong with the agent itself, or with the way to it. */
import type { ComponentChildren } from "preact";
import { notStored } from "../operator";
import type { AgentView } from "../overview";
import { exact } from "../time";
import { isLost, overview } from "../view";
import { count, grouped } from "../words";
import { Ago } from "./Ago";

export function Banners() {
  const data = overview.value;
  return (
    <div class="banners">
      {isLost.value && (
        <Banner tone="bad" title="No connection to the agent">
          {data ? (
            <>
              What you see is from {exact(data.at)}, <Ago at={data.at} after=" ago" />.
            </>
          ) : (
            "Nothing has been received yet."
          )}
        </Banner>
      )}
      {notStored.value && (
        <Banner tone="warn" title="What you did last holds, but was not stored at once">
          A restart of the agent before it is stored would undo it. The reason was: {notStored.value}.
        </Banner>
      )}
      {data && <AgentBanners agent={data.agent} />}
    </div>
  );
}

function AgentBanners({ agent }: { agent: AgentView }) {
  const { config, connectivity, store, notices } = agent;
  return (
    <>
      {connectivity.blind && (
        <Banner tone="bad" title="The agent cannot see">
          Whatever has been silent for <Ago at={connectivity.since} /> counts as unknown: the agent’s
          own network is at fault.
        </Banner>
      )}
      {!store.ok && (
        <Banner tone="bad" title="The store fails">
          {store.error ?? "unknown error"}. Probing goes on; {count(store.buffered, "result")} held
          in memory, {grouped(store.lost)} lost.
        </Banner>
      )}
      {store.ok && store.lost > 0 && (
        <Banner tone="warn" title="History has a gap">
          {count(store.lost, "result")} lost while the store failed.
        </Banner>
      )}
      {config.error && (
        <Banner tone="warn" title="The changed configuration was refused">
          <code>{config.error}</code>. The one loaded <Ago at={config.loaded_at} after=" ago" />{" "}
          stays in force.
        </Banner>
      )}
      {notices.map((notice) => (
        <Banner key={notice} tone="warn" title="Notice">
          {notice}
        </Banner>
      ))}
    </>
  );
}

interface Props {
  tone: "bad" | "warn";
  title: string;
  children: ComponentChildren;
}

function Banner({ tone, title, children }: Props) {
  return (
    <div class={`banner ${tone}`}>
      <svg viewBox="0 0 16 16" aria-hidden="true">
        <path d="M8 1.4 15.2 14H.8zM8 6v4M8 11.9v.2" />
      </svg>
      <p>
        <b role="status">{title}.</b> {children}
      </p>
    </div>
  );
}
