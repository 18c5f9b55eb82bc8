// Settings → Machines: everything that a hub's machines can be told.
import { test as base, expect, finish, look, Site } from './fixtures';
import { Machine, network } from './machine';

const test = base.extend<{ machines: { site: Site; there: Machine } }>({
  machines: async ({ browser }, use) => {
    const [here, there] = [new Machine(), new Machine()];
    here.up();
    there.startRelay('--listen', '127.0.0.1:0');
    const site = new Site(here, browser);
    await use({ site, there });
    await finish(site, browser, [() => here.close(), () => there.close()]);
  },
});

test('a machine is added by a line, renamed, unlinked, and forgotten', async ({ machines: { site, there } }) => {
  const page = await site.person();
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('radio', { name: 'Pairing line' }).click();
  await page.getByLabel('Line').fill('no line at all');
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await expect(page.getByText(/^The machine was not added/)).toBeVisible();
  await page.getByLabel('Line').fill(there.qdJson<{ line: string }>('relay', 'pair').line);
  await page.getByLabel(/^Name/).fill('dev');
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  const dev = page.getByRole('listitem', { name: 'dev' });
  await expect(dev).toContainText('connected');
  await expect(dev).toContainText('paired');
  await look(page, 'machines');

  await dev.getByLabel('Link it by itself when the hub starts').uncheck();
  await expect.poll(() => site.here.qdJson<{ machines: { label: string; auto_connect: boolean }[] }>('machine', 'ls').machines.find(({ label }) => label === 'dev')?.auto_connect).toBe(false);
  await expect(dev).toContainText('connected');

  await dev.getByRole('button', { name: 'What can be done with dev' }).click();
  await page.getByRole('menuitem', { name: 'Change its pin…' }).click();
  const pin = await page.getByLabel('Pin of its certificate').inputValue();
  await page.getByLabel('Pin of its certificate').fill(`sha256:${'A'.repeat(43)}`);
  await page.getByRole('button', { name: 'Expect this one' }).click();
  await expect(dev).toContainText('refused');
  await dev.getByRole('button', { name: 'What can be done with dev' }).click();
  await page.getByRole('menuitem', { name: 'Change its pin…' }).click();
  await page.getByLabel('Pin of its certificate').fill(pin);
  await page.getByRole('button', { name: 'Expect this one' }).click();
  await expect(dev).toContainText('connected');

  await dev.getByRole('button', { name: 'What can be done with dev' }).click();
  await page.getByRole('menuitem', { name: 'Rename…' }).click();
  await page.getByLabel('New name').fill('buildbox');
  await page.getByRole('button', { name: 'Rename', exact: true }).click();
  const box = page.getByRole('listitem', { name: 'buildbox' });
  await box.getByRole('button', { name: 'Disconnect' }).click();
  await expect(box).toContainText('disconnected');
  await box.getByRole('button', { name: 'Connect', exact: true }).click();
  await expect(box).toContainText('connected');
  await box.getByRole('button', { name: 'What can be done with buildbox' }).click();
  await page.getByRole('menuitem', { name: 'Remove…' }).click();
  await box.getByRole('button', { name: 'Forget it' }).click();
  await expect(box).toHaveCount(0);
});

test('a machine that does not answer says since when and when it is tried again; who may not change it is offered nothing', async ({ machines: { site, there } }) => {
  await site.here.add(there, 'dev');
  const page = await site.person();
  const listens = network(there);
  await there.killRelay();
  const list = page.getByRole('navigation', { name: 'Sessions' });
  await expect(list).toContainText(/unreachable since just now.*tried again/, { timeout: 30_000 });
  await look(page, 'machine-unreachable');
  const reader = await site.person({ scopes: ['read'] });
  await expect(reader.getByText('unreachable since')).toBeVisible();
  await expect(reader.getByRole('button', { name: 'Retry now' })).toHaveCount(0);
  await reader.getByRole('button', { name: 'Settings' }).click();
  await expect(reader.getByRole('listitem', { name: 'dev' })).toContainText('unreachable');
  await expect(reader.getByRole('button', { name: /^What can be done with dev/ })).toHaveCount(0);
  there.startRelay('--listen', listens);
  await list.getByRole('button', { name: 'Retry now' }).click({ timeout: 5_000 }).catch(() => undefined);
  await expect(list).not.toContainText('unreachable', { timeout: 45_000 });
});
