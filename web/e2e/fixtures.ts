// What each test gets: a relay of its own, the built page in front of it, and people with browsers.
import { test as base, type Browser, type BrowserContextOptions, expect, type Page } from '@playwright/test';
import { join } from 'node:path';
import { preview, type PreviewServer } from 'vite';
import { ALL_SCOPES, Relay } from './relay';

export { expect } from '@playwright/test';

const WEB = join(import.meta.dirname, '..');
export const ACP_AGENT = `acp:${process.execPath} ${join(import.meta.dirname, 'acp-agent.mjs')}`;
export const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };

/** Where people get their tokens. */
export interface Issuer {
  token(name: string, scopes: string[], principal?: string): string;
}

interface PersonOptions {
  scopes?: string[];
  principal?: string;
  context?: BrowserContextOptions;
}

/** The page as it is served, and who may come. */
export class Site {
  #tokens = 0;
  /** What went wrong in any browser: errors of the page, refusals by its policy, requests to others. */
  readonly faults: string[] = [];

  constructor(
    readonly relay: Relay,
    readonly url: string,
    private readonly browser: Browser,
    private readonly issuer: Issuer = relay,
  ) {}

  get here(): Relay {
    return this.relay;
  }

  /** A browser in which nobody is logged in. */
  async stranger(context: BrowserContextOptions = {}, fragment = ''): Promise<Page> {
    const page = await (await this.browser.newContext({ colorScheme: 'dark', ...context })).newPage();
    page.on('pageerror', (error) => this.faults.push(String(error)));
    page.on('console', (message) => {
      if (/Content Security Policy|Refused to/i.test(message.text())) this.faults.push(message.text());
    });
    page.on('request', (request) => {
      const { host, protocol } = new URL(request.url());
      const own = host === new URL(this.url).host || protocol === 'data:' || protocol === 'blob:';
      if (!own) this.faults.push(`a request to ${request.url()}`);
    });
    await page.goto(this.url + fragment);
    return page;
  }

  /** A browser in which somebody is logged in. */
  async person({ scopes = ALL_SCOPES, principal, context }: PersonOptions = {}): Promise<Page> {
    const page = await this.stranger(context);
    await page.getByLabel('Token').fill(this.issuer.token(`t${this.#tokens++}`, scopes, principal));
    await page.getByRole('button', { name: 'Log in' }).click();
    await expect(page.getByLabel('Filter sessions')).toBeVisible();
    return page;
  }
}

/** Serves the built page in front of a relay or hub. */
export async function serve(url: string): Promise<{ url: string; close: () => Promise<void> }> {
  process.env.QD_RELAY = url;
  const server: PreviewServer = await preview({
    root: WEB,
    configFile: join(WEB, 'vite.config.ts'),
    preview: { port: 0 },
    logLevel: 'error',
  });
  const address = server.httpServer.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  return { url: `http://127.0.0.1:${port}/`, close: () => server.close() };
}

/** What every test ends with: everything that was started has ended, and no browser had a fault. */
export async function finish(site: Site, browser: Browser, ends: (() => Promise<void>)[]): Promise<void> {
  await Promise.all(browser.contexts().map((context) => context.close()));
  const outcomes = await Promise.allSettled(ends.map((end) => end()));
  expect(outcomes.filter(({ status }) => status === 'rejected')).toEqual([]);
  expect(site.faults).toEqual([]);
}

export const test = base.extend<{ site: Site }>({
  site: async ({ browser }, use) => {
    const relay = new Relay();
    await relay.start();
    const server = await serve(relay.url);
    const site = new Site(relay, server.url, browser);
    await use(site);
    await finish(site, browser, [() => server.close(), () => relay.close()]);
  },
});

/** Starts a terminal by the dialog, and waits until it can be typed into. */
export async function startTerminal(page: Page, label: string, command = 'bash --norc'): Promise<void> {
  await page.getByRole('button', { name: /^New( session)?$/ }).first().click();
  await page.getByRole('radio', { name: 'Terminal' }).click();
  await page.getByLabel('Command').fill(command);
  await page.getByText('More', { exact: true }).click();
  await page.getByLabel('Label').fill(label);
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  await expect(terminal(page, label)).toContainText(PROMPT, { timeout: 15_000 });
}

/** The end of a shell's prompt, a user's or root's. */
export const PROMPT = /[$#]\s/;

/** The rows that a terminal shows. */
export const terminal = (page: Page, label: string) => page.locator(`[data-terminal="${label}"] .xterm-rows`);

export async function type(page: Page, label: string, text: string): Promise<void> {
  await page.locator(`[data-terminal="${label}"] textarea`).focus();
  await page.keyboard.type(text);
}

export const row = (page: Page, label: string) => page.locator('[data-row]').filter({ hasText: label });

/** Writes what a person would see, for people to look at. */
export const look = (page: Page, name: string) => page.screenshot({ path: join(WEB, 'artifacts', `${name}.png`) });
