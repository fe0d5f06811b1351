/** The pieces of a remedy: words, names to read, and commands to copy. */
export type Piece =
  | { kind: "words"; text: string }
  | { kind: "name"; text: string }
  | { kind: "command"; text: string };

/** What stands between backticks is a command if it has at least three words and sets nothing. */
const COMMAND = /^[\w./-]+ (?!=)\S+ \S/;

/**
 * Paragraphs of words and names, with each command on a line of its own: the
 * punctuation that tied it to its sentence is dropped.
 */
export function paragraphs(remedy: string): Piece[][] {
  const all: Piece[][] = [];
  let open: Piece[] = [];
  const close = () => {
    if (open.length > 0) all.push(open);
    open = [];
  };
  remedy.split("`").forEach((text, index) => {
    if (index % 2 === 0) {
      const words = open.length === 0 ? text.replace(/^[.,;:]?\s+|^[.,;:]$/, "") : text;
      if (words) open.push({ kind: "words", text: words });
    } else if (COMMAND.test(text)) {
      close();
      all.push([{ kind: "command", text }]);
    } else {
      open.push({ kind: "name", text });
    }
  });
  close();
  return all;
}
