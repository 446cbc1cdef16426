// What a person does with the map: on the lab's recording, whose truth is known, and on a generated estate.

import { readFileSync } from "node:fs";
import { expect, figure, open, outline, panel, test } from "./reports";

test("the lab's map opens from a file with everything in it", async ({ page, reports }) => {
  await open(page, reports.lab);
  await expect(page).toHaveTitle(/shop\.pcapng/);
  expect(await figure(page, "dependencies")).toBe("31");
  expect(await figure(page, "need a person")).toBe("5");
  expect(await figure(page, "in the scan ledger")).toBe("7");
  for (const name of ["db", "web1", "lb", "mon"]) await expect(outline(page).getByRole("button", { name, exact: true })).toBeAttached();
  expect(readFileSync(new URL(reports.lab)).byteLength).toBeLessThan(3_000_000);
});

test("a group opens into its workloads and closes again", async ({ page, reports }) => {
  await open(page, reports.lab, "#open=");
  await expect(outline(page).getByRole("button", { name: "db", exact: true })).toHaveCount(0);
  await outline(page).getByRole("button", { name: "Open shop" }).click();
  await expect(outline(page).getByRole("button", { name: "db", exact: true })).toBeVisible();
  expect(page.url()).toContain("open=g%3Ashop");
  await outline(page).getByRole("button", { name: "Close shop" }).click();
  await expect(outline(page).getByRole("button", { name: "db", exact: true })).toHaveCount(0);
  await page.goBack();
  await expect(outline(page).getByRole("button", { name: "db", exact: true })).toBeVisible();
});

test("a selection shows its evidence, down to one dependency and its rule", async ({ page, reports }) => {
  await open(page, reports.lab);
  await outline(page).getByRole("button", { name: "db", exact: true }).click();
  await expect(panel(page).getByRole("heading", { name: "db", exact: true })).toBeVisible();
  await expect(panel(page)).toContainText("10.20.0.30");
  await panel(page).getByRole("button", { name: /app1 → db/ }).click();
  await expect(panel(page)).toContainText("tcp/5432 postgresql");
  await expect(panel(page)).toContainText("18, all answered");
  await expect(panel(page)).toContainText("SF");
  await expect(panel(page)).toContainText("handshake");
  await panel(page).getByRole("button", { name: /^allow-db-tcp-5432/ }).click();
  await expect(panel(page)).toContainText("From");
  await expect(panel(page)).toContainText("app1, app2, job");
  await page.reload();
  await expect(panel(page)).toContainText("app1, app2, job");
});

test("the evidence says how sure the direction is, and nothing doubtful is allowed", async ({ page, reports }) => {
  await open(page, reports.lab, "#selected=x%3Aapp1%3Adb%3Atcp%252F5432");
  await expect(panel(page)).toContainText("more than 99.999 % sure that app1 is the client");
  await open(page, reports.small, "#kinds=needs_person");
  await panel(page).locator(".edges button").first().click();
  await expect(panel(page)).toContainText(/[5-9]\d(\.\d+)? % sure that/);
  await expect(panel(page)).toContainText("too little for a rule");
});

test("an address is called by its name, and not as if it had but one", async ({ page, reports }) => {
  await open(page, reports.small, "#open=g%3APublic%2520addresses&q=ip:198.51.0.4");
  await outline(page).getByRole("button", { name: "api.example.com +2 ?" }).click();
  await expect(panel(page).getByRole("heading", { name: "api.example.com +2 ?" })).toBeVisible();
  await expect(panel(page)).toContainText("which of them a connection meant is not known");
  await expect(panel(page)).toContainText("198.51.0.4");
  await expect(panel(page)).toContainText("api.example.com, www.example.com, cdn.example.com");
});

test("a click on the picture selects what is under it", async ({ page, reports }) => {
  await open(page, reports.lab, "#open=");
  const box = (await page.getByRole("application").boundingBox())!;
  // Somewhere on the picture there is a group: the middle of the whole is the middle of the layers.
  for (let y = 0.1; y < 0.9 && (await panel(page).locator(".close").count()) === 0; y += 0.02) {
    await page.mouse.click(box.x + box.width * 0.5, box.y + box.height * y);
  }
  await expect(panel(page).getByRole("button", { name: "Close the details" })).toBeVisible();
});

test("the query and the filters narrow what is shown", async ({ page, reports }) => {
  await open(page, reports.lab);
  const search = page.getByRole("searchbox");
  await search.fill("port:5432");
  await expect.poll(() => figure(page, "dependencies")).toBe("3");
  await search.fill("name:db app1");
  await expect.poll(() => figure(page, "dependencies")).toBe("1");
  await search.fill("nothing-is-called-this");
  await expect(page.getByText("Nothing matches")).toBeVisible();
  await page.getByRole("button", { name: "Clear filters" }).click();
  await expect.poll(() => figure(page, "dependencies")).toBe("31");
  await page.getByLabel("Service", { exact: true }).selectOption("udp/53");
  await expect.poll(() => figure(page, "dependencies")).toBe("7");
  await page.getByRole("button", { name: "Clear filters" }).click();
  await page.getByLabel("Label", { exact: true }).selectOption("app=backoffice");
  await expect.poll(() => figure(page, "dependencies")).toBe("2");
  await page.getByRole("button", { name: "Clear filters" }).click();
  await page.getByLabel("Tried in vain").check();
  await expect(page).toHaveURL(/attempts/);
  await page.getByLabel("Outside").selectOption("only");
  await expect.poll(() => figure(page, "dependencies")).toBe("2");
});

test("the slider shows fewer hours, and loss is said only where there is some", async ({ page, reports }) => {
  await open(page, reports.small);
  const banner = page.getByText("Not everything was seen.");
  await expect(banner).toBeVisible();
  const before = await figure(page, "dependencies");
  const last = page.getByRole("slider", { name: "Last hour shown" });
  await last.focus();
  await last.fill("3");
  await expect(banner).toBeHidden();
  await expect(page).toHaveURL(/to=3/);
  await expect.poll(async () => Number(await figure(page, "dependencies"))).toBeLessThan(Number(before));
  await expect(panel(page)).toContainText("Connections and volumes are of the whole period");
  await page.keyboard.press("ArrowRight");
  // The way back from the next step leads to where the slider was left.
  await page.getByRole("button", { name: "All hours" }).click();
  await expect(page).not.toHaveURL(/to=/);
  await page.goBack();
  await expect(page).toHaveURL(/to=4/);
  await page.getByRole("button", { name: "All hours" }).click();
  await expect(banner).toBeVisible();
  await page.getByLabel("New since").selectOption({ index: 20 });
  await expect.poll(async () => Number(await figure(page, "dependencies"))).toBeLessThan(Number(before) / 2);
});

test("changes compare two periods", async ({ page, reports }) => {
  await open(page, reports.small, "#view=changes&compare=0 0 40 71");
  const fresh = Number(await figure(page, "new"));
  expect(fresh).toBeGreaterThan(100);
  await panel(page).getByRole("group", { name: "After" }).getByLabel("to").selectOption({ index: 45 });
  await expect.poll(async () => Number(await figure(page, "new"))).toBeLessThan(fresh);
});

test("the scan ledger lists every scanner", async ({ page, reports }) => {
  await open(page, reports.lab);
  await page.getByRole("button", { name: "Scans" }).click();
  await expect(page.getByRole("row")).toHaveCount(8);
  await expect(page.getByRole("row", { name: /198\.51\.100\.66 port scan/ })).toContainText("257");
});

test("everything can be taken away", async ({ page, reports }) => {
  await open(page, reports.lab);
  const take = async (name: string) => {
    await page.getByText("Export").click();
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name }).click()]);
    return readFileSync(await download.path());
  };
  expect((await take("Picture (PNG)")).subarray(1, 4).toString()).toBe("PNG");
  const drawing = (await take("Drawing (SVG)")).toString();
  expect(drawing).toContain(">db</text>");
  const lines = (await take("Edges shown (CSV)")).toString().trimEnd().split("\r\n");
  expect(lines).toHaveLength(1 + 31 + 5);
  expect(lines).toContainEqual(expect.stringMatching(/^app1,db,tcp\/5432,postgresql,accepted,,18,18,.*allow-db-tcp-5432-/));
});

test("names from the network stay text", async ({ page, reports }) => {
  await open(page, reports.small, "#view=table&kinds=accepted needs_person attempts other&q=img");
  await expect(page.getByRole("table")).toContainText("<img src=x onerror");
  for (const view of ["map", "policy", "changes", "scans"]) await page.goto(`${reports.small}#view=${view}&open=g%3A%253Cimg&q=img`);
  await page.goto(`${reports.small}#view=map&selected=${encodeURIComponent('n:<img src=x onerror="globalThis.hacked=1">')}`);
  await expect(panel(page).getByRole("heading", { name: "<img src=x" })).toBeVisible();
  await expect(panel(page)).toContainText(/Listens on\s*tcp\/443 <img src=x .* \(web\.service\)/);
  await expect(page.locator("img")).toHaveCount(0);
  await page.getByText("Export").click();
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Edges shown (CSV)" }).click()]);
  expect(readFileSync(await download.path()).toString()).not.toMatch(/(^|[,"\n])=/);
  expect(await page.evaluate("globalThis.hacked")).toBeUndefined();
});

test("no content of the page may run but its own script", async ({ page, reports, problems }) => {
  await open(page, reports.lab);
  await page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "globalThis.hacked = 1";
    document.body.append(script);
  });
  expect(await page.evaluate("globalThis.hacked")).toBeUndefined();
  // The browser tells what the policy refused.
  expect(problems.splice(0).join()).toContain("Content Security Policy");
});
