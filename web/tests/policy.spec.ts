// The policy view: levels, what each allows and costs, the error bar, reach, and decisions on rules.

import { readFileSync } from "node:fs";
import { expect, figure, open, panel, test } from "./reports";

test("the policy view says what is allowed and what would be denied", async ({ page, reports }) => {
  await open(page, reports.lab);
  await page.getByRole("button", { name: "Policy" }).click();
  expect(await figure(page, "rules")).toBe("17");
  expect(await figure(page, "dependencies allowed")).toBe("31");
  expect(await figure(page, "would be denied")).toBe("5");
  expect(await figure(page, "allowed unseen")).toBe("0");
  await expect(panel(page)).toContainText("281 connections that nobody made: all denied");
  await panel(page).getByRole("button", { name: /db tcp\/5432/ }).click();
  await expect(panel(page).getByRole("heading", { name: /^allow-db-tcp-5432/ })).toBeVisible();
});

test("every level allows all that was seen, by fewer rules for a price", async ({ page, reports }) => {
  await open(page, reports.lab, "#view=policy");
  const levels = panel(page).getByRole("group", { name: "Level" });
  const rules: number[] = [];
  const prices: number[] = [];
  for (const name of ["nano", "service", "ring-fence"]) {
    await levels.getByRole("button", { name, exact: true }).click();
    await expect(levels.getByRole("button", { name, exact: true })).toHaveAttribute("aria-pressed", "true");
    const [allowed, between] = [await figure(page, "dependencies allowed"), (await panel(page).innerText()).includes("between addresses") ? await figure(page, "between addresses") : "0"];
    expect(Number(allowed) + Number(between)).toBeGreaterThanOrEqual(31);
    rules.push(Number(await figure(page, "rules")));
    prices.push(Number((await figure(page, "allowed unseen")).replace(" k", "e3").replace(" M", "e6")));
  }
  expect(rules[2]).toBeLessThan(rules[0]!);
  expect([...prices].sort((a, b) => a - b)).toEqual(prices);
  expect(prices[2]).toBeGreaterThan(0);
  await expect(page).toHaveURL(/level=3/);
  await page.reload();
  await expect(levels.getByRole("button", { name: "ring-fence" })).toHaveAttribute("aria-pressed", "true");
});

test("the price of each generalisation is listed, the worst first, and a rule says where it stands", async ({ page, reports }) => {
  await open(page, reports.small, "#view=policy&level=3");
  const section = panel(page).locator(".part", { has: page.getByRole("heading", { name: "Price of each generalisation" }) });
  const prices = (await section.locator(".much").allTextContents()).map((text) => Number(text.replace(" unseen", "")));
  expect(prices[0]).toBe(240);
  expect([...prices].sort((a, b) => b - a)).toEqual(prices);
  await section.getByRole("button").first().click();
  await expect(panel(page)).toContainText("240 connections allowed that nobody was seen to make");
  await expect(panel(page)).toContainText(/at the (server|client): what may/);
  await panel(page).locator(".edges button").first().click();
  await expect(panel(page)).toContainText("Allowed at level ring-fence by");
  await expect(panel(page).getByRole("button", { name: /^allow-ring-fence-/ })).toHaveCount(2);
});

test("the error bar says how sure it is, and what is missing", async ({ page, reports }) => {
  await open(page, reports.lab);
  await expect(panel(page)).toContainText("Not ready to enforce");
  await expect(panel(page)).toContainText("whole weeks watched: 0, wanted at least 1");
  await open(page, reports.small, "#view=policy");
  await expect(panel(page)).toContainText("at most 13 dependencies in 7 days, with 95 % confidence; 5.4 expected");
  await expect(panel(page)).toContainText("99.73 % of what is used in an hour had been seen");
  await expect(panel(page)).toContainText("at most 11 predicted from 2026-01-07 00:00 on; 6 came: it held");
  await expect(panel(page)).toContainText("hid 0.31 % of the time watched; the bound is wider for it");
});

test("a workload's reach is told before the rules and after", async ({ page, reports }) => {
  await open(page, reports.lab, "#view=policy&selected=n%3Aapp1");
  const row = panel(page).getByRole("row", { name: "services it may use" });
  const [before, after] = (await row.getByRole("cell").allTextContents()).map(Number);
  expect(after).toBeGreaterThan(0);
  expect(before).toBeGreaterThan(after!);
  await expect(panel(page).getByRole("row", { name: "others it gets to in 3 steps" })).toBeVisible();
  // Where it gets to from outside is nobody's to say.
  await open(page, reports.small, "#selected=n%3A198.51.0.4");
  await expect(panel(page)).not.toContainText("Reach, before");
});

test("decisions made in a file are taken away as decisions.yaml", async ({ page, reports }) => {
  await open(page, reports.lab, "#view=policy");
  await panel(page).getByRole("button", { name: /db tcp\/5432/ }).click();
  const rule = (await panel(page).getByRole("heading", { level: 2 }).textContent())!;
  await panel(page).getByRole("button", { name: "Comment only" }).click();
  await expect(panel(page)).toContainText("Write a comment first.");
  await panel(page).getByLabel("Your name").fill("alice");
  await panel(page).getByLabel("Comment", { exact: true }).fill('as "designed"\nsince: 2019 \u0085 # no');
  // What is being written survives what redraws the panel.
  await page.getByRole("button", { name: "Theme" }).click();
  await expect(panel(page).getByLabel("Comment", { exact: true })).toHaveValue(/as "designed"/);
  await panel(page).getByRole("button", { name: "Approve" }).click();
  await expect(panel(page)).toContainText("Approved by alice on");
  await panel(page).getByRole("button", { name: "Reject" }).click();
  await expect(panel(page)).toContainText("Rejected by alice on");
  const [download] = await Promise.all([page.waitForEvent("download"), panel(page).getByRole("button", { name: "Download decisions.yaml" }).click()]);
  expect(download.suggestedFilename()).toBe("decisions.yaml");
  const [version, head, id, decision, by, at, ...rest] = readFileSync(await download.path(), "utf8").trimEnd().split("\n");
  expect([version, head, id, decision, by, rest]).toEqual(["version: 1", "rules:", `- id: "${rule}"`, "  decision: rejected", '  by: "alice"', [String.raw`  comment: "as \"designed\"\nsince: 2019 \u0085 # no"`]]);
  expect(at).toMatch(/^ {2}at: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  await panel(page).getByRole("button", { name: "Close the details" }).click();
  await expect(panel(page)).toContainText("Decided on this page");
});
