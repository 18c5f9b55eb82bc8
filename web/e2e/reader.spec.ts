// The page for those who hear it, and for those who have no mouse.
import type { Page } from '@playwright/test';
import { expect, PROMPT, row, startTerminal, terminal, test, type } from './fixtures';

/** What can be pressed, typed into or entered, and has no name that could be read out. */
async function nameless(page: Page): Promise<string[]> {
  const tree = await page.locator('body').ariaSnapshot();
  const roles = 'button|link|textbox|combobox|checkbox|radio|tab|menuitem|option|slider|dialog|region|separator';
  return tree.split('\n').filter((line) => new RegExp(`^\\s*- (${roles})( \\[[^\\]]*\\])*:?$`).test(line));
}

test('everything that can be used has a name', async ({ site }) => {
  site.here.qd('run', '--detach', '--agent', 'claude', '--label', 'claude:1', 'ask touch here');
  const page = await site.person();
  await expect(page.getByRole('article')).toBeVisible();
  expect(await nameless(page)).toEqual([]);
  await row(page, 'claude:1').click();
  await expect(page.getByRole('log')).toContainText('touch here');
  expect(await nameless(page)).toEqual([]);
  await startTerminal(page, 'sh:1');
  expect(await nameless(page)).toEqual([]);
  for (const open of ['Alt+Shift+N', 'Control+Shift+Space', 'Alt+Shift+/']) {
    await page.keyboard.press(open);
    await expect(page.getByRole('dialog')).toBeVisible();
    expect(await nameless(page)).toEqual([]);
    await page.keyboard.press('Escape');
    await expect(page.getByRole('dialog')).toHaveCount(0);
  }
  await page.keyboard.press('Alt+Shift+M');
  for (const part of ['Held', 'Contacts', 'Write']) {
    await page.getByRole('main').getByRole('button', { name: part, exact: true }).click();
    expect(await nameless(page)).toEqual([]);
  }
  for (const part of ['Machines', 'Access', 'This browser']) {
    await page.getByRole('button', { name: 'Settings', exact: true }).click();
    await page.getByRole('tab', { name: part }).click();
    expect(await nameless(page)).toEqual([]);
    await page.keyboard.press('Escape');
  }
});

test('sessions are started, found, split and left by keys alone', async ({ site }) => {
  const page = await site.person();
  const start = async (label: string): Promise<void> => {
    await page.keyboard.press('Alt+Shift+N');
    await expect(page.getByRole('dialog', { name: 'New session' })).toBeVisible();
    await page.getByLabel('Command').press('Control+A');
    await page.keyboard.type('bash --norc');
    await page.getByText('More', { exact: true }).press('Enter');
    await page.getByLabel('Label').press('Control+A');
    await page.keyboard.type(label);
    await page.keyboard.press('Enter');
    await expect(terminal(page, label)).toContainText(PROMPT, { timeout: 15_000 });
  };
  await start('first');
  await page.keyboard.press('Alt+Shift+ArrowRight');
  await start('second');
  await page.keyboard.press('Alt+Shift+[');
  await page.keyboard.type('echo one-$((1+1))\n');
  await expect(terminal(page, 'first')).toContainText('one-2');
  await page.keyboard.press('Control+Shift+Space');
  await page.keyboard.type('second');
  await page.keyboard.press('Enter');
  await expect(page.locator('.pane.focused')).toContainText('second');
  await page.keyboard.press('Alt+Shift+W');
  await expect(terminal(page, 'second')).toHaveCount(0);
  await expect(row(page, 'second')).toBeVisible();
  await type(page, 'first', 'echo still-$((1+1))\n');
  await expect(terminal(page, 'first')).toContainText('still-2');
});
