/** What is worth knowing beside a finding: none of it is a fault. */
import type { Note } from "../overview";
import { count, noteWords } from "../words";

export function Notes({ notes }: { notes: readonly Note[] }) {
  if (notes.length === 0) return null;
  return (
    <ul class="notes" aria-label="Notes">
      {notes.map((note) => (
        <li key={note.kind}>
          <Sign />
          <p>
            <b>{noteWords(note.kind)}</b> {note.text}
          </p>
        </li>
      ))}
    </ul>
  );
}

/** That there are notes, for a row that is closed. */
export function Noted({ notes }: { notes: readonly Note[] }) {
  const [first] = notes;
  if (!first) return null;
  return (
    <span class="noted" title={notes.map((note) => note.text).join("\n")}>
      <Sign />
      {notes.length === 1 ? noteWords(first.kind) : count(notes.length, "note")}
    </span>
  );
}

function Sign() {
  return (
    <svg viewBox="0 0 16 16" aria-hidden="true">
      <circle cx="8" cy="8" r="6.4" />
      <path d="M8 7.4v3.8M8 4.8V5" />
    </svg>
  );
}
