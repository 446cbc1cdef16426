// Report files for tests: of the lab's recording by the real binary, of generated estates in the committed page.

import { test as base, expect, type Page } from "@playwright/test";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { generate, LARGE, SMALL } from "./estate";

const ROOT = join(import.meta.dirname, "../..");
export const RECORDING = join(ROOT, "tests/lab/recording");

export interface Reports {
  /** Addresses of the files. */
  lab: string;
  small: string;
  large: string;
}

/** `small` where the picture is to be of few things. */
export const test = base.extend<{ problems: string[] }, { reports: Reports }>({
  reports: [
    async ({}, use) => {
      const folder = mkdtempSync(join(tmpdir(), "watershed-web-"));
      const out = join(folder, "lab");
      execFileSync(binary(), ["discover", join(RECORDING, "shop.pcapng"), "-i", join(RECORDING, "inventory.yaml"), "--out", out], { stdio: "ignore" });
      const page = readFileSync(join(ROOT, "web/dist/index.html"), "utf8");
      const write = (name: string, size: typeof LARGE) => {
        const file = join(folder, `${name}.html`);
        const data = JSON.stringify(generate(size)).replaceAll("<", "\\u003c");
        writeFileSync(file, page.replace('"watershed:data"', () => data));
        return pathToFileURL(file).href;
      };
      await use({ lab: pathToFileURL(join(out, "report.html")).href, small: write("small", SMALL), large: write("large", LARGE) });
      rmSync(folder, { recursive: true });
    },
    { scope: "worker" },
  ],
  /** What the page complained of: every test ends with nothing. */
  problems: [
    async ({ page }, use) => {
      const problems: string[] = [];
      page.on("console", (message) => ["error", "warning"].includes(message.type()) && problems.push(message.text()));
      page.on("pageerror", (error) => problems.push(error.message));
      page.on("request", (request) => /^https?:/.test(request.url()) && !request.url().startsWith("http://127.0.0.1") && problems.push(`fetched ${request.url()}`));
      await use(problems);
      expect(problems).toEqual([]);
    },
    { auto: true },
  ],
});

export { expect };

/** The binary that makes and serves what is tested. */
export function binary(): string {
  const candidates = [process.env.WATERSHED, join(ROOT, "target/debug/watershed"), join(ROOT, "target/release/watershed")];
  const found = candidates.find((file) => file !== undefined && existsSync(file));
  if (found === undefined) throw new Error("no watershed to make a report with: cargo build --bin watershed, or set WATERSHED");
  return found;
}

/** Opens a report and waits until the map is there. */
export async function open(page: Page, report: string, hash = ""): Promise<void> {
  await page.goto(`${report}${hash}`);
  await expect(page.getByRole("navigation", { name: "Views" })).toBeAttached();
}

/** The list of everything that is drawn. */
export const outline = (page: Page) => page.getByRole("navigation", { name: "Filters and outline" });

export const panel = (page: Page) => page.getByRole("complementary", { name: "Details" });

/** What a figure of the panel says, such as `dependencies`. */
export async function figure(page: Page, name: string): Promise<string> {
  const entry = panel(page).locator(".figures > div").filter({ has: page.locator("dt", { hasText: new RegExp(`^${name}$`) }) });
  return (await entry.locator("dd").textContent()) ?? "";
}
