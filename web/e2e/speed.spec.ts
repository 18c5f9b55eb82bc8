// What the page promises about time, measured where it is promised.
import type { Page } from '@playwright/test';
import { ACP_AGENT, expect, PHONE, row, startTerminal, terminal, test, type } from './fixtures';

interface TraceEvent {
  name: string;
  ph: string;
  pid: number;
  tid: number;
  tdur?: number;
  args: { name?: string };
}

/**
 * The longest task of the page's main thread meanwhile, in milliseconds of processor time: what other
 * programs of the machine take is not the page's doing.
 */
async function longestTask(page: Page, during: () => Promise<void>): Promise<number> {
  const browser = page.context().browser();
  await browser?.startTracing(page, { categories: ['toplevel', '__metadata', 'disabled-by-default-devtools.timeline'] });
  await during();
  const trace = JSON.parse(String(await browser?.stopTracing())) as { traceEvents: TraceEvent[] };
  const main = new Set(
    trace.traceEvents
      .filter(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain')
      .map(({ pid, tid }) => `${pid}/${tid}`),
  );
  const tasks = trace.traceEvents.filter(
    ({ name, ph, pid, tid }) => /RunTask$/.test(name) && ph === 'X' && main.has(`${pid}/${tid}`),
  );
  expect(tasks.length).toBeGreaterThan(100);
  return Math.max(...tasks.map(({ tdur }) => tdur ?? 0)) / 1000;
}

test('the first paint comes within a second, of less than 200 kB of script', async ({ site }) => {
  const page = await site.stranger();
  const painted = await page.waitForFunction(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime);
  const paint = (await painted.jsonValue()) as number;
  const scripts = await page.evaluate(() =>
    performance.getEntriesByType('resource').filter((entry) => (entry as PerformanceResourceTiming).name.endsWith('.js')).reduce((sum, entry) => sum + (entry as PerformanceResourceTiming).decodedBodySize, 0),
  );
  console.log(`first paint ${Math.round(paint)} ms, ${Math.round(scripts / 1000)} kB of script before compression`);
  expect(paint).toBeLessThan(1_000);
  expect(scripts).toBeLessThan(400_000);
});

test('the page answers while a terminal floods', async ({ site }) => {
  const page = await site.person();
  await startTerminal(page, 'sh:1');
  const longest = await longestTask(page, async () => {
    await type(page, 'sh:1', 'seq 1 2000000; echo flood-$((1+1))\n');
    await page.getByLabel('Filter sessions').fill('sh');
    await expect(row(page, 'sh:1')).toBeVisible();
    await expect(terminal(page, 'sh:1')).toContainText('flood-2', { timeout: 40_000 });
  });
  console.log(`longest task while 15 MB came: ${Math.round(longest)} ms`);
  expect(longest).toBeLessThan(100);
});

test('the page answers while an agent says 500 things a second', async ({ site }) => {
  site.here.qd('run', '--detach', '--agent', ACP_AGENT, '--label', 'talker', 'flood 5000');
  const page = await site.person();
  await row(page, 'talker').click();
  await expect(page.getByRole('log')).toContainText('word100 ');
  const longest = await longestTask(page, () => expect(page.getByRole('log')).toContainText('word4999', { timeout: 40_000 }));
  console.log(`longest task while 5000 events came: ${Math.round(longest)} ms`);
  expect(longest).toBeLessThan(100);
});

test('a phone shows what waits within a second of its login', async ({ site }) => {
  site.here.qd('run', '--detach', '--agent', 'claude', '--label', 'claude:1', 'ask touch here');
  const page = await site.person({ context: PHONE });
  await expect(row(page, 'claude:1')).toContainText('waits for you');
  await page.reload();
  const ready = await page.waitForFunction(() => document.querySelector('nav b')?.textContent === '1' && performance.now());
  const took = (await ready.jsonValue()) as number;
  console.log(`what waits was there after ${Math.round(took)} ms`);
  expect(took).toBeLessThan(1_000);
});
