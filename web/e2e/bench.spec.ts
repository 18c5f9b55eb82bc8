// `npm run bench`: the figures of the page, into docs/performance.md. Not a part of `npm run e2e`.
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { ACP_AGENT, expect, row, startTerminal, terminal, test, type } from './fixtures';
import { firstPaint, loaded, tasks } from './measure';

const TARGET = join(import.meta.dirname, '../../docs/performance.md');
const ROUNDS = 5;
const [BEGIN, END] = ['<!-- page: npm run bench -->', '<!-- page: end -->'];

const rows: string[] = [];
const median = (values: number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
const note = (what: string, is: string, goal: string): void => {
  rows.push(`| ${what} | ${is} | ${goal} |`);
  console.log(`${what}: ${is} (${goal})`);
};

test('what is loaded, and when it is painted', async ({ site }) => {
  const page = await site.person();
  const paints: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await page.reload();
    await expect(page.getByText('Nothing runs yet.')).toBeVisible();
    paints.push(await firstPaint(page));
  }
  note('first paint, loopback', `${Math.round(median(paints))} ms (${paints.map(Math.round).join(', ')})`, '< 1000 ms');
  const [script, style] = [await loaded(page, '.js'), await loaded(page, '.css')];
  note('script before the first pane, gzip', `${(script / 1000).toFixed(1)} kB`, '< 200 kB');
  note('style before the first pane, gzip', `${(style / 1000).toFixed(1)} kB`, '');
  await startTerminal(page, 'sh:1');
  note('script with a terminal, gzip', `${((await loaded(page, '.js')) / 1000).toFixed(1)} kB`, '');
});

test('tasks of the page while a terminal floods and an agent says 500 things a second', async ({ site }) => {
  const page = await site.person();
  await startTerminal(page, 'sh:1');
  const alone = await tasks(page, async () => {
    await type(page, 'sh:1', 'seq 1 2000000; echo flood-$((1+1))\n');
    await expect(terminal(page, 'sh:1')).toContainText('flood-2', { timeout: 60_000 });
  });
  note('longest task, a terminal floods (15 MB)', words(alone), '< 100 ms');
  await page.keyboard.press('Alt+Shift+ArrowRight');
  site.here.qd('run', '--detach', '--agent', ACP_AGENT, '--label', 'talker', 'flood 5000');
  await row(page, 'talker').click();
  await expect(page.getByRole('log')).toContainText('word100 ');
  const both = await tasks(page, async () => {
    await type(page, 'sh:1', 'for i in 1 2 3; do seq 1 2000000; done; echo both-$((1+1))\n');
    await expect(page.getByRole('log')).toContainText('word4999', { timeout: 60_000 });
  });
  note('longest task, a terminal floods beside an agent with 500 events a second', words(both), '< 100 ms');
  expect(both.longestMs).toBeLessThan(100);
});

const words = ({ longestMs, longTasksMs }: { longestMs: number; longTasksMs: number[] }): string =>
  `${Math.round(longestMs)} ms of processor time; by the wall ${longTasksMs.length} over 50 ms, the longest ${Math.round(Math.max(0, ...longTasksMs))} ms`;

test.afterAll(() => {
  if (!process.env.QD_BENCH_WRITE) return;
  const text = readFileSync(TARGET, 'utf8');
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`${TARGET} has no place for it`);
  const head = `${cpus()[0]?.model.trim() ?? 'unknown'}, ${cpus().length} cores, Chromium without a graphics card.`;
  const table = ['| | measured | goal |', '|---|---|---|', ...rows].join('\n');
  writeFileSync(TARGET, `${text.slice(0, begin)}${BEGIN}\n${head}\n\n${table}\n${text.slice(end)}`);
});
