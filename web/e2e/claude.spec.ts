// A real Claude Code behind the page; its model is the fake one of the test suite.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { expect, finish, look, PHONE, row, Site, test as base } from './fixtures';
import { BESIDE, Machine } from './machine';

/** Where `scripts/agents.sh` has put it. */
function installed(): string | undefined {
  const list = readFileSync(join(import.meta.dirname, '../../scripts/agents.txt'), 'utf8');
  const [name, version, , program = ''] = (/^claude .*$/m.exec(list)?.[0] ?? '').split(/\s+/);
  const base = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
  const cache = process.env.QD_AGENT_CACHE ?? join(base, 'quarterdeck-test/agents');
  const arch = process.arch === 'arm64' ? 'arm64' : 'x64';
  const path = join(cache, `${name}-${version}`, 'node_modules', program.replace('ARCH', arch));
  return existsSync(path) ? path : undefined;
}

const program = installed();
const isRequired = (process.env.QD_REQUIRE_AGENTS ?? '').split(',').includes('claude');
if (!program && !isRequired) console.warn('LEFT OUT: Claude Code is not installed; scripts/agents.sh installs it');

/** A model server, until it is closed. */
async function fakeModels(): Promise<{ url: string; close: () => Promise<void> }> {
  const child = spawn(join(BESIDE, 'qd-fake-models'), { stdio: ['ignore', 'pipe', 'inherit'] });
  const url = await new Promise<string>((resolve, reject) => {
    let said = '';
    child.once('exit', () => reject(new Error(`no model server: ${said}`)));
    child.stdout.on('data', (data: Buffer) => {
      said += data.toString();
      const found = /listening on (\S+)/.exec(said)?.[1];
      if (found) resolve(found);
    });
  });
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return { url, close: () => (child.kill('SIGKILL'), gone) };
}

/** A proxy that leads nowhere: an agent under test reaches nothing but loopback. */
async function nowhere(): Promise<{ url: string; close: () => Promise<void> }> {
  const server = createServer((_, response) => response.writeHead(403).end());
  server.on('connect', (_, socket) => socket.end('HTTP/1.1 403 Forbidden\r\n\r\n'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () => (server.closeAllConnections(), new Promise((resolve) => server.close(() => resolve()))),
  };
}

const test = base.extend<{ real: { site: Site; project: string } }>({
  real: async ({ browser }, use) => {
    const [models, proxy] = await Promise.all([fakeModels(), nowhere()]);
    const here = new Machine((home) => {
      const env = {
        HOME: join(home, 'claude'),
        PATH: '/usr/local/bin:/usr/bin:/bin',
        LANG: 'C.UTF-8',
        HTTPS_PROXY: proxy.url,
        HTTP_PROXY: proxy.url,
        NO_PROXY: '127.0.0.1,localhost',
        ANTHROPIC_BASE_URL: models.url,
        ANTHROPIC_API_KEY: 'sk-ant-fake',
        CLAUDE_CODE_MAX_RETRIES: '1',
      };
      const lines = Object.entries(env).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
      return `[agents.real]\nvendor = "claude"\ncommand = [${JSON.stringify(program)}]\n[agents.real.env]\n${lines.join('\n')}\n`;
    });
    const project = join(here.home, 'claude/project');
    mkdirSync(project, { recursive: true });
    const site = new Site(here, browser);
    try {
      here.up();
      await use({ site, project });
    } finally {
      await finish(site, browser, [() => here.close(), models.close, proxy.close]);
    }
  },
});

const AGENT_PATIENCE_MS = 45_000;

test('a real agent asks before it runs something, and a phone answers it in two taps', async ({ real: { site, project } }) => {
  test.skip(!program && !isRequired, 'Claude Code is not installed');
  test.setTimeout(2 * AGENT_PATIENCE_MS);
  site.here.qd('run', '--detach', '--agent', 'real', '--label', 'claude:1', '--cwd', project, 'run echo real-$((40+2)) > it && cat it');
  const page = await site.person({ context: PHONE });
  await expect(row(page, 'claude:1')).toContainText('waits for you', { timeout: AGENT_PATIENCE_MS });
  await page.getByRole('button', { name: /Needs you/ }).tap();
  await look(page, 'phone-claude');
  await page.getByRole('button', { name: 'Allow', exact: true }).tap();
  await expect(page.getByText('Nobody waits for you.')).toBeVisible();

  const desk = await site.person();
  await row(desk, 'claude:1').click();
  await expect(desk.getByRole('log')).toContainText('It said: real-42', { timeout: AGENT_PATIENCE_MS });
  await look(desk, 'claude');
  await desk.getByLabel(/^Message to/).fill('And thank you');
  await desk.keyboard.press('Enter');
  await expect(desk.getByRole('log')).toContainText('You said: And thank you', { timeout: AGENT_PATIENCE_MS });
});
