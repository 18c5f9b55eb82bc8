import type { Page } from '@playwright/test';
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, look, row, startTerminal, terminal, test, type } from './fixtures';

/** Drops files on a pane as a person does. */
async function drop(page: Page, label: string, files: { name: string; type: string; text: string }[]): Promise<void> {
  const data = await page.evaluateHandle((given) => {
    const transfer = new DataTransfer();
    for (const { name, type, text } of given) transfer.items.add(new File([text], name, { type }));
    return transfer;
  }, files);
  const pane = page.getByRole('region', { name: label, exact: true });
  await pane.dispatchEvent('dragover', { dataTransfer: data });
  await expect(page.getByText(`Drop to upload to ${label}`)).toBeVisible();
  await pane.dispatchEvent('drop', { dataTransfer: data });
}

test('files that are dropped on a terminal are uploaded, and their paths typed', async ({ site }) => {
  const page = await site.person();
  await startTerminal(page, 'sh:1');
  await type(page, 'sh:1', 'wc -c ');
  const large = 'x'.repeat(700_001);
  await drop(page, 'sh:1', [
    { name: 'some notes.txt', type: 'text/plain', text: 'hello' },
    { name: 'large.bin', type: '', text: large },
  ]);
  await expect(terminal(page, 'sh:1')).toContainText('large.bin');
  await look(page, 'upload-terminal');
  await type(page, 'sh:1', '\n');
  await expect(terminal(page, 'sh:1')).toContainText(/5 .*some_notes\.txt/);
  await expect(terminal(page, 'sh:1')).toContainText(/700001 .*large\.bin/);
  const { sessions } = site.here.qdJson<{ sessions: { session: string }[] }>('ls');
  const file = join(site.here.home, 'instances/default/sessions', sessions[0]!.session, 'uploads/some_notes.txt');
  expect(readFileSync(file, 'utf8')).toBe('hello');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(statSync(dirname(file)).mode & 0o777).toBe(0o700);
});

test('who follows uploads too, but types nothing; who may only read does neither', async ({ site }) => {
  const owner = await site.person();
  await startTerminal(owner, 'sh:1');
  const follower = await site.person();
  await row(follower, 'sh:1').click();
  await drop(follower, 'sh:1', [{ name: 'a.txt', type: 'text/plain', text: 'a' }]);
  await expect(follower.getByText(/The file is at .*a\.txt/)).toBeVisible();
  await expect(terminal(owner, 'sh:1')).not.toContainText('a.txt');
  const reader = await site.person({ principal: 'rita', scopes: ['read'] });
  await row(reader, 'sh:1').click();
  const data = await reader.evaluateHandle(() => {
    const transfer = new DataTransfer();
    transfer.items.add(new File(['b'], 'b.txt'));
    return transfer;
  });
  const pane = reader.getByRole('region', { name: 'sh:1', exact: true });
  await pane.dispatchEvent('dragover', { dataTransfer: data });
  await expect(reader.getByText('Your credential may only watch.')).toBeVisible();
  await pane.dispatchEvent('drop', { dataTransfer: data });
  await expect(reader.getByText('Not uploaded: Your credential may only watch.')).toBeVisible();
});

test('files that are dropped on an agent go with the next message', async ({ site }) => {
  site.here.qd('run', '--detach', '--agent', 'claude', '--label', 'claude:1', 'say ready');
  const page = await site.person();
  await row(page, 'claude:1').click();
  await expect(page.getByRole('log')).toContainText('ready');
  await drop(page, 'claude:1', [{ name: 'notes.txt', type: 'text/plain', text: 'read me' }]);
  await expect(page.getByRole('list', { name: 'Files' })).toContainText('notes.txt');
  await drop(page, 'claude:1', [{ name: 'wrong.txt', type: 'text/plain', text: 'not this one' }]);
  await page.getByRole('button', { name: 'Take wrong.txt away' }).click();
  await page.getByLabel(/^Message to/).fill('say seen');
  await look(page, 'upload-agent');
  await page.getByRole('button', { name: 'Send', exact: true }).click();
  const log = page.getByRole('log');
  await expect(log).toContainText('seen');
  await expect(log).toContainText('notes.txt');
  await expect(log).not.toContainText('wrong.txt');
  await expect(page.getByRole('list', { name: 'Files' })).toHaveCount(0);
});

test('a file that is too large says so, and a relay that is killed costs nothing but time', async ({ site }) => {
  const page = await site.person();
  await startTerminal(page, 'sh:1');
  await drop(page, 'sh:1', [{ name: 'huge.bin', type: '', text: 'x'.repeat(10 * 1024 * 1024 + 1) }]);
  await expect(page.getByRole('list', { name: 'Files' })).toContainText('more than 10 MiB');
  await page.getByRole('button', { name: 'Take huge.bin away' }).click();
  await site.here.kill();
  await expect(page.getByText(/^Reconnecting/)).toBeVisible();
  await site.here.start();
  await page.getByRole('button', { name: 'Retry now' }).click({ timeout: 2_000 }).catch(() => undefined);
  await expect(page.getByText('nothing missed')).toBeVisible({ timeout: 30_000 });
  await type(page, 'sh:1', 'cat ');
  await drop(page, 'sh:1', [{ name: 'after.txt', type: 'text/plain', text: 'it came after the crash' }]);
  await expect(terminal(page, 'sh:1')).toContainText('after.txt');
  await type(page, 'sh:1', '\n');
  await expect(terminal(page, 'sh:1')).toContainText('it came after the crash');
});

test('a directory is completed while it is typed', async ({ site }) => {
  for (const name of ['work/project/.git', 'work/profile', 'work/.hidden']) mkdirSync(join(site.here.home, name), { recursive: true });
  const page = await site.person();
  await page.getByRole('button', { name: 'New session' }).first().click();
  await page.getByRole('radio', { name: 'Terminal' }).click();
  const field = page.getByLabel('Directory', { exact: true });
  await field.fill('~/wo');
  await page.getByRole('option', { name: 'work' }).click();
  await expect(field).toHaveValue(join(site.here.home, 'work/'));
  await expect(page.getByRole('option')).toHaveText([/profile/, /project.*git/]);
  await look(page, 'directory');
  await field.pressSequentially('pro');
  await expect(page.getByRole('option')).toHaveCount(2);
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await expect(field).toHaveValue(join(site.here.home, 'work/project/'));
  await page.getByLabel('Command').fill('pwd; exec sh');
  await page.getByLabel('Command').fill('bash --norc');
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  await expect(row(page, 'bash')).toBeVisible();
  const { sessions } = site.here.qdJson<{ sessions: { cwd: string; project: string }[] }>('ls');
  expect(sessions[0]?.cwd).toBe(join(site.here.home, 'work/project'));
  expect(sessions[0]?.project).toBe(sessions[0]?.cwd);
  expect(existsSync(join(site.here.home, 'work/project/.git/HEAD'))).toBe(false);
});
