/** Narrows the page down. "/" leads here, Escape clears it. */
import { useEffect, useRef } from "preact/hooks";
import { filter } from "../view";

export function FilterBar() {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      const isTyping = event.target instanceof HTMLInputElement && event.target.type === "search";
      if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      input.current?.focus();
      input.current?.select();
    };
    document.addEventListener("keydown", onKeyDown);
    return () => document.removeEventListener("keydown", onKeyDown);
  }, []);
  return (
    <form class="filter" role="search" onSubmit={(event) => event.preventDefault()}>
      <label class="text">
        <span class="unseen">Filter services, VIPs and nodes</span>
        <input
          ref={input}
          type="search"
          placeholder="Filter services, VIPs, nodes, addresses"
          autocomplete="off"
          spellcheck={false}
          value={filter.value.text}
          onInput={(event) => {
            filter.value = { ...filter.value, text: event.currentTarget.value };
          }}
          onKeyDown={(event) => {
            if (event.key !== "Escape") return;
            if (filter.value.text === "") event.currentTarget.blur();
            filter.value = { ...filter.value, text: "" };
          }}
        />
        <kbd aria-hidden="true">/</kbd>
      </label>
      <label class="toggle">
        <input
          type="checkbox"
          checked={filter.value.onlyProblems}
          onChange={(event) => {
            filter.value = { ...filter.value, onlyProblems: event.currentTarget.checked };
          }}
        />
        Only problems
      </label>
    </form>
  );
}
