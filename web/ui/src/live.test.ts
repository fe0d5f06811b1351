import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { type Connection, STALE_MS, follow, retryDelayMs } from "./live";
import { overview, service } from "./sample";

class FakeSource extends EventTarget {
  static readonly OPEN = 1;
  static opened: FakeSource[] = [];
  readyState = 1;

  constructor(readonly url: string) {
    super();
    FakeSource.opened.push(this);
  }

  close() {
    this.readyState = 2;
  }

  send(name: string, data: unknown) {
    this.dispatchEvent(new MessageEvent(name, { data: JSON.stringify(data) }));
  }
}

const data = overview([service("ns/a")]);
let received: unknown[];
let connections: Connection[];
let stop: () => void;

beforeEach(() => {
  vi.useFakeTimers();
  FakeSource.opened = [];
  received = [];
  connections = [];
  vi.stubGlobal("EventSource", FakeSource);
  vi.stubGlobal("fetch", vi.fn().mockRejectedValue(new Error("refused")));
  stop = follow({
    overview: (next) => received.push(next),
    connection: (next) => connections.push(next),
  });
});

afterEach(() => {
  stop();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const source = (index: number) => {
  const opened = FakeSource.opened[index];
  if (!opened) throw new Error(`no stream number ${index} was opened`);
  return opened;
};

it("passes overviews on and is live", () => {
  source(0).send("overview", data);
  expect(received).toEqual([data]);
  expect(connections.at(-1)).toBe("live");
});

it("opens the stream anew after it broke, later each time", async () => {
  source(0).dispatchEvent(new Event("error"));
  expect(connections.at(-1)).toBe("reconnecting");
  await vi.advanceTimersByTimeAsync(1_000);
  source(1).dispatchEvent(new Event("error"));
  await vi.advanceTimersByTimeAsync(999);
  expect(FakeSource.opened).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(1_001);
  source(2).send("overview", data);
  expect(connections.at(-1)).toBe("live");
  expect([0, 1, 2, 3, 9].map((attempt) => retryDelayMs(attempt, 1))).toEqual([
    1_000, 2_000, 4_000, 8_000, 8_000,
  ]);
});

it("polls where only the stream is refused", async () => {
  vi.mocked(fetch).mockImplementation(() => Promise.resolve(Response.json(data)));
  source(0).dispatchEvent(new Event("error"));
  await vi.advanceTimersByTimeAsync(0);
  expect(received).toEqual([data]);
  expect(connections.at(-1)).toBe("polling");
});

it("calls silence a loss, and a sign of life the end of it", async () => {
  source(0).send("overview", data);
  source(0).send("alive", "ok");
  await vi.advanceTimersByTimeAsync(STALE_MS);
  expect(connections.at(-1)).toBe("live");
  await vi.advanceTimersByTimeAsync(1_000);
  expect(connections.at(-1)).toBe("lost");
  expect(source(0).readyState).toBe(2);
  await vi.advanceTimersByTimeAsync(1_000);
  source(1).send("alive", "ok");
  expect(connections.at(-1)).toBe("live");
});

it("leaves nothing behind when it is stopped", async () => {
  stop();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(FakeSource.opened).toHaveLength(1);
  expect(source(0).readyState).toBe(2);
});
