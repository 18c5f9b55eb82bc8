// Several machines behind a hub. Needs a `qd` that has one.
import { test as base } from '@playwright/test';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { ALL_SCOPES, QD, Relay } from './relay';
import { expect, finish, look, PHONE, PROMPT, row, serve, Site, startTerminal, terminal, type } from './fixtures';

const hasHub = /^ {2}up /m.test(execFileSync(QD, ['--help'], { encoding: 'utf8' }));

/** A hub on a first machine, `here`, and a second one, `there`, that is paired with it. */
const test = base.extend<{ machines: { site: Site; here: Relay; there: Relay } }>({
  machines: async ({ browser }, use) => {
    const [here, there] = [new Relay(), new Relay([])];
    await Promise.all([here.start(), there.start()]);
    const said = here.qd('up', '--listen', '127.0.0.1:0');
    const address = /http:\/\/([\d.:]+)\//.exec(said)?.[1];
    const line = /\S+#sha256:\S+#\S+/.exec(there.qd('relay', 'pair'))?.[0] ?? '';
    here.qdWith(`${line}\n`, 'machine', 'add', '--label', 'there');
    const hub = `unix:${join(here.home, 'instances/default/hub.sock')}`;
    const issuer = {
      token: (name: string, scopes: string[]) =>
        here.qdJson<{ token: string }>('--url', hub, 'token', 'create', name, ...scopes.flatMap((scope) => ['--scope', scope])).token,
    };
    const server = await serve(`ws://${address}`);
    const site = new Site(here, server.url, browser, issuer);
    await use({ site, here, there });
    await finish(site, browser, [() => server.close(), () => there.close(), () => here.close()]);
  },
});

test.describe('with a hub', () => {
  test.skip(!hasHub, 'this qd has no hub');

  test('every machine is on the page, and a session is started on a chosen one', async ({ machines: { site, there } }) => {
    const page = await site.person({ scopes: ALL_SCOPES });
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

  test('a machine that is lost is shown so, and what was open goes on when it is back', async ({ machines: { site, there } }) => {
    there.qd('run', '--detach', '--label', 'far:1', '--', 'bash', '--norc');
    const page = await site.person();
    await row(page, 'far:1').click();
    await expect(terminal(page, 'far:1')).toContainText(PROMPT);
    await type(page, 'far:1', 'echo before-$((1+1))\n');
    await expect(terminal(page, 'far:1')).toContainText('before-2');
    await there.kill();
    await expect(page.getByText('Its machine cannot be seen now')).toBeVisible({ timeout: 30_000 });
    await expect(row(page, 'far:1')).toContainText('unreachable');
    await look(page, 'hub-lost');
    await there.start();
    await expect(page.getByText('nothing missed')).toBeVisible({ timeout: 45_000 });
    await type(page, 'far:1', 'echo after-$((2+2))\n');
    await expect(terminal(page, 'far:1')).toContainText('after-4');
    await expect(terminal(page, 'far:1')).toContainText('before-2');
  });
});
