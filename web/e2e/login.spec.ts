import { expect, row, startTerminal, test } from './fixtures';

test('a one-time link makes this browser known, for good and for itself alone', async ({ site }) => {
  const token = site.relay.token('link');
  const invited = await fetch(`${site.url}v1/web/invite`, { method: 'POST', headers: { authorization: `Bearer ${token}` } });
  const { code } = (await invited.json()) as { code: string };
  const page = await site.stranger({}, `#login=${code}`);
  await expect(page.getByText('Nothing runs yet.')).toBeVisible();
  expect(page.url()).not.toContain(code);
  await startTerminal(page, 'sh:1');
  await page.reload();
  await expect(row(page, 'sh:1')).toBeVisible();

  // the private key can be used and not taken out
  const kept = await page.evaluate(
    () =>
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
      }),
  );
  expect(kept).toEqual({ kind: 'device', extractable: false, token: undefined });

  const second = await site.stranger({}, `#login=${code}`);
  await expect(second.getByRole('alert')).toContainText('the link was used already or is too old');
});

test('logging out forgets the credential', async ({ site }) => {
  const page = await site.person();
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('tab', { name: 'This browser' }).click();
  await page.getByRole('button', { name: 'Log out here' }).click();
  await expect(page.getByLabel('Token')).toBeVisible();
  await page.reload();
  await expect(page.getByLabel('Token')).toBeVisible();
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
