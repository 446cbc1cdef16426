// The page as `watershed serve` serves it: the same, with data from the API.

import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { binary, expect, figure, panel, RECORDING, test } from "./reports";

test("a served page shows what the store holds, by the period asked for", async ({ page, problems }) => {
  const folder = mkdtempSync(join(tmpdir(), "watershed-serve-"));
  const store = `sqlite:${join(folder, "edges.db")}`;
  execFileSync(binary(), ["discover", join(RECORDING, "shop.pcapng"), "-i", join(RECORDING, "inventory.yaml"), "--store", store], { stdio: "ignore" });
  const server = spawn(binary(), ["serve", "--store", store, "--listen", "127.0.0.1:0"], { stdio: ["ignore", "pipe", "ignore"] });
  const ended = new Promise((resolve) => server.once("exit", resolve));
  try {
    const { value: address } = await createInterface(server.stdout)[Symbol.asyncIterator]().next();
    await page.goto(address);
    await expect(page.getByRole("navigation", { name: "Views" })).toBeAttached();
    expect(await figure(page, "dependencies")).toBe("31");
    await page.goto(`${address}?since=1h#view=policy`);
    await expect(panel(page)).toContainText("rules");
    await page.goto(`${address}?since=soon`);
    await expect(page.getByRole("alert")).toContainText("since");
    // The browser tells of the refused question, and the page of what it was told.
    expect(problems.splice(0).join()).toContain("400");
  } finally {
    server.kill("SIGTERM");
    expect(await ended).toBe(0);
    rmSync(folder, { recursive: true });
  }
});
