/** What every test asks of a page: is it accessible, and does it fit? */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const WCAG_AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** A running agent to look at instead of the fixture. */
export const agent = process.env.VIPWATCH_URL;

const shots = process.env.VIPWATCH_SHOTS;

export async function shoot(page, name, options = { fullPage: true }) {
  if (shots) await page.screenshot({ path: join(shots, `${name}.png`), ...options });
}

/** By how many pixels the page is wider than its window. */
export function overflow(page) {
  return page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
}

/** What is not accessible. */
export async function audit(page) {
  // Evaluated, because the page's own policy forbids inline scripts.
  await page.evaluate(await readFile(AXE, "utf8"));
  return page.evaluate(async (tags) => {
    const { violations } = await globalThis.axe.run(document, { runOnly: tags });
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target).join("; ")}`);
  }, WCAG_AA);
}
