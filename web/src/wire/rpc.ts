// JSON-RPC 2.0 over anything that sends text: one answer per request, a bound and a timeout for each.
import { ERROR_CODES, type ErrorData, type ErrorWord, type Methods, type RpcError } from './generated';
import { MAX_REQUESTS_IN_FLIGHT, MAX_REQUESTS_WAITING, REQUEST_TIMEOUT_MS } from './limits';

/** An error that the relay answered, or one of the link's own words. */
export class CallError extends Error {
  constructor(
    /** The relay's stable word, also one that this version does not know; or one of the link's own. */
    readonly word: ErrorWord | 'disconnected' | 'timeout' | (string & {}),
    message: string,
    readonly data?: ErrorData,
  ) {
    super(message);
  }

  /** What the caller can do about it, when the relay says. */
  get hint(): string | undefined {
    const detail = this.data?.detail;
    return detail?.kind === 'hint' ? detail.hint : undefined;
  }
}

/** Milliseconds and timers, so that tests need not wait. */
export interface Clock {
  now(): number;
  after(ms: number, run: () => void): () => void;
}

/** The browser's clock. */
export const realClock: Clock = {
  now: () => Date.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

interface Pending {
  resolve(result: unknown): void;
  reject(error: CallError): void;
  cancelTimeout(): void;
}

interface Incoming {
  id?: number | string | null;
  method?: string;
  params?: unknown;
  result?: unknown;
  error?: RpcError;
}

/** Parameters with the machine that a hub should pass them to; a plain relay ignores it. */
export type Routed<P> = P & { machine?: string };

/** The requests of one connection. A new connection gets a new one. */
export class Rpc {
  #next = 1;
  #pending = new Map<number, Pending>();
  #waiting: (() => void)[] = [];
  #closed = false;

  constructor(
    private readonly send: (text: string) => void,
    private readonly handleNotification: (method: string, params: unknown) => void,
    private readonly clock: Clock = realClock,
  ) {}

  /** Sends a request, or queues it while too many wait for their answer. */
  call<M extends keyof Methods>(
    method: M,
    params: Routed<Methods[M]['params']>,
    timeoutMs = REQUEST_TIMEOUT_MS,
  ): Promise<Methods[M]['result']> {
    return this.callAny(method, params, timeoutMs) as Promise<Methods[M]['result']>;
  }

  /** The same for a method that the generated types do not know. */
  callAny(method: string, params: unknown, timeoutMs = REQUEST_TIMEOUT_MS): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(disconnected());
      if (this.#waiting.length >= MAX_REQUESTS_WAITING) {
        return reject(new CallError('overloaded', 'too many requests wait'));
      }
      this.#waiting.push(() => this.#start(method, params, timeoutMs, resolve, reject));
      this.#pump();
    });
  }

  /** Takes a text frame. */
  handleText(text: string): void {
    const message = parse(text);
    if (!message) return;
    if (typeof message.method === 'string') {
      if (message.id === undefined) this.handleNotification(message.method, message.params);
      return;
    }
    const pending = this.#pending.get(Number(message.id));
    if (!pending) return;
    this.#pending.delete(Number(message.id));
    pending.cancelTimeout();
    if (message.error) pending.reject(toCallError(message.error));
    else pending.resolve(message.result);
    this.#pump();
  }

  /** The connection is gone: whoever waits is told. */
  close(): void {
    this.#closed = true;
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { cancelTimeout, reject } of pending) {
      cancelTimeout();
      reject(disconnected());
    }
    const waiting = this.#waiting.splice(0);
    for (const start of waiting) start();
  }

  #pump(): void {
    while (this.#pending.size < MAX_REQUESTS_IN_FLIGHT) {
      const start = this.#waiting.shift();
      if (!start) return;
      start();
    }
  }

  #start(
    method: string,
    params: unknown,
    timeoutMs: number,
    resolve: (result: unknown) => void,
    reject: (error: CallError) => void,
  ): void {
    if (this.#closed) return reject(disconnected());
    const id = this.#next++;
    const cancelTimeout = this.clock.after(timeoutMs, () => {
      this.#pending.delete(id);
      reject(new CallError('timeout', `no answer to ${method} within ${timeoutMs / 1000} s`));
      this.#pump();
    });
    this.#pending.set(id, { resolve, reject, cancelTimeout });
    this.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
  }
}

function parse(text: string): Incoming | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Incoming) : undefined;
  } catch {
    return undefined;
  }
}

const disconnected = (): CallError => new CallError('disconnected', 'the connection was lost');

function toCallError(error: RpcError): CallError {
  const known = (Object.keys(ERROR_CODES) as ErrorWord[]).find((word) => ERROR_CODES[word] === error.code);
  return new CallError(known ?? error.data?.error ?? 'unknown', error.message, error.data ?? undefined);
}
