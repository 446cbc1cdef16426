// For everybody: keyboard alone, screen readers, light and dark, small windows.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { expect, open, outline, panel, test } from "./reports";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

interface Finding {
  id: string;
  impact: string;
  nodes: { target: string[]; failureSummary: string }[];
}

for (const colorScheme of ["light", "dark"] as const) {
  for (const [what, hash] of [["map", ""], ["selection", "#selected=n%3Adb"], ["policy", "#view=policy&level=2"], ["rule", "#view=policy&level=1&selected=r%3Aallow-nano-3"], ["changes", "#view=changes"], ["scans", "#view=scans"], ["table", "#view=table"]] as const) {
    test(`no serious finding of axe: ${what}, ${colorScheme}`, async ({ page, reports }) => {
      await page.emulateMedia({ colorScheme });
      await open(page, what === "rule" ? reports.small : reports.lab, hash);
      await page.evaluate(AXE);
      const findings = (await page.evaluate("axe.run().then(({ violations }) => violations)")) as Finding[];
      const serious = findings.filter(({ impact }) => impact === "serious" || impact === "critical");
      expect(serious.map(({ id, nodes }) => `${id}: ${nodes[0]!.target} ${nodes[0]!.failureSummary}`)).toEqual([]);
    });
  }
}

test("dark follows the system, and the switch wins over it", async ({ page, reports }) => {
  const back = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.emulateMedia({ colorScheme: "light" });
  await open(page, reports.lab);
  const light = await back();
  await page.emulateMedia({ colorScheme: "dark" });
  const dark = await back();
  expect(dark).not.toBe(light);
  await page.getByRole("button", { name: "Theme" }).click();
  await expect.poll(back).toBe(light);
  await expect(page).toHaveURL(/theme=light/);
});

test("the keyboard alone finds, opens and reads", async ({ page, reports }) => {
  await open(page, reports.lab, "#open=");
  await page.keyboard.press("/");
  await expect(page.getByRole("searchbox")).toBeFocused();
  await page.getByRole("application").focus();
  await page.keyboard.press("ArrowRight");
  await expect(panel(page).getByRole("heading", { level: 2 })).toBeVisible();
  const first = await panel(page).getByRole("heading", { level: 2 }).textContent();
  await page.keyboard.press("ArrowRight");
  await expect(panel(page).getByRole("heading", { level: 2 })).not.toHaveText(first!);
  await expect(page.locator(".unseen[role=status]")).toContainText("dependenc");
  const before = await outline(page).getByRole("button").count();
  await page.keyboard.press("Enter");
  await expect.poll(() => outline(page).getByRole("button").count()).toBeGreaterThan(before);
  await page.keyboard.press("Escape");
  await expect(panel(page).getByRole("heading", { name: "Overview" })).toBeVisible();
});

test("a narrow window still shows everything, one below the other", async ({ page, reports }) => {
  await page.setViewportSize({ width: 600, height: 900 });
  await open(page, reports.lab);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(overflow).toBeLessThanOrEqual(0);
  await expect(panel(page).getByRole("heading", { name: "Overview" })).toBeAttached();
});
