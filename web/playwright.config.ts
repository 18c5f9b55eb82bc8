import { defineConfig } from '@playwright/test';

export default defineConfig({
  testDir: 'e2e',
  testIgnore: process.env.QD_BENCH ? [] : ['bench.spec.ts', 'pictures.spec.ts'],
  outputDir: 'artifacts/runs',
  workers: 1,
  timeout: 60_000,
  expect: { timeout: 10_000 },
  reporter: [['list']],
  use: {
    viewport: { width: 1440, height: 900 },
    screenshot: 'only-on-failure',
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      // containers have no user namespaces to build the browser's own sandbox of
      args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
    },
  },
});
