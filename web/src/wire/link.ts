// One connection that comes back: connect, `hello`, notice when it died, wait, connect again.
//
// States are values that the page shows as they are. What belongs to one connection (requests, channels)
// ends with it; what belongs to the client (its ticket) survives.
import { backOffMs } from './backoff';
import { type Door, DoorError, type Socket } from './door';
import { encodeFrame, type Frame, FrameError, parseFrame } from './frames';
import type { HelloResult, Methods } from './generated';
import { CONNECT_TIMEOUT_MS, KEPT_REQUEST_TIMEOUT_MS, PROBE_AFTER_MS, PROBE_TIMEOUT_MS, STEADY_MS } from './limits';
import { CallError, type Clock, realClock, type Routed, Rpc } from './rpc';

/** Where the connection is. */
export type LinkState =
  | { at: 'connecting'; attempt: number }
  | { at: 'ready'; hello: HelloResult }
  | { at: 'reconnecting'; attempt: number; retryAt: number; why: string; since: number }
  | { at: 'refused'; why: string }
  | { at: 'closed' };

/** Who listens to a link. */
export interface LinkListener {
  state?(state: LinkState): void;
  notification?(method: string, params: unknown): void;
  frame?(frame: Frame): void;
}

/** Where the client's ticket is kept over a reload of the page. */
export interface TicketStore {
  load(): string | undefined;
  save(ticket: string): void;
}

export interface LinkOptions {
  door: Door;
  /** What people see as the client's name. */
  name: string;
  tickets: TicketStore;
  clock?: Clock;
  random?: () => number;
}

/** The page's connection to its hub or relay. */
export class Link {
  #options: Required<LinkOptions>;
  #listeners = new Set<LinkListener>();
  #state: LinkState = { at: 'closed' };
  #socket: Socket | undefined;
  #rpc: Rpc | undefined;
  #attempt = 0;
  #lostSince = 0;
  #clientId: string | undefined;
  #lastHeard = 0;
  #readyAt = 0;
  /** Counts connections: what an older one still says is not listened to. */
  #life = 0;
  #cancelTimer: () => void = () => {};

  constructor(options: LinkOptions) {
    this.#options = { clock: realClock, random: Math.random, ...options };
  }

  get state(): LinkState {
    return this.#state;
  }

  /** The client that this page is; known from the first `hello` on, also while the link is down. */
  get clientId(): string | undefined {
    return this.#clientId;
  }

  /** Listens until the returned function is called. */
  listen(listener: LinkListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Connects, unless it is connected or about to be. */
  start(): void {
    if (this.#state.at === 'closed' || this.#state.at === 'refused') {
      this.#attempt = 0;
      void this.#connect();
    }
  }

  /** Tries now what would be tried later. */
  retryNow(): void {
    if (this.#state.at === 'reconnecting' || this.#state.at === 'refused') void this.#connect();
  }

  /** Ends it for good. */
  stop(): void {
    this.#drop();
    this.#enter({ at: 'closed' });
  }

  /** Asks whether the other side is still there, when the page woke up or the network changed. */
  probe(): void {
    if (this.#state.at === 'reconnecting') return this.retryNow();
    if (this.#state.at === 'ready') void this.#probe(this.#life);
  }

  /** A request on the connection that there is. */
  call<M extends keyof Methods>(
    method: M,
    params: Routed<Methods[M]['params']>,
    timeoutMs?: number,
  ): Promise<Methods[M]['result']> {
    if (!this.#rpc || this.#state.at !== 'ready') {
      return Promise.reject(new CallError('disconnected', 'not connected'));
    }
    return this.#rpc.call(method, params, timeoutMs);
  }

  /** A request to a method that the generated types do not know yet. */
  callAny(method: string, params: unknown): Promise<unknown> {
    if (!this.#rpc || this.#state.at !== 'ready') {
      return Promise.reject(new CallError('disconnected', 'not connected'));
    }
    return this.#rpc.callAny(method, params);
  }

  /** A request that carries an id of its own, so that it may be sent again on the next connection. */
  async callKept<M extends keyof Methods>(
    method: M,
    params: Routed<Methods[M]['params']>,
  ): Promise<Methods[M]['result']> {
    const until = this.#options.clock.now() + KEPT_REQUEST_TIMEOUT_MS;
    for (;;) {
      try {
        return await this.call(method, params);
      } catch (error) {
        const lost = error instanceof CallError && (error.word === 'disconnected' || error.word === 'timeout');
        if (!lost || this.#state.at === 'closed' || this.#state.at === 'refused') throw error;
        await this.#untilReady(until - this.#options.clock.now(), error);
      }
    }
  }

  /** Sends a frame; whether there was a connection to send it on. */
  sendFrame(frame: Frame): boolean {
    if (!this.#socket || this.#state.at !== 'ready') return false;
    this.#socket.send(encodeFrame(frame));
    return true;
  }

  async #connect(): Promise<void> {
    this.#drop();
    const life = this.#life;
    const attempt = this.#attempt++;
    if (!this.#lostSince) this.#lostSince = this.#options.clock.now();
    this.#enter({ at: 'connecting', attempt });
    this.#cancelTimer = this.#options.clock.after(CONNECT_TIMEOUT_MS, () => {
      this.#fail(life, 'connecting took too long');
    });
    try {
      const socket = await this.#options.door.open();
      if (life === this.#life) this.#use(socket, life);
      else socket.close();
    } catch (error) {
      if (error instanceof DoorError && error.final) this.#refuse(life, error.message);
      else this.#fail(life, error instanceof Error ? error.message : String(error), retryAfter(error));
    }
  }

  #use(socket: Socket, life: number): void {
    const isCurrent = (): boolean => life === this.#life;
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    const rpc = new Rpc(
      (text) => socket.send(text),
      (method, params) => {
        if (isCurrent()) this.#each((listener) => listener.notification?.(method, params));
      },
      this.#options.clock,
    );
    this.#rpc = rpc;
    socket.onopen = () => void this.#introduce(rpc, life);
    socket.onmessage = ({ data }) => {
      if (!isCurrent()) return;
      this.#lastHeard = this.#options.clock.now();
      if (typeof data === 'string') rpc.handleText(data);
      else if (data instanceof ArrayBuffer) this.#handleBinary(data);
    };
    socket.onclose = ({ reason }) => this.#fail(life, reason || 'the connection was closed');
    socket.onerror = () => this.#fail(life, 'the connection failed');
  }

  async #introduce(rpc: Rpc, life: number): Promise<void> {
    const ticket = this.#options.tickets.load();
    try {
      const hello = await rpc.call('hello', { name: this.#options.name, watch: true, ...(ticket && { ticket }) });
      if (life !== this.#life) return;
      this.#options.tickets.save(hello.ticket);
      this.#clientId = hello.client_id;
      this.#readyAt = this.#options.clock.now();
      this.#lostSince = 0;
      this.#cancelTimer();
      this.#enter({ at: 'ready', hello });
      this.#watchSilence(life);
    } catch (error) {
      this.#fail(life, error instanceof Error ? error.message : String(error));
    }
  }

  #handleBinary(data: ArrayBuffer): void {
    let frame: Frame;
    try {
      frame = parseFrame(data);
    } catch (error) {
      // a newer peer's kind is skipped; anything else is no peer to go on with
      if (error instanceof FrameError && error.reason === 'unknown') return;
      return this.#fail(this.#life, 'the server sent a broken frame');
    }
    this.#each((listener) => listener.frame?.(frame));
  }

  /** The browser hides pings from pages, so silence is answered with a question. */
  #watchSilence(life: number): void {
    this.#cancelTimer = this.#options.clock.after(PROBE_AFTER_MS, () => {
      if (life !== this.#life) return;
      const silent = this.#options.clock.now() - this.#lastHeard >= PROBE_AFTER_MS;
      if (silent) void this.#probe(life);
      this.#watchSilence(life);
    });
  }

  async #probe(life: number): Promise<void> {
    try {
      await this.call('relay.status', {}, PROBE_TIMEOUT_MS);
    } catch (error) {
      // any answer is a sign of life
      if (error instanceof CallError && error.word === 'timeout') this.#fail(life, 'the server is silent');
    }
  }

  #fail(life: number, why: string, notBeforeMs = 0): void {
    if (life !== this.#life) return;
    if (!this.#lostSince) this.#lostSince = this.#options.clock.now();
    const since = this.#lostSince;
    this.#drop();
    const { clock, random } = this.#options;
    // a server that lets in and throws out at once is not asked again at once
    const steady = this.#state.at === 'ready' && clock.now() - this.#readyAt >= STEADY_MS;
    if (steady) this.#attempt = 0;
    const wait = Math.max(backOffMs(this.#attempt, random()), notBeforeMs);
    this.#enter({ at: 'reconnecting', attempt: this.#attempt, retryAt: clock.now() + wait, why, since });
    this.#cancelTimer = clock.after(wait, () => void this.#connect());
  }

  #refuse(life: number, why: string): void {
    if (life !== this.#life) return;
    this.#drop();
    this.#enter({ at: 'refused', why });
  }

  /** Ends the connection that there is and everything that waits on it. */
  #drop(): void {
    this.#life++;
    this.#cancelTimer();
    this.#cancelTimer = () => {};
    const [socket, rpc] = [this.#socket, this.#rpc];
    this.#socket = undefined;
    this.#rpc = undefined;
    rpc?.close();
    socket?.close();
  }

  #untilReady(withinMs: number, otherwise: CallError): Promise<void> {
    return new Promise((resolve, reject) => {
      if (withinMs <= 0) return reject(otherwise);
      const settle = (done: () => void): void => {
        stop();
        cancel();
        done();
      };
      const cancel = this.#options.clock.after(withinMs, () => settle(() => reject(otherwise)));
      const stop = this.listen({
        state: ({ at }) => {
          if (at === 'ready') settle(resolve);
          if (at === 'refused' || at === 'closed') settle(() => reject(otherwise));
        },
      });
      if (this.#state.at === 'ready') settle(resolve);
    });
  }

  #enter(state: LinkState): void {
    this.#state = state;
    this.#each((listener) => listener.state?.(state));
  }

  #each(tell: (listener: LinkListener) => void): void {
    for (const listener of [...this.#listeners]) tell(listener);
  }
}

const retryAfter = (error: unknown): number => (error instanceof DoorError ? error.retryAfterMs : 0);
