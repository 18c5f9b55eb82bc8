import { ACP_AGENT, expect, look, PHONE, row, test } from './fixtures';

test('a prompt is answered by one key, everywhere at once', async ({ site }) => {
  site.here.qd('run', '--detach', '--agent', 'claude', '--label', 'claude:1', 'ask touch here; say done with it');
  const page = await site.person();
  const watcher = await site.person();
  await row(watcher, 'claude:1').click();
  await expect(page.getByRole('article')).toContainText('touch here');
  await page.keyboard.press('Control+Shift+Enter');
  await page.keyboard.press('1');
  await expect(page.getByText('Nobody waits', { exact: true })).toBeVisible();
  await expect(watcher.getByRole('log')).toContainText('done with it');
  await expect(watcher.getByRole('log')).toContainText('touch here: Allow, by');
});

test('a question is answered by its form', async ({ site }) => {
  site.here.qd('run', '--detach', '--agent', 'claude', '--label', 'claude:1', 'question Go on?');
  const page = await site.person();
  const card = page.getByRole('article');
  await expect(card).toContainText('Go on?');
  await look(page, 'question');
  await card.getByLabel('yes').check();
  await card.getByRole('button', { name: 'Answer' }).click();
  await expect(page.getByText('Nobody waits', { exact: true })).toBeVisible();
});

test('a denial takes a reason to the agent', async ({ site }) => {
  site.here.qd('run', '--detach', '--agent', 'claude', '--label', 'claude:1', 'ask rm it');
  const page = await site.person();
  await row(page, 'claude:1').click();
  await page.getByLabel('Needs you').getByRole('article').focus();
  await page.keyboard.press('d');
  await page.keyboard.type('use mv');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('log')).toContainText('denied: use mv');
});

test('a conversation shows its plan, changes, money and text, and runs nothing of it', async ({ site }) => {
  const page = await site.person();
  await page.getByRole('button', { name: 'New session' }).first().click();
  await page.getByRole('radio', { name: 'Agent' }).click();
  await page.getByRole('radio', { name: 'Another…' }).click();
  await page.getByLabel('Name or command').fill(ACP_AGENT);
  await page.getByLabel('Task').fill('Make the date parser say what is wrong.');
  await look(page, 'new-agent');
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  const log = page.getByRole('log');
  await expect(log).toContainText('ParseDateError::Missing');
  await page.getByText('Run the tests').click();
  await look(page, 'agent-asks');
  await log.getByRole('button', { name: 'Allow once' }).click();
  await expect(log).toContainText('month out of range');
  await expect(page.getByText('$0.41').first()).toBeVisible();
  await expect(log.locator('script, img')).toHaveCount(0);
  expect(await page.evaluate(() => 'pwned' in window)).toBe(false);
  await look(page, 'agent-done');
  await page.getByLabel(/^Message to/).fill('And now?');
  await page.keyboard.press('Enter');
  await expect(log).toContainText('And now?');
});

test('on a phone a prompt is answered in two taps', async ({ site }) => {
  site.here.qd('run', '--detach', '--agent', 'claude', '--label', 'claude:1', 'ask touch here; say done with it');
  const page = await site.person({ context: PHONE });
  await expect(row(page, 'claude:1')).toContainText('waits for you');
  await look(page, 'phone-sessions');
  await page.getByRole('button', { name: /Needs you/ }).tap();
  await look(page, 'phone-needs');
  await page.getByRole('button', { name: 'Allow', exact: true }).tap();
  await expect(page.getByText('Nobody waits for you.')).toBeVisible();
});

test('an agent that died says what became of its prompt, and goes on when asked to', async ({ site }) => {
  site.here.qd('run', '--detach', '--agent', 'claude', '--label', 'claude:1', 'say hello; exit 3');
  const page = await site.person();
  await expect(page.getByLabel('Needs you')).toContainText('exited 3');
  await page.getByRole('button', { name: /1 ended/ }).click();
  await row(page, 'claude:1').click();
  await page.getByRole('button', { name: 'Go on with it' }).click();
  await expect(page.getByRole('log')).toContainText('Started again');
});
