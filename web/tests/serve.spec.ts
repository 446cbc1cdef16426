// The page as `watershed serve` serves it: the same, with data from the API, that follows its store and takes decisions.

import type { Page } from "@playwright/test";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { DocumentJson } from "../src/data/document";
import { binary, expect, figure, panel, RECORDING, test } from "./reports";

/** Runs `act` with a server of the lab's recording. */
async function served(act: (address: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "watershed-serve-"));
  const store = `sqlite:${join(folder, "edges.db")}`;
  execFileSync(binary(), ["discover", join(RECORDING, "shop.pcapng"), "-i", join(RECORDING, "inventory.yaml"), "--store", store], { stdio: "ignore" });
  const server = spawn(binary(), ["serve", "--store", store, "--listen", "127.0.0.1:0"], { stdio: ["ignore", "pipe", "ignore"] });
  const ended = new Promise((resolve) => server.once("exit", resolve));
  try {
    const { value: address } = await createInterface(server.stdout)[Symbol.asyncIterator]().next();
    await act(address);
  } finally {
    server.kill("SIGTERM");
    expect(await ended).toBe(0);
    rmSync(folder, { recursive: true });
  }
}

/** What was decided before, as the API tells it. */
async function decided(page: Page, items: object[]): Promise<void> {
  await page.route("**/api/v1/decisions?*", (route) => route.fulfill({ json: { items, total: items.length, next: null } }));
}

test.beforeEach(({ page }) => decided(page, []));

test("a served page shows what the store holds, by the period asked for", async ({ page, problems }) => {
  await served(async (address) => {
    await page.goto(address);
    await expect(page.getByRole("navigation", { name: "Views" })).toBeAttached();
    expect(await figure(page, "dependencies")).toBe("31");
    await page.goto(`${address}?since=1h#view=policy`);
    await expect(panel(page)).toContainText("rules");
    await page.goto(`${address}?since=soon`);
    await expect(page.getByRole("alert")).toContainText("since");
    // The browser tells of the refused question, and the page of what it was told.
    expect(problems.splice(0).join()).toContain("400");
  });
});

test("a server that still reads its store is asked again when it says", async ({ page, problems }) => {
  await served(async (address) => {
    let asked = 0;
    await page.route("**/api/v1/map", (route) => {
      asked += 1;
      if (asked > 2) return route.continue();
      return route.fulfill({ status: 429, headers: { "Retry-After": "1" }, json: { error: "the store is being read" } });
    });
    await page.goto(address);
    expect(await figure(page, "dependencies")).toBe("31");
    expect(asked).toBe(3);
    // The browser tells of both.
    expect(problems.splice(0)).toHaveLength(2);
  });
});

test("newer data comes by itself, and what is selected, filtered and looked at stays", async ({ page }) => {
  test.setTimeout(180_000);
  await served(async (address) => {
    let asked = 0;
    await page.route("**/api/v1/map", async (route) => {
      const answer = await route.fetch();
      const data = (await answer.json()) as DocumentJson;
      asked += 1;
      if (asked > 1) later(data);
      await route.fulfill({ json: data });
    });
    await page.clock.install();
    await page.goto(`${address}#selected=n%3Adb&q=port:5432`);
    await expect(panel(page)).toContainText("Used by 3");
    await panel(page).getByRole("button", { name: /^app1 → db/ }).focus();
    await passed(page, () => panel(page).textContent(), "Used by 4");
    await expect(panel(page).getByRole("heading", { name: "db", exact: true })).toBeVisible();
    await expect(panel(page).getByRole("button", { name: /^app1 → db/ })).toBeFocused();
    expect(await page.getByRole("searchbox").inputValue()).toBe("port:5432");
    await expect(page).toHaveURL(/selected=n%3Adb&q=port(:|%3A)5432/);
    // Held, it asks no more.
    await page.getByRole("button", { name: "Live" }).click();
    const held = asked;
    await page.clock.runFor(120_000);
    expect(asked).toBe(held);
  });
});

/** The same with one client more for the database. */
function later(data: DocumentJson): void {
  const index = (id: string) => data.nodes.findIndex((node) => node.id === id);
  const edge = data.edges.find((each) => each[1] === index("db") && each[0] === index("app1"))!;
  const client = data.nodes.push({ ...data.nodes[index("app1")]!, id: "app9" }) - 1;
  data.edges.push([client, ...edge.slice(1)] as typeof edge);
  data.counters.packets += 100;
}

/** Lets the page's clock run until `read` has the text. */
async function passed(page: Page, read: () => Promise<string | null>, text: string): Promise<void> {
  const poll = async () => {
    await page.clock.runFor(5_000);
    return read();
  };
  await expect.poll(poll, { timeout: 60_000 }).toContain(text);
}

test("some hours are asked for alone, with exact numbers, and the way back is there", async ({ page }) => {
  await served(async (address) => {
    await page.route("**/api/v1/map", async (route) => {
      // The recording is of a few minutes: a second hour makes a choice.
      const data = (await (await route.fetch()).json()) as DocumentJson;
      data.edges[0]![12] = [0, 1];
      await route.fulfill({ json: data });
    });
    await page.goto(`${address}#to=0&view=policy`);
    await page.getByRole("button", { name: "Exact numbers of these hours" }).click();
    await expect(page).toHaveURL(/\?from=\d{4}-\d\d-\d\dT\d\d%3A00%3A00Z&to=\S+59\.999Z#view=policy$/);
    await expect.poll(() => figure(page, "dependencies allowed")).toBe("31");
    await expect(page.getByRole("button", { name: "Live" })).toHaveCount(0);
    await page.getByRole("button", { name: "All that the store holds" }).click();
    await expect(page).not.toHaveURL(/from=/);
  });
});

test("a decision goes to the server with the token, and its refusal is told", async ({ page, problems }) => {
  await served(async (address) => {
    const sent: { url: string; token: string | undefined; body: unknown }[] = [];
    await page.route("**/api/v1/rules/*/decision", async (route) => {
      const request = route.request();
      const token = request.headers().authorization;
      sent.push({ url: request.url(), token, body: request.postDataJSON() });
      if (request.method() !== "POST") return route.fulfill({ status: 405 });
      if (token !== "Bearer correct-horse-battery") return route.fulfill({ status: 401, json: { error: "deciding needs a token" } });
      return route.fulfill({ json: { id: "", decision: "approved", by: "alice", at: "2026-11-28T12:00:00Z", comment: "as designed" } });
    });
    await decided(page, [{ id: "allow-of-last-week", decision: "rejected", by: "bob", at: "2026-11-21T12:00:00Z" }]);
    await page.goto(`${address}#view=policy`);
    await expect(panel(page).getByRole("listitem").filter({ hasText: "allow-of-last-week" })).toContainText("rejected");
    await panel(page).getByRole("button", { name: /db tcp\/5432/ }).click();
    const rule = (await panel(page).getByRole("heading", { level: 2 }).textContent())!;
    await panel(page).getByLabel("Comment", { exact: true }).fill("as designed");
    await panel(page).getByRole("button", { name: "Approve" }).click();
    await expect(panel(page)).toContainText("Not taken: deciding needs a token.");
    await panel(page).getByLabel("Token").fill("correct-horse-battery");
    await panel(page).getByRole("button", { name: "Approve" }).click();
    await expect(panel(page)).toContainText("Approved by alice on 2026-11-28: as designed");
    await expect(panel(page).getByRole("button", { name: "Approve" })).toHaveAttribute("aria-pressed", "true");
    await expect(panel(page).getByRole("button", { name: "Download" })).toHaveCount(0);
    await panel(page).getByRole("button", { name: "Close the details" }).click();
    await expect(panel(page).getByRole("listitem").filter({ hasText: rule })).toContainText("approved");
    expect(sent.map(({ url, body }) => [url, body])).toEqual(Array(2).fill([`${address}api/v1/rules/${rule}/decision`, { decision: "approved", comment: "as designed" }]));
    expect(problems.splice(0).join()).toContain("401");
  });
});
