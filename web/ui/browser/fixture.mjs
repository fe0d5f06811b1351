/** The server under test: `web/examples/fixture`, told which scene to show. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { createInterface } from "node:readline";

const WORKSPACE = fileURLToPath(new URL("../../..", import.meta.url));

export async function serve(scene) {
  const server = spawn(
    "cargo",
    ["run", "--quiet", "-p", "vipwatch-web", "--example", "fixture", "--", scene],
    { cwd: WORKSPACE, stdio: ["pipe", "pipe", "inherit"] },
  );
  const ended = once(server, "exit");
  const lines = createInterface({ input: server.stdout });
  const url = await Promise.race([
    once(lines, "line").then(([line]) => line),
    ended.then(([code]) => Promise.reject(new Error(`the fixture ended with ${code}`))),
  ]);
  return {
    url,
    show: (next) => server.stdin.write(`${next}\n`),
    /** Falls silent, with every connection left open. */
    hang: () => server.kill("SIGSTOP"),
    goOn: () => server.kill("SIGCONT"),
    async close() {
      server.kill("SIGCONT");
      server.stdin.end();
      await ended;
    },
  };
}
