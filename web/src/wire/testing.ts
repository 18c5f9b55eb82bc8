// A clock and a relay for tests: time moves when it is told to, and nothing leaves the process.
import type { Door, Socket } from './door';
import { encodeFrame, type Frame, parseFrame } from './frames';
import type { AttachResult, HelloResult, LeaseView, SessionInfo } from './generated';
import type { Clock } from './rpc';

/** Time that stands still until it is moved. */
export class TestClock implements Clock {
  #now = 1_000_000;
  #timers: { at: number; run: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Moves on, running what falls due in its order; promises settle in between. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      const [next] = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (!next) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
      await settled();
    }
    this.#now = end;
    await settled();
  }
}

/** Lets everything that waits only for promises go on. */
export const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
};

interface Request {
  id: number;
  method: string;
  params: Record<string, unknown>;
}

/** The relay's end of one connection. */
export class TestSocket {
  binaryType = '';
  bufferedAmount = 0;
  onopen: ((event: unknown) => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  onerror: ((event: unknown) => void) | null = null;
  readonly requests: Request[] = [];
  readonly frames: Frame[] = [];
  closed = false;

  constructor(private readonly answer: (request: Request, socket: TestSocket) => unknown) {}

  send(data: string | Uint8Array<ArrayBuffer>): void {
    if (typeof data !== 'string') {
      this.frames.push(parseFrame(data.slice().buffer));
      return;
    }
    const request = JSON.parse(data) as Request;
    this.requests.push(request);
    const result = this.answer(request, this);
    if (result !== undefined) this.respond(request.id, result);
  }

  close(): void {
    this.closed = true;
  }

  respond(id: number, result: unknown): void {
    this.#text({ jsonrpc: '2.0', id, result });
  }

  notify(method: string, params: unknown): void {
    this.#text({ jsonrpc: '2.0', method, params });
  }

  frame(frame: Frame): void {
    this.onmessage?.({ data: encodeFrame(frame).buffer });
  }

  /** The connection breaks. */
  cut(reason = ''): void {
    this.onclose?.({ code: 1006, reason });
  }

  #text(message: unknown): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
}

/** A door to a relay that answers as `answers` says. */
export class TestDoor implements Door {
  readonly sockets: TestSocket[] = [];
  refusal: Error | undefined;
  answers: Record<string, (params: Record<string, unknown>) => unknown> = { hello: () => hello() };

  open(): Promise<Socket> {
    if (this.refusal) return Promise.reject(this.refusal);
    const socket = new TestSocket(({ method, params }) => this.answers[method]?.(params));
    this.sockets.push(socket);
    queueMicrotask(() => queueMicrotask(() => socket.onopen?.({})));
    return Promise.resolve(socket as unknown as Socket);
  }

  get last(): TestSocket {
    const socket = this.sockets.at(-1);
    if (!socket) throw new Error('nobody has connected');
    return socket;
  }
}

export const ME = 'c_me';

export function hello(): HelloResult {
  return {
    relay_id: 'r_1',
    generation: 1,
    version: '0.1.0',
    instance: 'default',
    machine: 'laptop',
    client_id: ME,
    ticket: 'ticket',
    principal: 'r_1/ann',
    scopes: ['read', 'answer', 'create', 'drive', 'admin'],
  };
}

export const OWNED: LeaseView = { state: 'held', epoch: 3, owner: { client: ME, principal: 'r_1/ann', name: 'page' } };

export function session(change: Partial<SessionInfo> = {}): SessionInfo {
  return {
    session: 's_1',
    label: 'bash:1',
    kind: 'terminal',
    state: 'running',
    argv: ['bash'],
    cwd: '/home/ann/project',
    size: { cols: 80, rows: 24, xpixel: 0, ypixel: 0 },
    lease: OWNED,
    attached: 1,
    created_at: 1,
    last_activity_at: 2,
    incarnation: 1,
    log_id: 'l_1',
    seq: 10,
    out: 100,
    base: 0,
    ...change,
  } as SessionInfo;
}

export function attached(change: Partial<AttachResult> = {}): AttachResult {
  return {
    channel: 7,
    start: 'ok',
    log_id: 'l_1',
    incarnation: 1,
    out: 100,
    head: 100,
    role: 'owner',
    input_applied: 0,
    session: session(),
    ...change,
  } as AttachResult;
}
