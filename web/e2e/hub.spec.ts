// Several machines behind a hub.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Machine, network } from './machine';
import { CutLine } from './line';
import { test as base, expect, finish, look, PHONE, PROMPT, row, Site, startTerminal, terminal, type } from './fixtures';

/** A hub on a first machine, and a second one, `there`, at the other end of a line that can be cut. */
const test = base.extend<{ machines: { site: Site; here: Machine; there: Machine; line: CutLine } }>({
  machines: async ({ browser }, use) => {
    const [here, there] = [new Machine(), new Machine()];
    const site = new Site(here, browser);
    const ends = [() => here.close(), () => there.close()];
    try {
      there.startRelay('--listen', '127.0.0.1:0');
      const line = new CutLine(network(there));
      ends.push(() => line.close());
      const at = await line.start();
      here.up();
      await here.add(there, 'there', at);
      await use({ site, here, there, line });
    } finally {
      await finish(site, browser, ends);
    }
  },
});

test('every machine is on the page, and a session is started on a chosen one', async ({ machines: { site, there } }) => {
  const page = await site.person();
  await expect(page.getByRole('button', { name: 'New session on there' })).toBeVisible();
  await page.getByRole('button', { name: 'New session on there' }).click();
  await page.getByLabel('Command').fill('bash --norc');
  await page.getByText('More', { exact: true }).click();
  await page.getByLabel('Label').fill('far:1');
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  await expect(terminal(page, 'far:1')).toContainText(PROMPT);
  await type(page, 'far:1', 'echo far-$((1+1))\n');
  await expect(terminal(page, 'far:1')).toContainText('far-2');
  expect(there.qd('ls')).toContain('far:1');
  await startTerminal(page, 'near:1');
  await look(page, 'hub');
});

test('who waits is one queue over all machines', async ({ machines: { site, here, there } }) => {
  here.qd('run', '--detach', '--agent', 'claude', '--label', 'near', 'ask touch near');
  there.qd('run', '--detach', '--agent', 'claude', '--label', 'far', 'ask touch far');
  const page = await site.person({ context: PHONE });
  await page.getByRole('button', { name: /Needs you/ }).tap();
  await expect(page.getByRole('article')).toHaveCount(2);
  for (const name of ['near', 'far']) {
    await page.getByRole('article', { name: new RegExp(`^${name} asks`) }).getByRole('button', { name: 'Allow', exact: true }).tap();
  }
  await expect(page.getByText('Nobody waits for you.')).toBeVisible();
});

test('a machine whose line is cut is shown so, and what was open goes on when it is mended', async ({ machines: { site, there, line } }) => {
  there.qd('run', '--detach', '--label', 'far:1', '--', 'bash', '--norc');
  const page = await site.person();
  await row(page, 'far:1').click();
  await expect(terminal(page, 'far:1')).toContainText(PROMPT);
  await type(page, 'far:1', 'echo before-$((1+1))\n');
  await expect(terminal(page, 'far:1')).toContainText('before-2');
  // it goes on while nobody can see it, and nothing of that is lost
  await type(page, 'far:1', 'sleep 3; echo meanwhile-$((3+3))\n');
  await expect(terminal(page, 'far:1')).toContainText('sleep 3');
  line.cut();
  await expect(page.getByText('Its machine cannot be seen now')).toBeVisible({ timeout: 30_000 });
  await expect(row(page, 'far:1')).toContainText('unreachable');
  await look(page, 'hub-lost');
  await expect.poll(() => there.qd('logs', 'far:1')).toContain('meanwhile-6');
  line.mend();
  await expect(page.getByText('nothing missed')).toBeVisible({ timeout: 45_000 });
  await type(page, 'far:1', 'echo after-$((2+2))\n');
  await expect(terminal(page, 'far:1')).toContainText('after-4');
  for (const shown of ['before-2', 'meanwhile-6']) await expect(terminal(page, 'far:1')).toContainText(shown);
});

test('who missed more than is shown again is told how much', async ({ machines: { site, there, line } }) => {
  there.qd('run', '--detach', '--label', 'far:1', '--', 'bash', '--norc');
  const page = await site.person();
  await row(page, 'far:1').click();
  await expect(terminal(page, 'far:1')).toContainText(PROMPT);
  await type(page, 'far:1', 'sleep 3; seq 1 2000000; echo all-$((1+1)); touch ~/all-done\n');
  await expect(terminal(page, 'far:1')).toContainText('sleep 3');
  line.cut();
  await expect(row(page, 'far:1')).toContainText('unreachable', { timeout: 30_000 });
  await expect.poll(() => existsSync(join(there.home, 'all-done')), { timeout: 45_000 }).toBe(true);
  line.mend();
  await expect(page.getByText(/gap of [\d.,]+ (kB|MB|bytes)/)).toBeVisible({ timeout: 45_000 });
  await look(page, 'hub-gap');
  for (const shown of ['2000000', 'all-2']) await expect(terminal(page, 'far:1')).toContainText(shown);
});

test('a relay that is killed comes back with its sessions', async ({ machines: { site, there } }) => {
  there.qd('run', '--detach', '--label', 'far:1', '--', 'bash', '--norc');
  const page = await site.person();
  await row(page, 'far:1').click();
  await expect(terminal(page, 'far:1')).toContainText(PROMPT);
  const listens = network(there);
  await there.killRelay();
  await expect(row(page, 'far:1')).toContainText('unreachable', { timeout: 30_000 });
  there.startRelay('--listen', listens);
  await expect(page.getByText('nothing missed')).toBeVisible({ timeout: 45_000 });
  await type(page, 'far:1', 'echo after-$((2+2))\n');
  await expect(terminal(page, 'far:1')).toContainText('after-4');
});
