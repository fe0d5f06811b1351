/** What most likely lies behind a finding. */
export function Cause({ text }: { text: string }) {
  return (
    <p class="cause">
      <b>Likely cause</b> {text}
    </p>
  );
}
