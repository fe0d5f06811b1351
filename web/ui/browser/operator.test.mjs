/**
 * Operators at the page, by keyboard: they take alerts on, silence them, end
 * silences and have deliveries tried again.
 */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { launch } from "./chromium.mjs";
import { serve } from "./fixture.mjs";
import { agent, audit, overflow, shoot } from "./page.mjs";

const TOKEN = "open-sesame-open-sesame";

let browser;
let fixture;
let page;
let complaints;

before(async () => {
  if (!agent) fixture = await serve("rich");
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
  fixture?.show("token");
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.goto(agent ?? fixture.url);
  await page.locator(".connection.live").waitFor();
});

const dialog = () => page.getByRole("dialog");
const card = (name) => page.getByRole("article", { name });

/** Goes to a button as the Tab key would, and presses it. */
async function press(name) {
  await page.getByRole("button", { name }).focus();
  await page.keyboard.press("Enter");
}

/** Fills the dialog field after field, and sends it off. */
async function answer(...texts) {
  await dialog().waitFor();
  for (const [index, text] of texts.entries()) {
    if (index > 0) await page.keyboard.press("Tab");
    await page.keyboard.press("Control+A");
    await page.keyboard.type(text);
  }
  await page.keyboard.press("Enter");
}

const closed = () => dialog().waitFor({ state: "detached" });
const focused = () => page.evaluate(() => document.activeElement?.getAttribute("aria-label"));

describe("any agent's operators", () => {
  it("silence everything and end that again", async () => {
    await press("Silence …");
    await answer("All", "1 hour", "moving house", "kim");
    await closed();
    const row = page.locator(".silences li", { hasText: "moving house" });
    await row.getByText("silenced by kim").waitFor();
    await row.getByText("all alerts").waitFor();
    await press("End the silence of all alerts");
    // The name is remembered; only the confirmation is left.
    await dialog().getByLabel("Your name").waitFor();
    assert.equal(await dialog().getByLabel("Your name").inputValue(), "kim");
    await page.keyboard.press("Enter");
    await row.waitFor({ state: "detached" });
    assert.deepEqual(complaints, []);
  });
});

describe("the fixture's operators", { skip: Boolean(agent) }, () => {
  it("take an alert on", async () => {
    await press(/^Acknowledge: mail\/postfix/);
    await answer("scaling up", "Zoë");
    await closed();
    await card(/^mail\/postfix/).getByText("Zoë has taken it on").waitFor();
    await card(/^mail\/postfix/).getByText("scaling up").waitFor();
    await page.getByRole("status").getByText("You have taken the alert on.").waitFor();
    // The button is another one by now, and the focus has stayed.
    await page.getByRole("button", { name: /^Take over: mail\/postfix/ }).waitFor();
    assert.match(await focused(), /^Take over: mail\/postfix/);
    assert.deepEqual(complaints, []);
  });

  it("silence an alert and what follows from it, and change their minds", async () => {
    await press(/^Silence: node-2 lost/);
    await dialog().waitFor();
    await page.keyboard.press("Escape");
    await closed();
    assert.match(await focused(), /^Silence: node-2 lost/);
    await page.keyboard.press("Enter");
    await answer("Everything about node-2", "8 hours", "new kernel", "kim");
    await closed();
    const node = card(/^node-2 refuses/);
    await node.getByText("No reminders: silence by kim: new kernel").waitFor();
    await node.locator(".consequences").getByText("Nobody was told: silence by kim").waitFor();
    await page.locator(".silences li", { hasText: "new kernel" }).getByText("node-2").waitFor();
    assert.deepEqual(complaints, []);
  });

  it("are told what is missing and what the agent refuses", async () => {
    await press(/^Silence: mail\/postfix/);
    await dialog().getByLabel("Your name").fill("kim");
    await dialog().getByRole("button", { name: "Silence" }).click();
    const why = dialog().getByLabel("Why");
    assert.equal(await why.evaluate((field) => field.validity.valueMissing), true);
    fixture.show(`token ${TOKEN}`);
    await why.fill("disks");
    await page.keyboard.press("Enter");
    await dialog().getByRole("alert").getByText("Changes need the token in agent.api_token").waitFor();
    assert.deepEqual(await audit(page), []);
    await shoot(page, "refused", {});
    await dialog().getByLabel("The agent’s token").fill("another");
    await page.keyboard.press("Enter");
    await dialog().getByText("That is not the token").waitFor();
    await dialog().getByLabel("The agent’s token").fill(TOKEN);
    await page.keyboard.press("Enter");
    await closed();
    await card(/^mail\/postfix/).getByText("No reminders: silence by kim: disks").waitFor();
    // It is kept until the tab is closed, and survives a reload.
    await page.reload();
    await press(/^Acknowledge: ingress\/contour/);
    await answer("", "kim");
    await closed();
    await card(/^ingress\/contour/).getByText("kim has taken it on").waitFor();
  });

  it("have tried again what was given up", async () => {
    await page.locator(".dead-letters summary").focus();
    await page.keyboard.press("Enter");
    await page.getByText("HTTP 410, after 1 attempt").waitFor();
    await shoot(page, "dead-letters");
    await press("Retry what was given up for night-shift");
    await answer("kim");
    await closed();
    await page.locator(".dead-letters").waitFor({ state: "detached" });
    assert.deepEqual(complaints, []);
  });

  for (const scheme of ["light", "dark"]) {
    for (const width of [390, 1440]) {
      it(`have accessible dialogs that fit into ${width} px in ${scheme}`, async () => {
        await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
        await page.setViewportSize({ width, height: 844 });
        for (const name of [/^Silence: ingress\/traefik/, /^Take over: ingress\/traefik/]) {
          await press(name);
          await dialog().waitFor();
          assert.deepEqual(await audit(page), []);
          assert.equal(await overflow(page), 0);
          await shoot(page, `dialog-${scheme}-${width}-${name.source.slice(1, 5)}`, {});
          await page.keyboard.press("Escape");
          await closed();
        }
      });
    }
  }
});
