// A real relay in a directory of its own, with the scripted agent in Claude's place.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
const TARGET = process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target');
export const QD = process.env.QD_BIN ?? join(TARGET, 'debug/qd');
const SCRIPTED_AGENT = join(dirname(QD), 'qd-scripted-agent');

export const ALL_SCOPES = ['read', 'answer', 'create', 'drive', 'admin'];

export class Relay {
  readonly home = mkdtempSync(join(tmpdir(), 'qd-web-'));
  #child: ChildProcess | undefined;
  #address = '127.0.0.1:0';

  /** Further flags of `qd relay`. */
  constructor(private readonly how: string[] = ['--insecure']) {
    const directory = join(this.home, 'instances/default');
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const config = `[agents.claude]\ncommand = [${JSON.stringify(SCRIPTED_AGENT)}]\n`;
    writeFileSync(join(directory, 'config.toml'), config, { mode: 0o600 });
  }

  get url(): string {
    return `ws://${this.#address}`;
  }

  /** Starts it, at the same address as before. */
  async start(): Promise<void> {
    const child = spawn(QD, ['relay', '--listen', this.#address, ...this.how], {
      env: this.#environment(),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#child = child;
    this.#address = await new Promise((resolve, reject) => {
      let text = '';
      child.once('exit', () => reject(new Error(`the relay ended: ${text}`)));
      child.stdout.on('data', (data: Buffer) => {
        text += data.toString();
        const address = /wss?:\/\/([\d.]+:\d+)/.exec(text)?.[1];
        if (address) resolve(address);
      });
    });
  }

  /** Ends it as a crash would. Its sessions live on. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  /** Ends everything that it started, and the hub beside it. */
  async close(): Promise<void> {
    // its own socket: beside a hub, `qd ls` shows other machines too
    const own = ['--url', `unix:${join(this.home, 'instances/default/relay.sock')}`];
    const { sessions } = this.qdJson<{ sessions: { session: string; state: string }[] }>(...own, 'ls');
    for (const { session, state } of sessions) {
      if (state !== 'exited' && state !== 'lost') this.qd(...own, 'stop', session, '--now', '--reason', 'the test is over');
    }
    this.qd('down');
    await this.kill();
    rmSync(this.home, { recursive: true, force: true });
  }

  qd(...words: string[]): string {
    return this.qdWith('', ...words);
  }

  /** The same with something on its standard input. */
  qdWith(input: string, ...words: string[]): string {
    return execFileSync(QD, words, { env: this.#environment(), encoding: 'utf8', cwd: this.home, input });
  }

  qdJson<T>(...words: string[]): T {
    return JSON.parse(this.qd(...words, '--json')) as T;
  }

  /** A new token's secret. */
  token(name: string, scopes: string[] = ALL_SCOPES, principal?: string): string {
    const words = scopes.flatMap((scope) => ['--scope', scope]);
    const who = principal ? ['--principal', principal] : [];
    return this.qdJson<{ token: string }>('token', 'create', name, ...words, ...who).token;
  }

  #environment(): NodeJS.ProcessEnv {
    const { PATH, LANG } = process.env;
    return { PATH, LANG, HOME: this.home, QD_HOME: join(this.home), SHELL: '/bin/bash' };
  }
}
