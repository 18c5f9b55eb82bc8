// Settings → Hooks: who outside is told, and how that fares, against a server that listens.
import { createServer, type Server } from 'node:http';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { test as base, expect, finish, look, Site } from './fixtures';
import { Machine } from './machine';

/** Takes what hooks say, and answers as it is told to. */
class Outside {
  readonly heard: { event: string; title: string }[] = [];
  status = 204;
  #server: Server = createServer((request, response) => {
    let body = '';
    request.on('data', (bytes: Buffer) => (body += bytes.toString()));
    request.on('end', () => {
      this.heard.push(JSON.parse(body) as { event: string; title: string });
      response.writeHead(this.status).end();
    });
  });

  start(): Promise<string> {
    return new Promise((resolve) => {
      this.#server.listen(0, '127.0.0.1', () => {
        const address = this.#server.address();
        resolve(`http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/told`);
      });
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}

const test = base.extend<{ told: { site: Site; outside: Outside } }>({
  told: async ({ browser }, use) => {
    const [here, outside] = [new Machine(), new Outside()];
    const hook = `\n[[hooks.to]]\nname = "log"\nkind = "webhook"\nurl = "${await outside.start()}"\non = ["turn.ended"]\n`;
    appendFileSync(join(here.home, 'instances/default/config.toml'), hook);
    here.up();
    const site = new Site(here, browser);
    await use({ site, outside });
    await finish(site, browser, [() => here.close(), () => outside.close()]);
  },
});

test('who is told outside stands in a list, and a test says whether it is taken', async ({ told: { site, outside } }) => {
  const page = await site.person();
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('tab', { name: 'Hooks' }).click();
  const log = page.getByRole('listitem', { name: 'log' });
  await expect(log).toContainText('webhook');
  await expect(log).toContainText('when a turn ended');
  await expect(log).toContainText('nothing was told yet');
  await log.getByRole('button', { name: 'Send a test' }).click();
  await expect(log.getByRole('status')).toContainText('it was taken within');
  expect(outside.heard).toHaveLength(1);
  await look(page, 'hooks');

  outside.status = 403;
  await log.getByRole('button', { name: 'Send a test' }).click();
  await expect(log.getByRole('status')).toContainText('403');
});

test('who may not change machines sees who is told, and sends nothing', async ({ told: { site, outside } }) => {
  const page = await site.person({ scopes: ['read'] });
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('tab', { name: 'Hooks' }).click();
  await expect(page.getByRole('listitem', { name: 'log' })).toContainText('webhook');
  await expect(page.getByRole('button', { name: 'Send a test' })).toHaveCount(0);
  expect(outside.heard).toEqual([]);
});
