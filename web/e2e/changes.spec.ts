import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, look, row, terminal, test, type } from './fixtures';

/** A repository with a commit and a change. */
function repository(at: string): void {
  mkdirSync(at, { recursive: true });
  const git = (...words: string[]) =>
    execFileSync('git', ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org', ...words], { cwd: at, env: { PATH: process.env.PATH, HOME: at } });
  git('init', '-q', '-b', 'main');
  writeFileSync(join(at, 'parser.rs'), 'fn parse() {\n    todo\n}\n');
  git('add', '.');
  git('commit', '-q', '-m', 'first');
  writeFileSync(join(at, 'parser.rs'), 'fn parse() {\n    done\n}\n');
}

test('what changed in a session’s directory is a tab beside it, and follows what is done there', async ({ site }) => {
  const project = join(site.here.home, 'project');
  repository(project);
  site.here.qd('run', '--detach', '--label', 'sh:1', '--cwd', project, '--', 'bash', '--norc');
  const page = await site.person();
  await row(page, 'sh:1').click();
  await page.getByRole('button', { name: 'Changes' }).click();
  const changes = page.getByRole('region', { name: 'Changes of sh:1' });
  await expect(changes).toContainText('main');
  await expect(changes).toContainText('parser.rs');
  await expect(changes).toContainText('done');
  await look(page, 'changes');
  writeFileSync(join(project, 'new.txt'), 'a new file\n');
  await changes.getByRole('button', { name: 'Look again' }).click();
  await expect(changes).toContainText('new.txt');
  await changes.getByRole('button', { name: /parser\.rs/ }).click();
  await expect(changes).not.toContainText('done');
  await page.getByRole('button', { name: 'Changes', exact: true }).click();
  await type(page, 'sh:1', 'echo here-$((1+1))\n');
  await expect(terminal(page, 'sh:1')).toContainText('here-2');
});

test('sessions are grouped by their repository, whichever directory or working tree they are in', async ({ site }) => {
  const project = join(site.here.home, 'project');
  repository(project);
  mkdirSync(join(project, 'src'));
  execFileSync('git', ['worktree', 'add', '-q', '../tree', '-b', 'other'], { cwd: project, env: { PATH: process.env.PATH, HOME: project } });
  for (const [label, cwd] of [['top', project], ['below', join(project, 'src')], ['tree', join(site.here.home, 'tree')], ['else', site.here.home]] as const) {
    site.here.qd('run', '--detach', '--label', label, '--cwd', cwd, '--', 'cat');
  }
  const page = await site.person();
  await page.getByRole('button', { name: 'by machine' }).click();
  const list = page.getByRole('navigation', { name: 'Sessions' });
  const group = list.locator('section').filter({ has: page.getByRole('button', { name: /^project/ }) });
  await expect(group.locator('[data-row]')).toHaveCount(3);
  await expect(list.locator('[data-row]')).toHaveCount(4);
  await look(page, 'projects');
});

test('a directory without a repository says so', async ({ site }) => {
  site.here.qd('run', '--detach', '--label', 'sh:1', '--', 'cat');
  const page = await site.person();
  await row(page, 'sh:1').click();
  await page.getByRole('button', { name: 'What can be done with sh:1' }).click();
  await page.getByRole('menuitem', { name: 'Changes in its directory' }).click();
  await expect(page.getByText('is in no git repository')).toBeVisible();
});
