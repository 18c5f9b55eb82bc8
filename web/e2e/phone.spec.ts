import { expect, look, PHONE, PROMPT, startTerminal, terminal, test } from './fixtures';

test('a phone types with its row of keys, and changes no size by looking', async ({ site }) => {
  site.here.qd('run', '--detach', '--label', 'desk', '--', 'bash', '--norc');
  const page = await site.person({ context: PHONE });
  await page.locator('[data-row]').filter({ hasText: 'desk' }).tap();
  await expect(terminal(page, 'desk')).toContainText(PROMPT);
  await look(page, 'phone-letterbox');
  const { cols } = site.here.qdJson<{ sessions: { size: { cols: number } }[] }>('ls').sessions[0]!.size;
  expect(cols).toBe(80);
  await page.getByRole('button', { name: 'Back to the sessions' }).tap();

  await startTerminal(page, 'mine');
  await page.locator('[data-terminal="mine"] textarea').focus();
  await page.keyboard.type('cat');
  await page.keyboard.press('Enter');
  await page.keyboard.type('typed');
  await page.getByRole('button', { name: 'Control, for the next key' }).tap();
  await page.keyboard.type('c');
  await expect(terminal(page, 'mine')).toContainText('^C');
  await page.getByRole('button', { name: 'Up', exact: true }).tap();
  await expect(terminal(page, 'mine')).toContainText(/[$#] cat\s*$/);
  await look(page, 'phone-terminal');
});
