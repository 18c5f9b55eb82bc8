// How the page's promises about time and size are measured.
import { expect, type Page } from '@playwright/test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const DIST = join(import.meta.dirname, '../dist');

interface TraceEvent {
  name: string;
  ph: string;
  pid: number;
  tid: number;
  tdur?: number;
  args: { name?: string };
}

/** Tasks of the page's main thread, in milliseconds. */
export interface Tasks {
  /** The longest by processor time: what other programs of the machine take is not the page's doing. */
  longestMs: number;
  /** Those of 50 ms and more by the clock on the wall, as the page's own `PerformanceObserver` tells them. */
  longTasksMs: number[];
}

/** Watches the page's main thread meanwhile. */
export async function tasks(page: Page, during: () => Promise<void>): Promise<Tasks> {
  const browser = page.context().browser();
  await page.evaluate(() => {
    const seen: number[] = [];
    Object.assign(window, { seen });
    new PerformanceObserver((list) => seen.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: 'longtask' });
  });
  await browser?.startTracing(page, { categories: ['toplevel', '__metadata', 'disabled-by-default-devtools.timeline'] });
  await during();
  const trace = JSON.parse(String(await browser?.stopTracing())) as { traceEvents: TraceEvent[] };
  const longTasksMs = await page.evaluate(() => (window as unknown as { seen: number[] }).seen);
  const main = new Set(
    trace.traceEvents
      .filter(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain')
      .map(({ pid, tid }) => `${pid}/${tid}`),
  );
  const run = trace.traceEvents.filter(
    ({ name, ph, pid, tid }) => /RunTask$/.test(name) && ph === 'X' && main.has(`${pid}/${tid}`),
  );
  expect(run.length).toBeGreaterThan(100);
  return { longestMs: Math.max(...run.map(({ tdur }) => tdur ?? 0)) / 1000, longTasksMs };
}

/** When the page was first painted, in milliseconds after it was asked for. */
export async function firstPaint(page: Page): Promise<number> {
  const painted = await page.waitForFunction(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime);
  return (await painted.jsonValue()) as number;
}

/** Bytes of what the page has loaded, of one kind, as a server would send it compressed. */
export async function loaded(page: Page, ending: '.js' | '.css'): Promise<number> {
  const urls = await page.evaluate(() => performance.getEntriesByType('resource').map(({ name }) => name));
  const paths = [...new Set(urls.map((url) => new URL(url).pathname).filter((path) => path.endsWith(ending)))];
  expect(paths.length).toBeGreaterThan(0);
  return paths.reduce((sum, path) => sum + gzipSync(readFileSync(join(DIST, path)), { level: 6 }).length, 0);
}
