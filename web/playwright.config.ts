// Debian's Chromium drives the committed bundle, as people get it. One worker: the estate's figures are measured.
import { defineConfig } from "@playwright/test";

export default defineConfig({
  testDir: "tests",
  timeout: 60_000,
  workers: 1,
  forbidOnly: true,
  reporter: [["list"]],
  use: {
    viewport: { width: 1440, height: 900 },
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      // Tests run as root too, where Chromium's sandbox cannot; and memory is measured after collecting garbage.
      args: ["--no-sandbox", "--js-flags=--expose-gc"],
    },
  },
});
