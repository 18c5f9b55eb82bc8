import type { Page } from '@playwright/test';
import { expect, look, PROMPT, row, startTerminal, terminal, test, type } from './fixtures';

test('a wrong token is refused with a reason, and a right one lets in', async ({ site }) => {
  const page = await site.stranger();
  await page.getByLabel('Token').fill(`qdt_${'A'.repeat(43)}`);
  await look(page, 'login');
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(page.getByRole('alert')).toContainText('refuses this browser');
  await page.getByRole('button', { name: 'Log in again' }).click();
  await page.getByLabel('Token').fill(site.here.token('right'));
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(page.getByText('Nothing runs yet.')).toBeVisible();
  await look(page, 'empty');
});

test('a terminal is started, typed into, and shows what comes of it', async ({ site }) => {
  const page = await site.person();
  await startTerminal(page, 'sh:1');
  await type(page, 'sh:1', 'echo $((6*7))-answers\n');
  await expect(terminal(page, 'sh:1')).toContainText('42-answers');
  // it was started from this page, so it has this page's size
  const size = () => site.here.qdJson<{ sessions: { size: { cols: number; rows: number } }[] }>('ls').sessions[0]!.size;
  await expect.poll(() => size().cols).toBeGreaterThan(100);
  await type(page, 'sh:1', 'stty size\n');
  const { cols, rows } = size();
  await expect(terminal(page, 'sh:1')).toContainText(`${rows} ${cols}`);
  await look(page, 'terminal');
});

test('a reload in mid-stream goes on as the same client, with every line', async ({ site }) => {
  const page = await site.person();
  await startTerminal(page, 'sh:1');
  await type(page, 'sh:1', 'for i in $(seq 1 400); do echo n$i; sleep 0.005; done; echo all-$((1+1))\n');
  await expect(terminal(page, 'sh:1')).toContainText('n20');
  await page.reload();
  await expect(terminal(page, 'sh:1')).toContainText('all-2', { timeout: 20_000 });
  await expect(page.getByRole('button', { name: 'Owner: you own it' })).toBeVisible();
  const shown = (await terminal(page, 'sh:1').innerText()).match(/n\d+/g) ?? [];
  const last = shown.map((word) => Number(word.slice(1)));
  expect(last.length).toBeGreaterThan(10);
  expect(last).toEqual(last.map((_, at) => 400 - last.length + 1 + at));
  await type(page, 'sh:1', 'echo still-$((2+2))\n');
  await expect(terminal(page, 'sh:1')).toContainText('still-4');
});

test('a hub that is killed comes back, and the page says that nothing was missed', async ({ site }) => {
  const page = await site.person();
  await startTerminal(page, 'sh:1');
  await site.here.killHub();
  await expect(page.getByText(/^Reconnecting/)).toBeVisible();
  await look(page, 'reconnecting');
  site.here.up();
  await page.getByRole('button', { name: 'Retry now' }).click({ timeout: 2_000 }).catch(() => undefined);
  await expect(page.getByText('nothing missed')).toBeVisible({ timeout: 30_000 });
  await expect(page.getByRole('button', { name: 'Owner: you own it' })).toBeVisible();
  await type(page, 'sh:1', 'echo back-$((3+3))\n');
  await expect(terminal(page, 'sh:1')).toContainText('back-6');
});

test('lines above the screen are there after a new login, older ones by request', async ({ site }) => {
  const first = await site.person();
  await startTerminal(first, 'sh:1');
  await type(first, 'sh:1', 'for i in $(seq 1 3000); do echo row$i; done; echo the-end\n');
  await expect(terminal(first, 'sh:1')).toContainText('the-end');
  const second = await site.person();
  await row(second, 'sh:1').click();
  await expect(terminal(second, 'sh:1')).toContainText('the-end');
  await toTop(second);
  await expect(terminal(second, 'sh:1')).toContainText('row2000');
  await second.getByRole('button', { name: 'Show earlier lines' }).click();
  await expect(terminal(second, 'sh:1')).toContainText('the-end');
  await toTop(second);
  await expect(terminal(second, 'sh:1')).toContainText(/row1\D/);
});

/** Goes up until nothing is above. */
async function toTop(page: Page): Promise<void> {
  await page.locator('[data-terminal="sh:1"] textarea').focus();
  const rows = terminal(page, 'sh:1');
  for (let before = ''; before !== (await rows.innerText()); ) {
    before = await rows.innerText();
    for (let press = 0; press < 20; press++) await page.keyboard.press('Shift+PageUp');
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  }
}

test('many lines are pasted only after they were shown', async ({ site }) => {
  const page = await site.person();
  await startTerminal(page, 'sh:1', 'sh');
  const paste = (text: string) =>
    page.locator('[data-terminal="sh:1"] textarea').evaluate((element, text) => {
      const clipboardData = new DataTransfer();
      clipboardData.setData('text/plain', text);
      element.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }));
    }, text);
  await paste('echo one-$((1+0))');
  await expect(terminal(page, 'sh:1')).toContainText('echo one-');
  await page.keyboard.press('Control+U');
  await paste('echo two-$((1+1))\necho three-$((1+2))\n');
  await expect(page.getByRole('dialog')).toContainText('Paste 2 lines?');
  await look(page, 'paste');
  await expect(terminal(page, 'sh:1')).not.toContainText('echo two');
  await page.getByRole('button', { name: 'Paste', exact: true }).click();
  await expect(terminal(page, 'sh:1')).toContainText('three-3');
});

test('colours of all kinds reach the screen, and text is found in it', async ({ site }) => {
  const page = await site.person();
  await startTerminal(page, 'sh:1');
  await type(page, 'sh:1', "printf '\\e[38;2;10;200;30mgreenish\\e[0m \\e[48;2;90;0;90mback\\e[0m \\e[38;5;208morange\\e[0m\\n'\n");
  const span = (text: string) => terminal(page, 'sh:1').locator('span', { hasText: new RegExp(`^${text}$`) });
  const style = (text: string, name: 'color' | 'backgroundColor') =>
    span(text).evaluate((element, name) => getComputedStyle(element)[name], name);
  await expect(span('greenish')).toBeVisible();
  expect(await style('greenish', 'color')).toBe('rgb(10, 200, 30)');
  expect(await style('back', 'backgroundColor')).toBe('rgb(90, 0, 90)');
  expect(await style('orange', 'color')).toBe('rgb(255, 135, 0)');
  await page.keyboard.press('Control+Shift+F');
  await page.getByLabel('Search in the terminal').fill('greenish');
  await expect(page.getByRole('search')).toContainText('2 of 2');
  await look(page, 'search');
  await page.keyboard.press('Escape');
  await type(page, 'sh:1', 'echo closed-$((1+1))\n');
  await expect(terminal(page, 'sh:1')).toContainText('closed-2');
});

test('panes are split, remembered, and found again by the palette', async ({ site }) => {
  const page = await site.person();
  await startTerminal(page, 'left');
  await page.keyboard.press('Alt+Shift+ArrowRight');
  await startTerminal(page, 'right');
  await page.keyboard.press('Alt+Shift+ArrowDown');
  await startTerminal(page, 'below');
  await look(page, 'split');
  await page.reload();
  for (const label of ['left', 'right', 'below']) await expect(terminal(page, label)).toContainText(PROMPT);
  await page.keyboard.press('Control+Shift+Space');
  await page.keyboard.type('lft');
  await look(page, 'palette');
  await page.keyboard.press('Enter');
  await expect(page.locator('.pane.focused')).toContainText('left');
});

test('a program’s questions are answered by its owner’s page and by nobody’s replay', async ({ site }) => {
  const page = await site.person();
  await startTerminal(page, 'sh:1');
  // asks for the cursor's place, and prints the answer as text
  const question = "IFS= read -rsd R -p $'\\e[6n' answer; echo \"cursor-${#answer}\"; answer=\n";
  await type(page, 'sh:1', question);
  await expect(terminal(page, 'sh:1')).toContainText(/cursor-[5-9]/);
  await page.reload();
  await expect(terminal(page, 'sh:1')).toContainText(/cursor-[5-9]/);
  await type(page, 'sh:1', 'echo quiet-$((4+4))\n');
  await expect(terminal(page, 'sh:1')).toContainText('quiet-8');
  // an answer to the replayed question would have been typed before the command
  await expect(terminal(page, 'sh:1')).not.toContainText('[6n;');
  await expect(terminal(page, 'sh:1')).not.toContainText('command not found');
});

test('what has ended is kept apart, and removed with its log when a person says so', async ({ site }) => {
  for (const label of ['one', 'two']) site.here.qd('run', '--detach', '--label', label, '--', 'sh', '-c', `echo ${label}-was-here`);
  const page = await site.person();
  await page.getByRole('button', { name: '2 ended' }).click();
  await row(page, 'one').click();
  await expect(terminal(page, 'one')).toContainText('one-was-here');
  await look(page, 'ended');
  await page.getByRole('button', { name: 'Remove…' }).click();
  await page.getByRole('button', { name: 'Delete all 2 with their logs' }).click();
  await expect(page.getByText('Nothing runs yet.').or(page.getByText('The session of this pane is gone.'))).toBeVisible();
  await expect.poll(() => site.here.qdJson<{ sessions: unknown[] }>('ls').sessions).toEqual([]);
});
