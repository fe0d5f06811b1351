/**
 * The page in a real browser. With VIPWATCH_URL it looks at a running agent,
 * and only at what holds for any; otherwise it starts the fixture.
 * VIPWATCH_SHOTS=dir keeps screenshots.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { launch } from "./chromium.mjs";
import { serve } from "./fixture.mjs";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const WCAG_AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const agent = process.env.VIPWATCH_URL;
const shots = process.env.VIPWATCH_SHOTS;

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

const headline = (text) => page.locator("h1", { hasText: text }).waitFor();

async function shoot(name) {
  if (shots) await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
}

async function audit() {
  // Evaluated, because the page's own policy forbids inline scripts.
  await page.evaluate(await readFile(AXE, "utf8"));
  return page.evaluate(async (tags) => {
    const { violations } = await globalThis.axe.run(document, { runOnly: tags });
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target).join("; ")}`);
  }, WCAG_AA);
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
      assert.deepEqual(await audit(), []);
      await shoot(scheme);
    });
  }

  for (const width of [360, 390, 768, 1160, 1920]) {
    it(`never scrolls sideways at ${width} px`, async () => {
      await page.setViewportSize({ width, height: 844 });
      const overflow = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      assert.equal(overflow, 0);
      if (width === 390) await shoot("phone");
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
    await headline("1 service is down, 1 loses client addresses, 1 more problem");
    assert.equal(await page.title(), "● 2 alerts · vipwatch");
    const standings = await page.locator(".service .standing .state-word").allInnerTexts();
    assert.deepEqual(standings, ["Down", "Translated", "Up", "Up", "Up", "Degraded", "Up"]);
    const traefik = page.getByRole("article", { name: "ingress/traefik", exact: true });
    const source = (await traefik.locator(".source").innerText()).replace(/\s+/g, " ");
    assert.match(source, /198\.51\.100\.7 → seen 10\.244\.1\.1 bridge of node-1/);
    await page.getByText("2nd of 3 rounds: translated").waitFor();
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
    await page.getByText("echo-7d9f4-x2kqp on node-1").waitFor();
    assert.equal(await more.getAttribute("aria-expanded"), "true");
  });

  it("walks the nodes by arrow keys", async () => {
    const first = page.getByRole("button", { name: /^node-1, mail\/postfix: Idle/ });
    await first.focus();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Enter");
    const details = page.locator(".cell-details");
    await details.getByText("connection refused: the port is closed").waitFor();
    await details.getByText("192.0.2.12:30202").waitFor();
  });

  it("copies a command", async () => {
    await browser.context.grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.getByRole("button", { name: /^Copy command: kubectl -n ingress/ }).click();
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
    await browser.context.setOffline(true);
    await page.clock.runFor(17_000);
    await page.getByText("No connection to the agent.").waitFor();
    assert.equal(await page.title(), "○ no connection · vipwatch");
    await browser.context.setOffline(false);
    await page.clock.runFor(10_000);
    await page.locator(".connection.live").waitFor();
  });
});
