// Mail for people, between two machines whose relays are linked to one hub.
import type { Page } from '@playwright/test';
import { Machine } from './machine';
import { test as base, expect, finish, look, PHONE, Site } from './fixtures';

interface Whoami {
  address: string;
  fingerprint: string;
}

/** A hub on a first machine, and a second one, of somebody else. */
const test = base.extend<{ two: { site: Site; here: Machine; there: Machine } }>({
  two: async ({ browser }, use) => {
    const [here, there] = [new Machine(), new Machine()];
    const site = new Site(here, browser);
    try {
      there.startRelay('--listen', '127.0.0.1:0');
      here.up();
      await here.add(there, 'there');
      await use({ site, here, there });
    } finally {
      await finish(site, browser, [() => here.close(), () => there.close()]);
    }
  },
});

const whoami = (machine: Machine): Whoami => machine.qdJson<Whoami>('msg', 'whoami');

/** `from` asks `to`, once the hub knows both. */
async function ask(from: Machine, to: Machine, name: string): Promise<void> {
  const { address } = whoami(to);
  const asks = (): string => {
    try {
      return from.qd('msg', 'add', address, '--name', name);
    } catch (error) {
      return String(error);
    }
  };
  await expect.poll(asks, { timeout: 20_000 }).toContain('asked');
}

/** What the other one is called on a machine that knows one. */
const contactOf = (machine: Machine): string | undefined =>
  machine.qdJson<{ contacts: { name: string }[] }>('msg', 'contacts').contacts[0]?.name;

/** Both know each other; there the one here is called `ada`. The name of the other one here. */
async function befriend(here: Machine, there: Machine): Promise<string> {
  await ask(there, here, 'ada');
  await expect.poll(() => contactOf(here)).toBeDefined();
  const name = contactOf(here)!;
  here.qd('msg', 'accept', name);
  await expect.poll(() => there.qd('msg', 'contacts')).toContain('accepted');
  return name;
}

const mailButton = (page: Page) => page.getByRole('banner').getByRole('button', { name: /^Mail: / });
const thread = (page: Page, name: string) => page.getByRole('navigation', { name: 'Threads' }).getByRole('button').filter({ hasText: name });

/** Opens the mail of one machine. */
async function openMail(page: Page, machine?: string): Promise<void> {
  await mailButton(page).click();
  if (machine) await page.getByRole('combobox', { name: 'Machine' }).selectOption({ label: machine });
}

test('a request is accepted, a message comes without asking, and the answer arrives', async ({ two: { site, here, there } }) => {
  const page = await site.person();
  await expect(mailButton(page)).toHaveAccessibleName('Mail: nothing new');
  await ask(there, here, 'ada');
  await expect(mailButton(page)).toHaveAccessibleName('Mail: 1 contact asks');

  await mailButton(page).click();
  await page.getByRole('button', { name: /^Contacts/ }).click();
  const request = page.getByRole('article', { name: /asks to be a contact/ });
  for (const group of whoami(there).fingerprint.split(' ')) await expect(request).toContainText(group);
  await request.getByRole('textbox', { name: 'Name here' }).fill('bob');
  await look(page, 'mail-request');
  await request.getByRole('button', { name: 'Accept' }).click();
  await expect(request).toHaveCount(0);
  await expect(page.getByRole('listitem', { name: 'bob' })).toContainText('contact');
  await expect(mailButton(page)).toHaveAccessibleName('Mail: nothing new');
  await expect(page.getByRole('region', { name: 'Your address' })).toContainText(whoami(here).address);
  await look(page, 'mail-contacts');

  await expect.poll(() => there.qd('msg', 'contacts')).toContain('accepted');
  there.qd('msg', 'send', 'ada/person', 'Is main green?\n<img src=x onerror=alert(1)>');
  await expect(mailButton(page)).toHaveAccessibleName('Mail: 1 unread');
  const row = thread(page, 'Is main green?');
  await expect(row.getByLabel('1 unread')).toBeVisible();
  await expect(row).toContainText('bob');
  expect(there.qd('msg', 'status')).not.toContain('read');
  await row.click();
  const messages = page.getByRole('log');
  await expect(messages).toContainText('<img src=x onerror=alert(1)>');
  await expect(messages.getByRole('article')).toContainText('unchecked');
  await expect(mailButton(page)).toHaveAccessibleName('Mail: nothing new');
  await expect.poll(() => there.qd('msg', 'status')).toContain('read');

  const answer = page.getByRole('textbox', { name: /^Answer to / });
  await answer.fill('It is.');
  await answer.press('Shift+Enter');
  await answer.pressSequentially('Since noon.');
  await answer.press('Enter');
  await expect(answer).toHaveValue('');
  await expect(messages.getByRole('article').last()).toContainText('You');
  await expect.poll(() => there.qd('msg', 'inbox', '--all', '--peek')).toContain('Since noon.');
  await expect(messages.getByRole('article').last()).toContainText('delivered');
  there.qd('msg', 'inbox');
  await expect(messages.getByRole('article').last()).toContainText('read');
  await look(page, 'mail-thread');
});

test('what agents write to each other stands in a thread and stays theirs', async ({ two: { site, here } }) => {
  here.qd('run', '--detach', '--agent', 'claude', '--label', 'one', 'say hello');
  const page = await site.person({ context: { colorScheme: 'light' } });
  await openMail(page);
  await page.getByRole('button', { name: 'Write', exact: true }).click();
  await page.getByRole('combobox', { name: 'To' }).fill('two words');
  await page.getByRole('textbox', { name: 'Message' }).fill('Stop after this file.');
  await page.getByRole('textbox', { name: 'Message' }).press('Enter');
  await expect(page.getByRole('alert')).toContainText('neither a contact nor');
  await page.getByRole('group', { name: 'Who can be written to' }).getByRole('button', { name: 'one' }).click();
  await look(page, 'mail-new');
  await page.getByRole('textbox', { name: 'Message' }).press('Enter');
  const messages = page.getByRole('log', { name: 'Messages with one' });
  await expect(messages).toContainText('Stop after this file.');
  await expect(messages.getByRole('article')).toContainText('delivered');
  await expect(mailButton(page)).toHaveAccessibleName('Mail: nothing new');
  await look(page, 'mail-light');
});

test('held mail is shown with why, let through and discarded', async ({ two: { site, here, there } }) => {
  const name = await befriend(here, there);
  here.qd('msg', 'hold', name);
  here.qd('run', '--detach', '--agent', 'claude', '--label', 'main', 'say hello');
  here.qd('msg', 'send', 'codex:9', 'For a session that does not run.');
  const page = await site.person();
  await openMail(page);
  // what is new on another machine is said where only one of them is shown
  here.qd('msg', 'send', `${name}/person`, 'For the people there.');
  await page.getByRole('button', { name: '1 new on there' }).click();
  await expect(thread(page, 'For the people there.')).toBeVisible();
  there.qd('msg', 'inbox');
  await page.getByRole('combobox', { name: 'Machine' }).selectOption({ index: 0 });
  there.qd('msg', 'send', 'ada/main', 'Let me in.');
  await page.getByRole('button', { name: /^Held/ }).click();
  const held = (text: string) => page.getByRole('list', { name: 'Held mail' }).getByRole('listitem').filter({ hasText: text });
  await expect(held('For a session')).toContainText('no session codex:9 runs');
  await expect(held('Let me in.')).toContainText('somebody is to decide about its sender');
  await expect(mailButton(page)).toHaveAccessibleName('Mail: 2 held');
  await look(page, 'mail-held');
  await held('Let me in.').getByRole('button', { name: 'Let through' }).click();
  await expect(held('Let me in.')).toHaveCount(0);
  await expect.poll(() => there.qd('msg', 'status')).toContain('delivered');
  await expect(held('For a session').getByRole('button', { name: 'Let through' })).toHaveCount(0);
  await held('For a session').getByRole('button', { name: 'Discard' }).click();
  await expect(page.getByText('Nothing is held.')).toBeVisible();
  await expect(mailButton(page)).toHaveAccessibleName('Mail: nothing new');
});

test('a phone reads and answers, of the machine that has something new', async ({ two: { site, here, there } }) => {
  await befriend(here, there);
  const page = await site.person({ context: PHONE });
  const bar = page.getByRole('navigation', { name: 'Parts of the page' });
  there.qd('msg', 'send', 'ada/person', 'A question, while you are away.');
  await expect(bar.getByRole('button', { name: /Mail/ })).toContainText('1');
  await bar.getByRole('button', { name: /Mail/ }).tap();
  await look(page, 'mail-phone-list');
  await thread(page, 'A question').tap();
  await expect(page.getByRole('log')).toContainText('A question, while you are away.');
  await page.getByRole('textbox', { name: /^Answer to / }).fill('On my way.');
  await page.getByRole('button', { name: 'Send' }).tap();
  await expect.poll(() => there.qd('msg', 'inbox', '--all', '--peek')).toContain('On my way.');
  await expect(page.getByRole('log').getByRole('article').last()).toContainText('delivered');
  await look(page, 'mail-phone-thread');
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
  await page.getByRole('button', { name: 'Back to the mail' }).tap();
  // the hub has both machines, so what came there is counted too until it is read there
  await expect(bar.getByRole('button', { name: /Mail/ })).toHaveText(/^1\s*Mail$/);
  there.qd('msg', 'inbox');
  await expect(bar.getByRole('button', { name: /Mail/ })).toHaveText('Mail');
  await page.getByRole('button', { name: /^Contacts/ }).tap();
  await expect(page.getByRole('list', { name: 'Contacts' })).toContainText('contact');
  await look(page, 'mail-phone-contacts');
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
});

test('who may only read sessions is shown no mail, and not how much there is', async ({ two: { site, here, there } }) => {
  await ask(there, here, 'ada');
  const page = await site.person({ scopes: ['read'] });
  await mailButton(page).click();
  await expect(page.getByText('Your credential may not read mail')).toBeVisible();
  await expect(mailButton(page)).toHaveAccessibleName('Mail: nothing new');
  await expect(page.getByRole('button', { name: 'Write', exact: true })).toBeDisabled();
  await look(page, 'mail-forbidden');
});

test('a session speaks for the identity that was chosen in the dialog', async ({ two: { site, here, there } }) => {
  there.qd('msg', 'identity', 'add', 'work');
  const page = await site.person();
  await page.getByRole('button', { name: 'New session on there' }).click();
  const dialog = page.getByRole('dialog', { name: 'New session' });
  await dialog.getByText('More').click();
  await dialog.getByLabel('Label').fill('reviewer');
  await dialog.getByRole('combobox', { name: 'Mail identity' }).selectOption('work');
  await look(page, 'new-session-identity');
  // a machine with one identity leaves nothing to choose
  const machines = dialog.getByRole('combobox', { name: 'Machine' });
  await machines.selectOption({ index: 0 });
  await expect(dialog.getByRole('combobox', { name: 'Mail identity' })).toHaveCount(0);
  await machines.selectOption({ label: 'there' });
  await dialog.getByRole('combobox', { name: 'Mail identity' }).selectOption('work');
  await dialog.getByRole('button', { name: 'Start' }).click();
  const of = (machine: Machine) => machine.qdJson<{ sessions: { label: string; identity: string }[] }>('msg', 'whoami').sessions;
  await expect.poll(() => of(there).find(({ label }) => label === 'reviewer')?.identity).toBe('work');
  expect(of(here)).toEqual([]);
});
