// What the page loads, and that it does its work under load. Times are measured by `npm run bench`.
import { ACP_AGENT, expect, PHONE, row, startTerminal, terminal, test, type } from './fixtures';
import { loaded } from './measure';

test('all script before the first pane is below 200 kB', async ({ site }) => {
  const stranger = await site.stranger();
  expect(await loaded(stranger, '.js')).toBeLessThan(200_000);
  const page = await site.person();
  await expect(page.getByText('Nothing runs yet.')).toBeVisible();
  await page.reload();
  await expect(page.getByText('Nothing runs yet.')).toBeVisible();
  expect(await loaded(page, '.js')).toBeLessThan(200_000);
});

test('the page answers while a terminal floods', async ({ site }) => {
  const page = await site.person();
  await startTerminal(page, 'sh:1');
  await type(page, 'sh:1', 'seq 1 2000000; echo flood-$((1+1))\n');
  await page.getByLabel('Filter sessions').fill('sh');
  await expect(row(page, 'sh:1')).toBeVisible();
  await expect(terminal(page, 'sh:1')).toContainText('flood-2', { timeout: 40_000 });
});

test('the page answers while an agent says 500 things a second', async ({ site }) => {
  site.here.qd('run', '--detach', '--agent', ACP_AGENT, '--label', 'talker', 'flood 5000');
  const page = await site.person();
  await row(page, 'talker').click();
  await expect(page.getByRole('log')).toContainText('word100 ');
  await page.getByLabel('Filter sessions').fill('talk');
  await expect(row(page, 'talker')).toBeVisible();
  await expect(page.getByRole('log')).toContainText('word4999', { timeout: 40_000 });
});

test('a phone shows what waits at once after its login', async ({ site }) => {
  site.here.qd('run', '--detach', '--agent', 'claude', '--label', 'claude:1', 'ask touch here');
  const page = await site.person({ context: PHONE });
  await expect(row(page, 'claude:1')).toContainText('waits for you');
  await page.reload();
  await expect(page.locator('nav b')).toHaveText('1');
});
