import { afterEach, beforeEach, expect, it, vi } from "vitest";
import * as operator from "./operator";

const answers: (Response | Error)[] = [];
const asked: Request[] = [];

const json = (status: number, body: unknown) => new Response(JSON.stringify(body), { status });
const problem = (status: number, detail: string) => json(status, { status, title: "", detail });

beforeEach(() => {
  sessionStorage.clear();
  localStorage.clear();
  answers.length = 0;
  asked.length = 0;
  vi.stubGlobal("fetch", (path: string, init: RequestInit) => {
    asked.push(new Request(new URL(path, "http://127.0.0.1/"), init));
    const answer = answers.shift() ?? new Error("nobody answers");
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  });
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

it("sends a change as JSON, and with the token that was entered", async () => {
  answers.push(json(200, {}), json(200, {}));
  expect(await operator.acknowledge("a/1", "kim", "on it")).toBeNull();
  operator.rememberToken("open sesame");
  expect(await operator.endSilence("s 1", "Zoë")).toBeNull();
  const [first, second] = asked;
  expect(first?.url).toBe("http://127.0.0.1/api/v1/alerts/a%2F1/acknowledgement");
  expect(first?.headers.get("content-type")).toBe("application/json");
  expect(first?.headers.has("authorization")).toBe(false);
  expect(await first?.json()).toEqual({ by: "kim", comment: "on it" });
  expect(second?.method).toBe("DELETE");
  expect(second?.url).toBe("http://127.0.0.1/api/v1/silences/s%201?by=Zo%C3%AB");
  expect(second?.headers.get("authorization")).toBe("Bearer open sesame");
});

it("gives the agent's reason, and whether a token would help", async () => {
  answers.push(problem(401, "changes need the token"), problem(403, "go to localhost"));
  const retry = () => operator.retry("ops", "kim");
  expect(await retry()).toEqual({ text: "Changes need the token.", wantsToken: true });
  expect(await retry()).toEqual({ text: "Go to localhost.", wantsToken: false });
  answers.push(new Response("<html>", { status: 502 }));
  expect(await retry()).toEqual({ text: "The agent answered 502.", wantsToken: false });
  expect((await retry())?.text).toContain("did not answer");
});

it("says why what was done is not stored, until the next thing is", async () => {
  answers.push(json(200, { id: "s", not_stored: "no room" }), json(200, { id: "s", not_stored: null }));
  expect(await operator.endSilence("s", "kim")).toBeNull();
  expect(operator.notStored.value).toBe("no room");
  expect(await operator.endSilence("s", "kim")).toBeNull();
  expect(operator.notStored.value).toBe("");
});

it("lists what was given up for one receiver", async () => {
  answers.push(json(200, [{ id: "7" }]), problem(503, "not now"));
  expect(await operator.deadLetters("a&b")).toEqual([{ id: "7" }]);
  expect(asked[0]?.url).toContain("/deliveries?receiver=a%26b&state=dead");
  expect(await operator.deadLetters("ops")).toEqual({ text: "Not now.", wantsToken: false });
});

it("remembers the reader's name for good and the token for the tab", () => {
  expect(operator.name()).toBe("");
  operator.rememberName("kim");
  operator.rememberToken("secret");
  expect(operator.name()).toBe("kim");
  expect([...Array(localStorage.length).keys()].map((i) => localStorage.key(i))).toEqual(["vipwatch-name"]);
});

it("knows name and token until the page is left where storage is blocked", async () => {
  for (const storage of ["localStorage", "sessionStorage"] as const) {
    vi.spyOn(window, storage, "get").mockImplementation(() => {
      throw new DOMException("blocked", "SecurityError");
    });
  }
  expect(() => localStorage).toThrow("blocked");
  operator.rememberName("robin");
  operator.rememberToken("sesame");
  expect(operator.name()).toBe("robin");
  answers.push(json(200, {}));
  expect(await operator.acknowledge("a", "robin", "")).toBeNull();
  expect(asked[0]?.headers.get("authorization")).toBe("Bearer sesame");
});
