// Settings → Instances: what else runs on the hub's machine, and the way to its page.
import type { Locator, Page } from '@playwright/test';
import { expect, look, PHONE, row, test as base } from './fixtures';

/** Ends what a test started beside the instance of the fixture. */
const test = base.extend<{ others: string[] }>({
  others: async ({ site }, use) => {
    const others: string[] = [];
    await use(others);
    for (const name of others) {
      const { sessions } = site.here.qdJson<{ sessions: { session: string }[] }>('--instance', name, 'ls');
      for (const { session } of sessions) site.here.qd('--instance', name, 'stop', session, '--now', '--reason', 'the test is over');
      site.here.qd('--instance', name, 'down');
    }
  },
});

async function instances(page: Page): Promise<Locator> {
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('tab', { name: 'Instances' }).click();
  return page.getByRole('list', { name: 'Instances' });
}

test('another instance is switched to and opened in a new window, logged in each time', async ({ site, others }) => {
  others.push('work');
  site.here.qd('run', '--detach', '--label', 'alpha', '--', 'sleep', '9999');
  site.here.qd('--instance', 'work', 'run', '--detach', '--label', 'beta', '--', 'sleep', '9999');
  const page = await site.person();
  const list = await instances(page);
  await expect(list.getByRole('listitem')).toHaveCount(2);
  const own = list.getByRole('listitem', { name: 'default' });
  await expect(own).toContainText('this one');
  await expect(own).toContainText(/running since .* · 1 session/);
  await expect(own.getByRole('button', { name: 'Switch' })).toHaveCount(0);
  const work = list.getByRole('listitem', { name: 'work' });
  await expect(work).toContainText('its page is not served · 1 session');
  await expect(work).toContainText(site.here.home);
  await expect(work).toContainText(/version \d/);
  await expect(page.getByText('This is the only instance')).toHaveCount(0);
  await look(page, 'instances');

  const [window] = await Promise.all([
    page.context().waitForEvent('page'),
    page.getByRole('button', { name: 'Open work in a new window' }).click(),
  ]);
  site.watch(window);
  await expect(row(window, 'beta')).toBeVisible();
  expect(new URL(window.url()).hash).toBe('');
  expect(await window.evaluate(() => window.opener as unknown)).toBe(null);
  await expect(page.getByText('work opens in a new window')).toBeVisible();
  await expect(work).toContainText(/running since/);
  await expect(work).not.toContainText('its page is not served');

  await page.getByRole('button', { name: 'Switch to work' }).click();
  await expect(row(page, 'beta')).toBeVisible();
  await expect(row(page, 'alpha')).toHaveCount(0);
  expect(page.url()).not.toContain(site.here.address);
  expect(new URL(page.url()).hash).toBe('');
  // and back, by the same button of the other page
  await instances(page);
  await page.getByRole('button', { name: 'Switch to default' }).click();
  await expect(row(page, 'alpha')).toBeVisible();
});

test('the only instance says so; a new one is made by a name that is one', async ({ site, others }) => {
  const page = await site.person();
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox').fill('instances');
  await page.keyboard.press('Enter');
  await expect(page.getByText('This is the only instance on this machine.')).toBeVisible();
  await look(page, 'instances-only');
  const name = page.getByLabel('Name of the new instance');
  await name.fill('My App');
  await name.press('Enter');
  await expect(page.getByRole('alert')).toContainText('is not canonical');
  await expect(page.getByRole('alert')).toContainText('did you mean: my-app');
  await expect(name).toHaveAttribute('aria-invalid', 'true');
  await look(page, 'instances-refused');
  others.push('my-app');
  await name.fill('my-app');
  await expect(page.getByRole('alert')).toHaveCount(0);
  await page.getByRole('button', { name: 'New', exact: true }).last().click();
  const list = page.getByRole('list', { name: 'Instances' });
  await expect(list.getByRole('listitem', { name: 'my-app' })).toContainText(/^my-app\s*running since/, { timeout: 30_000 });
  await expect(page.getByText('This is the only instance')).toHaveCount(0);

  // what changes elsewhere is seen by Refresh
  site.here.qd('--instance', 'my-app', 'down');
  await page.getByRole('button', { name: 'Refresh the instances' }).click();
  await expect(list.getByRole('listitem', { name: 'my-app' })).toContainText('stopped');
  await page.getByRole('button', { name: 'Switch to my-app' }).click();
  await expect(page.getByText('Nothing runs yet.')).toBeVisible({ timeout: 30_000 });
});

test('on a phone all of it fits, and who may not open any is offered nothing', async ({ site }) => {
  const page = await site.person({ scopes: ['read'], context: PHONE });
  const list = await instances(page);
  await expect(list.getByRole('listitem')).toHaveCount(1);
  await expect(page.getByText('which this login lacks')).toBeVisible();
  await expect(list.getByRole('button')).toHaveCount(0);
  const admin = await site.person({ context: PHONE });
  await instances(admin);
  await expect(admin.getByRole('button', { name: 'Open default in a new window' })).toBeVisible();
  await look(admin, 'phone-instances');
  for (const one of await admin.getByRole('dialog').locator('button, input').all()) {
    const { x, width } = (await one.boundingBox()) ?? { x: -1, width: 0 };
    expect(x).toBeGreaterThanOrEqual(0);
    expect(x + width).toBeLessThanOrEqual(PHONE.viewport.width);
  }
});
