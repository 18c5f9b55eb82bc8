import { expect, PROMPT, row, terminal, test } from './fixtures';

test('who waits is told while nobody looks at the page, and a click leads there', async ({ site }) => {
  const page = await site.person();
  await page.addInitScript(() => {
    const told: { title: string; body?: string; click: () => void }[] = [];
    class Recorded {
      static permission = 'granted';
      static requestPermission = () => Promise.resolve('granted');
      onclick: (() => void) | null = null;
      constructor(title: string, { body }: NotificationOptions = {}) {
        told.push({ title, body, click: () => this.onclick?.() });
      }
      close(): void {}
    }
    Object.assign(window, { Notification: Recorded, told });
    document.hasFocus = () => false;
  });
  await page.reload();
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('tab', { name: 'This browser' }).click();
  await page.getByLabel(/^Notify when somebody waits/).check();
  await page.keyboard.press('Escape');
  site.here.qd('run', '--detach', '--agent', 'claude', '--label', 'claude:1', 'ask touch here');
  const told = () => page.evaluate(() => (window as unknown as { told: { title: string; body?: string }[] }).told.map(({ title, body }) => [title, body]));
  await expect.poll(told).toEqual([['claude:1 asks', expect.stringContaining('touch here')]]);
  await page.evaluate(() => (window as unknown as { told: { click: () => void }[] }).told[0]?.click());
  await expect(page.getByRole('log')).toContainText('touch here');
  await expect(row(page, 'claude:1')).toHaveAttribute('aria-current', 'true');
  await expect(page).toHaveTitle('(1) Quarterdeck');
  // it is told once, however often the page hears of it
  await page.getByRole('log').getByRole('button', { name: /^Allow/ }).first().click();
  await expect(page).toHaveTitle('Quarterdeck');
  expect(await told()).toHaveLength(1);
});

test('the link of a message opens its session, in an open page and in a new one', async ({ site }) => {
  const page = await site.person();
  const started = (label: string): string =>
    (JSON.parse(site.here.qd('run', '--json', '--detach', '--label', label, '--', 'bash', '--norc')) as { session: { session: string } }).session.session;
  const [first, second] = [started('first'), started('second')];
  const home = page.url();
  await page.evaluate((session) => (location.hash = `session=${session}`), first);
  await expect(terminal(page, 'first')).toContainText(PROMPT);
  await page.goto('about:blank');
  await page.goto(`${home}#session=${second}`);
  await expect(terminal(page, 'second')).toContainText(PROMPT);
  expect(page.url()).toBe(home);
});
