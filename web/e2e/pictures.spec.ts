// `npm run pictures`: the pictures of the docs, of a real hub with two machines. Not a part of `npm run e2e`.
import { test as base, type Page } from '@playwright/test';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ACP_AGENT, expect, finish, PHONE, PROMPT, row, Site, terminal, type } from './fixtures';
import { Machine } from './machine';

const PICTURES = join(import.meta.dirname, '../../docs/pictures');
const DESK = { viewport: { width: 1400, height: 800 } };

/** A hub on this machine, another machine beside it, work on both. */
const test = base.extend<{ site: Site; there: Machine }>({
  there: async ({ browser: _ }, use) => {
    const there = new Machine();
    try {
      there.startRelay('--listen', '127.0.0.1:0');
      await use(there);
    } finally {
      await there.close();
    }
  },
  site: async ({ browser, there }, use) => {
    const here = new Machine();
    const site = new Site(here, browser);
    try {
      here.up();
      await here.add(there, 'buildbox');
      await use(site);
    } finally {
      await finish(site, browser, [() => here.close()]);
    }
  },
});

/** A project with a change that is not committed. */
function project(machine: Machine, name: string): string {
  const at = join(machine.home, name);
  mkdirSync(join(at, 'src'), { recursive: true });
  const git = (...words: string[]) =>
    execFileSync('git', ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org', ...words], { cwd: at, env: { PATH: process.env.PATH, HOME: at } });
  git('init', '-q', '-b', 'main');
  writeFileSync(join(at, 'src/date.rs'), 'pub fn parse(text: &str) -> Option<Date> {\n    let mut parts = text.split(\'-\');\n    let year = parts.next()?.parse().ok()?;\n    Some(Date { year })\n}\n');
  git('add', '.');
  git('commit', '-q', '-m', 'first');
  writeFileSync(join(at, 'src/date.rs'), 'pub fn parse(text: &str) -> Result<Date, ParseDateError> {\n    let mut parts = text.splitn(3, \'-\');\n    let year = next(&mut parts, "year")?;\n    Date::new(year)\n}\n');
  writeFileSync(join(at, 'notes.md'), '# Dates\n\n- say what is missing\n');
  return at;
}

const shoot = (page: Page, name: string) => page.screenshot({ path: join(PICTURES, `${name}.png`), animations: 'disabled' });

/** The page with a terminal beside an agent that asks. */
async function atWork(page: Page): Promise<void> {
  await row(page, 'api:1').click();
  await expect(terminal(page, 'api:1')).toContainText(PROMPT);
  await page.keyboard.press('Alt+Shift+ArrowRight');
  await row(page, 'dates').click();
  await expect(page.getByRole('log')).toContainText('waits for you');
}

for (const colorScheme of ['light', 'dark'] as const) {
  test(`the page, ${colorScheme}`, async ({ site, there }) => {
    const dates = project(site.here, 'dates');
    const api = project(there, 'api');
    there.qd('run', '--detach', '--label', 'api:1', '--cwd', api, '--', 'bash', '--norc');
    there.qd('run', '--detach', '--label', 'logs', '--cwd', api, '--', 'sh', '-c', 'while sleep 5; do date; done');
    site.here.qd('run', '--detach', '--label', 'shell:1', '--', 'bash', '--norc');
    site.here.qd('run', '--detach', '--agent', ACP_AGENT, '--label', 'dates', '--cwd', dates, 'Make the date parser say what is wrong.');
    there.qd('run', '--detach', '--agent', 'claude', '--label', 'claude:1', '--cwd', api, 'ask git push origin main');
    const page = await site.person({ context: { ...DESK, colorScheme } });
    await atWork(page);
    await page.getByRole('button', { name: 'Fit to my screen' }).click();
    await type(page, 'api:1', `PS1='$ '; clear\n`);
    await type(page, 'api:1', 'git status --short && ls --color=always -a\n');
    await expect(terminal(page, 'api:1')).toContainText('notes.md');
    await page.getByRole('region', { name: 'dates', exact: true }).getByLabel(/^Message to/).focus();
    await shoot(page, `page-${colorScheme}`);
    if (colorScheme === 'dark') return;
    await page.getByRole('region', { name: 'dates', exact: true }).getByRole('button', { name: 'Changes' }).click();
    await expect(page.getByRole('region', { name: 'Changes of dates' })).toContainText('ParseDateError');
    await shoot(page, 'changes');
    await page.getByRole('button', { name: 'Settings' }).click();
    await expect(page.getByRole('listitem', { name: 'buildbox' })).toContainText('paired');
    await shoot(page, 'machines');
  });
}

test('a team', async ({ site }) => {
  site.here.qd('run', '--detach', '--label', 'deploy', '--', 'bash', '--norc');
  const ann = await site.person({ principal: 'ann', context: { ...DESK, colorScheme: 'light' } });
  await row(ann, 'deploy').click();
  await expect(terminal(ann, 'deploy')).toContainText(PROMPT);
  const bob = await site.person({ principal: 'bob', scopes: ['read', 'drive'], context: { ...DESK, colorScheme: 'light' } });
  await row(bob, 'deploy').click();
  await expect(terminal(bob, 'deploy')).toContainText(PROMPT);
  await type(bob, 'deploy', 'x');
  await shoot(bob, 'follower');
  await bob.getByRole('button', { name: 'Ask for it' }).click();
  await expect(ann.getByText('asks for')).toBeVisible();
  await shoot(ann, 'asked');
});

test('a phone', async ({ site, there }) => {
  there.qd('run', '--detach', '--agent', 'claude', '--label', 'claude:1', 'ask git push origin main');
  const page = await site.person({ context: { ...PHONE, deviceScaleFactor: 1, colorScheme: 'light' } });
  await page.getByRole('button', { name: /Needs you/ }).tap();
  await expect(page.getByRole('article')).toContainText('git push');
  await shoot(page, 'phone');
});
