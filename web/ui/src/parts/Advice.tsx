/** A remedy: words, and the commands in it ready to be copied. */
import { useRef, useState } from "preact/hooks";
import { paragraphs } from "../advice";

export function Advice({ text }: { text: string }) {
  return (
    <div class="advice">
      {paragraphs(text).map((pieces, index) =>
        pieces[0]?.kind === "command" ? (
          <Command key={index} text={pieces[0].text} />
        ) : (
          <p key={index}>
            {pieces.map((piece) =>
              piece.kind === "name" ? <code key={piece.text}>{piece.text}</code> : piece.text,
            )}
          </p>
        ),
      )}
    </div>
  );
}

const SHOWN_MS = 2_000;

function Command({ text }: { text: string }) {
  const code = useRef<HTMLElement>(null);
  const [isCopied, setCopied] = useState(false);
  const copy = async () => {
    if (!(await copyText(text, code.current))) return;
    setCopied(true);
    setTimeout(() => setCopied(false), SHOWN_MS);
  };
  return (
    <span class="command">
      <code ref={code}>{text}</code>
      <button type="button" onClick={() => void copy()} aria-label={`Copy command: ${text}`}>
        {isCopied ? "Copied" : "Copy"}
      </button>
      <span class="unseen" role="status">
        {isCopied ? "Copied" : ""}
      </span>
    </span>
  );
}

/** The clipboard needs HTTPS or localhost; elsewhere the text is selected first. */
async function copyText(text: string, shown: HTMLElement | null): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const selection = getSelection();
    if (!shown || !selection) return false;
    selection.selectAllChildren(shown);
    return document.execCommand("copy");
  }
}
