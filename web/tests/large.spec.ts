// 10,000 workloads and 100,000 edges: how long until there is a picture, how smoothly it moves, what it takes.
// The goals are an issue's: a first picture within 2 s, 30 pictures a second, less than 500 MB.

import type { Page } from "@playwright/test";
import { readFileSync } from "node:fs";
import { expect, figure, open, outline, test } from "./reports";

/** Pictures a second while `act` goes on, by the time between animation frames: the median, and the slowest twentieth. */
const FRAMES = `(async (act) => {
  const times = [];
  let last = performance.now();
  for (let step = 0; step < 90; step += 1) {
    act(step);
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    times.push(now - last);
    last = now;
  }
  times.sort((a, b) => a - b);
  return [1000 / times[45], 1000 / times[85]];
})`;

/** What the page's process takes, octets: its share of memory as Linux counts it, program and picture included. */
async function pageMemory(page: Page): Promise<number> {
  await page.evaluate("gc()");
  const session = await page.context().browser()!.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  const sizes = processInfo.filter(({ type }) => type === "renderer").map(({ id }) => {
    const [, kilobytes = "0"] = /^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${id}/smaps_rollup`, "utf8")) ?? [];
    return Number(kilobytes) * 1024;
  });
  return Math.max(...sizes);
}

/** How long this machine takes, now, to sort a million numbers in the page, milliseconds: what else runs on it shows. */
const PACE = `(() => {
  const start = performance.now();
  Float64Array.from({ length: 1_000_000 }, (_, i) => (i * 7_919) % 1_000_003).sort();
  return performance.now() - start;
})()`;

test("a large estate is a picture soon, moves smoothly and fits in memory", async ({ page, reports }) => {
  // No time is asserted: a busy machine may take long, and the figures say how busy it was.
  test.setTimeout(300_000);
  await open(page, reports.large);
  const pace = (await page.evaluate(PACE)) as number;
  await expect(page.locator("canvas").first()).toBeVisible();
  const [start, end] = await page.evaluate(() => {
    const paint = performance.getEntriesByName("first-picture")[0]!.startTime;
    return [performance.getEntriesByName("data-here")[0]!.startTime, paint];
  });
  expect(Number((await figure(page, "dependencies")).replace(" k", ""))).toBeGreaterThan(80);
  const box = (await page.getByRole("application").boundingBox())!;
  const panning = (await page.evaluate(`${FRAMES}((step) => { const stage = document.querySelector(".canvas"); const at = { bubbles: true, clientX: ${box.x + box.width / 2}, clientY: ${box.y + box.height / 2}, deltaY: step % 30 < 15 ? 40 : -40, cancelable: true }; (stage.querySelector("canvas") ?? stage).dispatchEvent(new WheelEvent("wheel", at)); })`)) as [number, number];
  const sliding = (await page.evaluate(`${FRAMES}((step) => { const slider = document.querySelector("[aria-label='Last hour shown']"); slider.value = String(330 - step); slider.dispatchEvent(new Event("input")); })`)) as [number, number];
  const selecting = Date.now();
  await outline(page).getByRole("button", { name: /^app-0\b/ }).first().click();
  await expect(page.getByRole("heading", { name: "app-0" })).toBeVisible();
  const selected = Date.now() - selecting;
  const memory = await pageMemory(page);
  expect(memory).toBeLessThan(500e6);
  console.log([
    "10,000 workloads, 100,000 edges, rules at four levels:",
    `  this machine         ${pace.toFixed(0)} ms to sort a million numbers in the page`,
    `  first picture        ${Math.round(end! - start!)} ms after the data is there (goal 2000), ${((end! - start!) / pace).toFixed(1)} times that`,
    `  zooming              ${panning.map((rate) => rate.toFixed(0)).join(" pictures a second at the median, ")} at the slowest twentieth (goal 30)`,
    `  moving the slider    ${sliding.map((rate) => rate.toFixed(0)).join(" pictures a second at the median, ")} at the slowest twentieth (goal 30)`,
    `  selecting a group    ${selected} ms`,
    `  memory               ${(memory / 1e6).toFixed(0)} MB for the page, all of its process (goal 500)`,
  ].join("\n"));
});

test("any group of a large estate opens without drawing thousands of things", async ({ page, reports }) => {
  test.setTimeout(300_000);
  await open(page, reports.large);
  await outline(page).getByRole("button", { name: /^Open app-0$/ }).click();
  await expect(outline(page).getByRole("button", { name: /^Close app-0$/ })).toBeVisible();
  expect(await outline(page).locator("li").count()).toBeLessThan(300);
});
