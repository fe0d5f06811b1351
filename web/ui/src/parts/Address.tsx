/** Addresses and the like may break after colons and slashes: long ones of IPv6 stay readable. */
export function Address({ text }: { text: string }) {
  return (
    <code>
      <Breakable text={text} />
    </code>
  );
}

/** Before a port or the length of a prefix there is no break. */
const BREAK = /(?<=[:/])(?![:/]|\d{1,5}$)/;

export function Breakable({ text }: { text: string }) {
  return <>{text.split(BREAK).flatMap((piece, index) => (index > 0 ? [<wbr key={index} />, piece] : piece))}</>;
}
