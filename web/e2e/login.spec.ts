import { expect, finish, look, PHONE, row, Site, startTerminal, terminal, test, type } from './fixtures';
import { Machine } from './machine';

/** What this browser keeps: the kind of credential, and whether its key can be taken out. */
const kept = () =>
  new Promise((resolve, reject) => {
    const opening = indexedDB.open('quarterdeck', 1);
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const reading = opening.result.transaction('credentials').objectStore('credentials').get('current');
      reading.onsuccess = () => {
        const { kind, key, token } = reading.result as { kind: string; key: CryptoKey; token?: string };
        crypto.subtle.exportKey('pkcs8', key).then(
          () => resolve('the key came out'),
          () => resolve({ kind, extractable: key.extractable, token }),
        );
      };
    };
  });

test('a one-time link makes this browser known, for good and for itself alone', async ({ site, browser }) => {
  const link = site.here.link({ device: 'desk' });
  const page = await site.stranger({}, link);
  await expect(page.getByText('Nothing runs yet.')).toBeVisible();
  expect(page.url()).toBe(site.url);
  await startTerminal(page, 'sh:1');
  await page.reload();
  await expect(row(page, 'sh:1')).toBeVisible();
  // the private key can be used and not taken out, and no cookie comes along to other ports
  expect(await page.evaluate(kept)).toEqual({ kind: 'device', extractable: false, token: undefined });
  expect(await page.context().cookies()).toEqual([]);

  const second = await site.stranger({}, link);
  await expect(second.getByRole('alert')).toContainText('this login link was used already; make a new one: qd open');
  await look(second, 'link-used');
  const third = await site.stranger({}, `${site.url}#login=${'A'.repeat(32)}`);
  await expect(third.getByRole('alert')).toContainText('this login link is not known here; make a new one: qd open');
  expect(browser.contexts().length).toBe(3);
});

test('a hub that was killed knows its browsers again', async ({ site }) => {
  const page = await site.person();
  await site.here.killHub();
  site.here.up();
  await page.reload();
  await expect(page.getByText('Nothing runs yet.')).toBeVisible();
});

test('logging out forgets the credential', async ({ site }) => {
  const page = await site.person();
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('tab', { name: 'This browser' }).click();
  await look(page, 'this-browser');
  await page.getByRole('button', { name: 'Log out here' }).click();
  await expect(page.getByLabel('Token')).toBeVisible();
  await page.reload();
  await expect(page.getByLabel('Token')).toBeVisible();
});

test('a browser is logged out from another one, and told so', async ({ site }) => {
  const page = await site.person({ device: 'desk' });
  const phone = await site.person({ device: 'phone', scopes: ['read', 'answer'], context: PHONE });
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('tab', { name: 'Access' }).click();
  await expect(page.getByRole('list', { name: 'Browsers' }).getByRole('listitem')).toHaveCount(2);
  await look(page, 'access');
  await page.getByRole('button', { name: 'Revoke phone' }).click();
  await page.getByRole('button', { name: 'Log it out now' }).click();
  await expect(phone.getByRole('alert')).toContainText('this browser is not known here any more', { timeout: 20_000 });
  await look(phone, 'phone-revoked');

  // a link for the next phone, from the page itself
  await page.getByLabel('Name of the other browser').fill('new phone');
  await page.getByRole('button', { name: 'New login link' }).click();
  const link = await page.getByText(/#login=/).innerText();
  await look(page, 'access-link');
  const next = await site.stranger({ ...PHONE }, link);
  await expect(next.getByLabel('Filter sessions')).toBeVisible();

  await page.getByRole('tab', { name: 'Audit' }).click();
  const journal = page.getByRole('list', { name: 'Journal' });
  for (const line of ['Browser revoked phone', 'Browser logged in new phone', 'Login link made']) await expect(journal).toContainText(line);
  await look(page, 'audit');
});

test('a duplicated tab is another client and does not steal the first one’s sessions', async ({ site }) => {
  const first = await site.person();
  await startTerminal(first, 'sh:1');
  const ticket = await first.evaluate(() => sessionStorage.getItem('quarterdeck.ticket'));
  const copy = await first.context().newPage();
  await copy.addInitScript((kept) => sessionStorage.setItem('quarterdeck.ticket', kept ?? ''), ticket);
  await copy.goto(site.url);
  await expect(row(copy, 'sh:1')).toBeVisible();
  await row(copy, 'sh:1').click();
  await expect(copy.getByRole('button', { name: /^Owner: .* · / })).toBeVisible();
  await expect(first.getByRole('button', { name: 'Owner: you own it' })).toBeVisible();
});

test('two hubs on one host do not disturb each other in one browser', async ({ site, browser }) => {
  const other = new Machine();
  other.up();
  const page = await site.person({ device: 'both' });
  await startTerminal(page, 'one:1');
  const second = await page.context().newPage();
  site.watch(second);
  await second.goto(other.link({ device: 'both' }));
  await expect(second.getByText('Nothing runs yet.')).toBeVisible();
  await startTerminal(second, 'two:1');
  // each of them knows the browser by a key of its own, after reloads too
  await Promise.all([page.reload(), second.reload()]);
  await expect(row(page, 'one:1')).toBeVisible();
  await expect(row(second, 'two:1')).toBeVisible();
  await expect(row(page, 'two:1')).toHaveCount(0);
  await second.getByRole('button', { name: 'Settings' }).click();
  await second.getByRole('tab', { name: 'This browser' }).click();
  await second.getByRole('button', { name: 'Log out here' }).click();
  await expect(second.getByLabel('Token')).toBeVisible();
  await page.reload();
  await expect(terminal(page, 'one:1')).toBeVisible();
  await finish(new Site(other, browser), browser, [() => other.close()]);
});

test('a tab that slept for an hour goes on where it was', async ({ site }) => {
  const page = await site.stranger();
  await page.clock.install();
  // a link that is opened in a tab that has the page already
  await page.goto(site.here.link());
  await startTerminal(page, 'sh:1');
  await type(page, 'sh:1', 'sleep 2; echo slept-$((1+1))\n');
  const protocol = await page.context().newCDPSession(page);
  await protocol.send('Page.setWebLifecycleState', { state: 'frozen' });
  // meanwhile its program goes on, and its hub was started anew: what it was connected to is gone
  site.here.qd('run', '--detach', '--label', 'meanwhile', '--', 'bash', '--norc');
  await site.here.killHub();
  site.here.up();
  await protocol.send('Page.setWebLifecycleState', { state: 'active' });
  await page.clock.fastForward('01:00:00');
  await page.clock.resume();
  await expect(terminal(page, 'sh:1')).toContainText('slept-2', { timeout: 20_000 });
  await expect(row(page, 'meanwhile')).toBeVisible();
  await expect(page.getByText(/^Reconnecting/)).toHaveCount(0);
  await type(page, 'sh:1', 'echo awake-$((2+2))\n');
  await expect(terminal(page, 'sh:1')).toContainText('awake-4');
});

test('on a trusted origin the page can be installed and opens while its hub is away', async ({ site }) => {
  const page = await site.person();
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  await page.reload();
  await expect(page.getByLabel('Filter sessions')).toBeVisible();
  await site.here.killHub();
  await page.reload();
  await expect(page.getByText(/Reconnecting/).first()).toBeVisible();
  await look(page, 'offline');
  site.here.up();
  await expect(page.getByText('Nothing runs yet.')).toBeVisible({ timeout: 40_000 });
});

test('the page asks its own origin only, and is shown in no frame', async ({ site }) => {
  const answer = await fetch(site.url);
  const policy = answer.headers.get('content-security-policy') ?? '';
  expect(policy).toContain("script-src 'self';");
  expect(policy).toContain("frame-ancestors 'none'");
  const page = await site.stranger();
  await page.setContent(`<iframe src="${site.url}"></iframe>`);
  await expect(page.frameLocator('iframe').getByLabel('Token')).toHaveCount(0);
  site.faults.length = 0;
});
