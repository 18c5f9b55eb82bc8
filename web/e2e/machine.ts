// A machine under test: a home of its own, a relay in it, and a hub where one is wanted; the scripted agent
// stands in Claude's place.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
const TARGET = process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target');
export const QD = process.env.QD_BIN ?? join(TARGET, 'debug/qd');
/** Programs of the tests stand beside it. */
export const BESIDE = dirname(QD);

export const ALL_SCOPES = ['read', 'answer', 'create', 'drive', 'admin'];

/** What a login link gives. */
export interface LinkTerms {
  scopes?: string[];
  principal?: string;
  device?: string;
}

export class Machine {
  readonly home = mkdtempSync(join(tmpdir(), 'qd-web-'));
  #relay = 0;
  #hub = 0;
  /** Where the hub listens, from its first start on. */
  #address = '127.0.0.1:0';

  /** `agents` gives further lines of the relay's configuration. */
  constructor(agents: (home: string) => string = () => '') {
    const directory = join(this.home, 'instances/default');
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const scripted = JSON.stringify(join(BESIDE, 'qd-scripted-agent'));
    writeFileSync(join(directory, 'config.toml'), `[agents.claude]\ncommand = [${scripted}]\n${agents(this.home)}`, { mode: 0o600 });
  }

  /** The hub's page. */
  get url(): string {
    return `http://${this.#address}/`;
  }

  /** `host:port` of the hub. */
  get address(): string {
    return this.#address;
  }

  startRelay(...flags: string[]): void {
    this.#relay = this.qdJson<{ pid: number }>('relay', '--background', ...flags).pid;
  }

  /** Ends the relay as a crash would. Its sessions live on. */
  async killRelay(): Promise<void> {
    await kill(this.#relay);
  }

  /** Starts hub and relay where they do not run, at the same address as before. */
  up(...flags: string[]): void {
    const said = this.qdJson<{ pid: number; listening: string[] }>('up', '--no-open', '--listen', this.#address, ...flags);
    this.#hub = said.pid;
    this.#address = said.listening.map((url) => /^wss?:\/\/(.*)$/.exec(url)?.[1]).find(Boolean) ?? this.#address;
    this.#relay = this.qdJson<{ pid: number }>('status').pid;
  }

  /** Ends the hub as a crash would. */
  async killHub(): Promise<void> {
    await kill(this.#hub);
  }

  /** A one-time link to the hub's page. */
  link({ scopes = [], principal, device }: LinkTerms = {}): string {
    const words = scopes.flatMap((scope) => ['--scope', scope]);
    const who = principal ? ['--principal', principal] : [];
    const name = device ? ['--device', device] : [];
    return this.qdJson<{ url: string }>('open', '--no-open', ...words, ...who, ...name).url;
  }

  /** A bearer token of the hub. */
  token(name: string, scopes: string[] = ALL_SCOPES): string {
    return this.qdJson<{ token: string }>('--hub', 'token', 'create', name, ...scopes.flatMap((scope) => ['--scope', scope])).token;
  }

  /**
   * Adds another machine to the hub; `at` is where it is reached, if that is not where it listens. Not by a
   * call that blocks: what is in between may run in this very process.
   */
  async add(there: Machine, label: string, at?: string): Promise<void> {
    const { line } = there.qdJson<{ line: string }>('relay', 'pair', ...(at ? ['--address', at] : []));
    const { env, cwd } = this.#how('');
    const adding = spawn(QD, ['machine', 'add', '--label', label], { env, cwd, stdio: ['pipe', 'ignore', 'inherit'] });
    adding.stdin.end(`${line}\n`);
    const code = await new Promise((resolve) => adding.once('exit', resolve));
    if (code !== 0) throw new Error(`the machine was not added: ${String(code)}`);
  }

  /** Ends everything that was started here. */
  async close(): Promise<void> {
    // its own socket: beside a hub, `qd ls` shows other machines too
    const own = ['--url', `unix:${join(this.home, 'instances/default/relay.sock')}`];
    const listed = spawnSync(QD, [...own, 'ls', '--json'], this.#how('')).stdout;
    const { sessions = [] } = JSON.parse(listed || '{}') as { sessions?: { session: string; state: string }[] };
    for (const { session, state } of sessions) {
      if (state !== 'exited' && state !== 'lost') this.qd(...own, 'stop', session, '--now', '--reason', 'the test is over');
    }
    this.qd('down', '--json');
    await this.killHub();
    await this.killRelay();
    rmSync(this.home, { recursive: true, force: true });
  }

  qd(...words: string[]): string {
    return this.qdWith('', ...words);
  }

  /** The same with something on its standard input. */
  qdWith(input: string, ...words: string[]): string {
    return execFileSync(QD, words, this.#how(input));
  }

  qdJson<T>(...words: string[]): T {
    return JSON.parse(this.qd(...words, '--json')) as T;
  }

  #how(input: string): { env: NodeJS.ProcessEnv; encoding: 'utf8'; cwd: string; input: string } {
    const { PATH, LANG } = process.env;
    const env = { PATH, LANG, HOME: this.home, QD_HOME: join(this.home), SHELL: '/bin/bash' };
    return { env, encoding: 'utf8', cwd: this.home, input };
  }
}

const GONE_PAUSE_MS = 5;
const GONE_PATIENCE_MS = 10_000;

/** Ends a process of the test's own, and waits until it is gone. */
async function kill(pid: number): Promise<void> {
  if (pid === 0) return;
  const until = Date.now() + GONE_PATIENCE_MS;
  try {
    process.kill(pid, 'SIGKILL');
    while (Date.now() < until) {
      process.kill(pid, 0);
      await new Promise((resolve) => setTimeout(resolve, GONE_PAUSE_MS));
    }
  } catch {
    return; // gone
  }
  throw new Error(`process ${pid} does not end`);
}

/** Where its relay listens on the network. */
export function network(machine: Machine): string {
  const { listening } = machine.qdJson<{ listening: string[] }>('status');
  return listening.find((url) => url.startsWith('wss://'))?.replace('wss://', '') ?? '';
}
