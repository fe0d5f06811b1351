/**
 * The page in a real browser. With VIPWATCH_URL it looks at a running agent,
 * and only at what holds for any; otherwise it starts the fixture.
 * VIPWATCH_SHOTS=dir keeps screenshots.
 */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { launch } from "./chromium.mjs";
import { serve } from "./fixture.mjs";
import { agent, audit, overflow, shoot } from "./page.mjs";

let browser;
let fixture;
let url;
let page;
let complaints;

before(async () => {
  if (!agent) fixture = await serve("rich");
  url = agent ?? fixture.url;
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await fixture?.close();
});

beforeEach(async () => {
  await page?.close();
  page = await browser.context.newPage();
  complaints = [];
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  fixture?.show("rich");
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.goto(url);
  await page.locator(".connection.live").waitFor();
});

const headline = (name) => page.getByRole("heading", { level: 1, name, exact: true }).waitFor();

async function open(target) {
  await page.getByRole("button", { name: `Details of ${target}` }).click();
}

async function openAll() {
  for (const more of await page.locator(".service .more").all()) await more.click();
}

/** What reaches beyond its probe, where the panel may hide it. */
function cutOff() {
  return page.locator(".probe").evaluateAll((probes) =>
    probes.flatMap((probe) => {
      const { right } = probe.getBoundingClientRect();
      return [...probe.querySelectorAll("*:not(.unseen)")]
        .filter((part) => part.getBoundingClientRect().right > right + 0.5)
        .map((part) => `${part.className}: ${part.textContent}`);
    }),
  );
}

describe("any agent's page", () => {
  it("is live, without a complaint on the console", async () => {
    await page.locator(".service").first().waitFor();
    const before = await page.locator("footer").innerText();
    await page.waitForFunction(
      (old) => document.querySelector("footer")?.innerText !== old,
      before,
    );
    assert.deepEqual(complaints, []);
  });

  for (const scheme of ["light", "dark"]) {
    it(`is accessible in ${scheme}`, async () => {
      await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
      assert.deepEqual(await audit(page), []);
      await shoot(page, scheme);
    });
  }

  for (const width of [360, 390, 768, 1160, 1920]) {
    it(`never scrolls sideways at ${width} px`, async () => {
      await page.setViewportSize({ width, height: 844 });
      assert.equal(await overflow(page), 0);
      if (width === 390) await shoot(page, "phone");
    });
  }

  it("remembers a chosen theme", async () => {
    const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).colorScheme);
    const button = page.getByRole("button", { name: "Theme" });
    assert.equal(await ground(), "light dark");
    await button.click();
    await button.click();
    assert.equal(await ground(), "dark");
    await page.reload();
    await button.waitFor();
    assert.equal(await ground(), "dark");
    await button.click();
    assert.equal(await ground(), "light dark");
  });

  it("leads a keyboard to the services and to the filter", async () => {
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement?.className), "skip");
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement?.id), "content");
    await page.keyboard.press("/");
    await page.keyboard.type("no such thing");
    await page.getByText("No service matches the filter.").waitFor();
    await page.keyboard.press("Escape");
    await page.locator(".service").first().waitFor();
    assert.equal(await page.getByRole("searchbox").inputValue(), "");
  });
});

describe("the fixture's page", { skip: Boolean(agent) }, () => {
  it("says what is wrong, worst first, in words", async () => {
    await headline("1 service is down, 2 lose client addresses, 3 more problems");
    assert.equal(await page.title(), "● 5 alerts · vipwatch");
    const standings = await page.locator(".service .standing .state-word").allInnerTexts();
    assert.deepEqual(standings, [
      ...["Down", "Translated", "Translated", "Up", "Up", "Up", "Up"],
      ...["Degraded", "Unknown", "Up"],
    ]);
    const traefik = page.getByRole("article", { name: "ingress/traefik", exact: true });
    const source = (await traefik.locator(".source").innerText()).replace(/\s+/g, " ");
    assert.match(source, /198\.51\.100\.7 → seen 10\.244\.1\.1 pod bridge of node-1/);
    await page.getByText("2nd of 3 rounds: translated").first().waitFor();
    await page.getByText("The store fails.").waitFor();
    await page.getByText("retrying after 5 attempts").waitFor();
  });

  it("changes with the agent, without being loaded again", async () => {
    await page.evaluate(() => {
      globalThis.isSamePage = true;
    });
    fixture.show("fine");
    await headline("All 2 services preserve client addresses");
    await page.getByText("No open alerts").waitFor();
    assert.equal(await page.title(), "vipwatch · office-fra");
    fixture.show("starting");
    await headline("Waiting for the first round of 2 services");
    fixture.show("empty");
    await headline("Nothing is configured to be watched");
    assert.equal(await page.evaluate(() => globalThis.isSamePage), true);
  });

  it("opens details by Enter", async () => {
    const more = page.getByRole("button", { name: "Details of 192.0.2.201:80" });
    await more.focus();
    await page.keyboard.press("Enter");
    await page.getByText("The source port changed on 3 of 4 connections").waitFor();
    await page.getByText("echo-7d9f4-x2kqp").waitFor();
    assert.equal(await more.getAttribute("aria-expanded"), "true");
  });

  it("tells who saw what, and why", async () => {
    await open("192.0.2.206:80");
    const checkout = page.getByRole("article", { name: "shop/checkout", exact: true });
    const story = checkout.locator(".details .story");
    await story.getByText("only some nodes translate").waitFor();
    const flows = checkout.getByRole("table", { name: "Flows of the last round" });
    const rows = await flows.getByRole("row").allInnerTexts();
    assert.deepEqual(
      rows.slice(1).map((row) => row.replace(/\s+/g, " ").trim()),
      [
        "preserved 2 × 198.51.100.7 ports 40500, 40501 192.0.2.206 port 80 198.51.100.7 same ports",
        "translated 2 × 198.51.100.7 ports 40502, 40503 192.0.2.206 port 80 10.244.3.1 ports 3178, 10073",
      ],
    );
    await checkout.locator(".distribution").getByText("74 %").waitFor();
    await open("[2001:db8:0:2::ce]:80");
    await checkout.getByText("ready, but answered none of the recent flows").waitFor();
  });

  for (const scheme of ["light", "dark"]) {
    it(`is accessible with everything open in ${scheme}`, async () => {
      await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
      await openAll();
      assert.deepEqual(await audit(page), []);
      await shoot(page, `open-${scheme}`);
    });
  }

  for (const width of [360, 390, 768, 1160, 1920]) {
    it(`scrolls nothing sideways and cuts nothing off when all is open at ${width} px`, async () => {
      await page.setViewportSize({ width, height: 844 });
      await openAll();
      assert.equal(await overflow(page), 0);
      assert.deepEqual(await cutOff(), []);
      if (width === 390) await shoot(page, "open-phone");
    });
  }

  it("keeps the flows a table on a phone, where they look like a list", async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    await open("[2001:db8:0:2::ce]:80");
    const row = page.getByRole("table", { name: "Flows of the last round" }).getByRole("row").last();
    assert.equal(await row.getByRole("cell").count(), 4);
    const tops = await row
      .getByRole("cell")
      .evaluateAll((cells) => cells.map((cell) => cell.getBoundingClientRect().top));
    assert.deepEqual(tops, [...new Set(tops)].toSorted((a, b) => a - b));
  });

  it("walks the nodes by arrow keys", async () => {
    const first = page.getByRole("button", { name: /^node-1, kube-proxy: Up/ });
    await first.focus();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    const details = page.locator(".cell-details");
    await details.getByText("192.0.2.12:10256 on node-2 is closed").waitFor();
    await details.getByText("kube-proxy does not run on node-2").waitFor();
    for (let column = 1; column <= 4; column += 1) await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Enter");
    await details.getByText("192.0.2.12:30202 on node-2 is closed").waitFor();
  });

  it("copies a command", async () => {
    await browser.context.grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.getByRole("button", { name: /^Copy command: kubectl -n ingress patch/ }).click();
    await page.locator(".command button", { hasText: "Copied" }).waitFor();
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    assert.match(copied, /^kubectl -n ingress patch service traefik/);
  });

  it("stays usable with hundreds of services", async () => {
    fixture.show("many");
    await headline("1 service is down, 2 lose client addresses");
    assert.equal(await page.locator(".services.many .service").count(), 240);
    await page.keyboard.press("/");
    await page.keyboard.type("service-140");
    await page.locator(".services.many .service").nth(1).waitFor({ state: "detached" });
    await page.keyboard.press("Escape");
    await page.getByLabel("Only problems").check();
    await page.locator(".services.many .service").nth(3).waitFor({ state: "detached" });
  });

  it("admits that the agent is gone, and recovers", async () => {
    await page.clock.install();
    await page.reload();
    await page.locator(".connection.live").waitFor();
    // Being offline stops new requests alone: the open stream goes on.
    fixture.hang();
    await browser.context.setOffline(true);
    await page.clock.runFor(17_000);
    await page.getByText("No connection to the agent.").waitFor();
    assert.equal(await page.title(), "○ no connection · vipwatch");
    fixture.goOn();
    await browser.context.setOffline(false);
    await page.clock.runFor(10_000);
    await page.locator(".connection.live").waitFor();
  });
});
