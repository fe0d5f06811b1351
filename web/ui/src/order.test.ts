import { describe, expect, it } from "vitest";
import { filterServices, sortServices } from "./order";
import { service } from "./sample";

const names = (services: { name: string }[]) => services.map((one) => one.name);

describe("sortServices", () => {
  it("puts the worst first, then what is about to change, then names in order", () => {
    const pending = service("ns/z");
    pending.vips = pending.vips.map((vip) => ({
      ...vip,
      pending: { state: "down" as const, rounds: 1, of: 2 },
    }));
    const sorted = sortServices([
      service("ns/b"),
      service("ns/a"),
      pending,
      service("ns/u", "unknown"),
      service("ns/t", "translated"),
      service("ns/d", "down"),
    ]);
    expect(names(sorted)).toEqual(["ns/d", "ns/t", "ns/u", "ns/z", "ns/a", "ns/b"]);
  });
});

describe("filterServices", () => {
  const services = [service("shop/checkout"), service("ingress/traefik", "translated")];
  const filtered = (text: string, onlyProblems = false) =>
    names(filterServices(services, { text, onlyProblems }));

  it("wants every word somewhere, in any case", () => {
    expect(filtered("")).toHaveLength(2);
    expect(filtered("TRAEFIK")).toEqual(["ingress/traefik"]);
    expect(filtered("node-1 checkout")).toEqual(["shop/checkout"]);
    expect(filtered("checkout traefik")).toEqual([]);
    expect(filtered("192.0.2.201")).toHaveLength(2);
  });

  it("finds what a row shows: who answered, notes and findings in words", () => {
    const noted = service("ns/noted");
    const [vip] = noted.vips;
    if (!vip?.last) throw new Error("the sample has a round");
    vip.answered_by = [{ node: "node-7", pod: "echo-abc", flows: 4 }];
    vip.last.finding = "only_in_header";
    vip.last.notes = [{ kind: "dns_drift", text: "echo.example leads elsewhere" }];
    for (const text of ["node-7", "echo-abc", "only in a header", "only_in_header", "name leads"]) {
      const found = filterServices([...services, noted], { text, onlyProblems: false });
      expect(names(found)).toEqual(["ns/noted"]);
    }
  });

  it("can leave out what is fine", () => {
    expect(filtered("", true)).toEqual(["ingress/traefik"]);
  });
});
