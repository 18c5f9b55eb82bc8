// What each test gets: a machine with a relay and a hub, the page that this hub serves, and people with
// browsers.
import { test as base, type Browser, type BrowserContextOptions, expect, type Page } from '@playwright/test';
import { join } from 'node:path';
import { type LinkTerms, Machine } from './machine';

export { expect } from '@playwright/test';

const WEB = join(import.meta.dirname, '..');
export const ACP_AGENT = `acp:${process.execPath} ${join(import.meta.dirname, 'acp-agent.mjs')}`;
export const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };

interface PersonOptions extends LinkTerms {
  context?: BrowserContextOptions;
}

/** The page as its hub serves it, and who may come. */
export class Site {
  /** What went wrong in any browser: errors of the page, refusals by its policy, requests to others. */
  readonly faults: string[] = [];

  constructor(
    /** The machine of the hub. */
    readonly here: Machine,
    private readonly browser: Browser,
  ) {}

  get url(): string {
    return this.here.url;
  }

  /** A browser in which nobody is logged in. */
  async stranger(context: BrowserContextOptions = {}, url = this.url): Promise<Page> {
    const page = await (await this.browser.newContext({ colorScheme: 'dark', ...context })).newPage();
    this.watch(page);
    await page.goto(url);
    return page;
  }

  /** Notes what goes wrong in a page. */
  watch(page: Page): void {
    page.on('pageerror', (error) => this.faults.push(String(error)));
    page.on('console', (message) => {
      if (/Content Security Policy|Refused to/i.test(message.text())) this.faults.push(message.text());
    });
    page.on('request', (request) => {
      const { hostname, protocol } = new URL(request.url());
      const own = hostname === '127.0.0.1' || protocol === 'data:' || protocol === 'blob:';
      if (!own) this.faults.push(`a request to ${request.url()}`);
    });
  }

  /** A browser in which somebody is logged in, by a one-time link. */
  async person({ context, ...terms }: PersonOptions = {}): Promise<Page> {
    const page = await this.stranger(context, this.here.link(terms));
    await expect(page.getByLabel('Filter sessions')).toBeVisible();
    return page;
  }
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
    const here = new Machine();
    const site = new Site(here, browser);
    try {
      here.up();
      await use(site);
    } finally {
      await finish(site, browser, [() => here.close()]);
    }
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
