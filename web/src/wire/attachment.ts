// One session that the page watches: attaches when there is a connection, again after each new one, and
// hands on what comes on its channel. What the bytes mean is for its `Viewer`.
import type { FrameBody } from './frames';
import type { AttachParams, AttachResult, LeaseView } from './generated';
import type { Link } from './link';
import { CallError } from './rpc';

/** Which session: on a hub with its machine. */
export interface Target {
  machine?: string;
  session: string;
}

/** Where an attachment is. */
export type AttachmentState =
  | { at: 'waiting' }
  | { at: 'attaching' }
  | { at: 'live'; result: AttachResult }
  | { at: 'failed'; error: CallError }
  | { at: 'detached'; why: string };

/** What an attachment is for. */
export interface Viewer {
  /** What to ask for; `previous` is the answer to the attachment before a reconnect. */
  params(previous: AttachResult | undefined): Omit<AttachParams, 'session'>;
  /** It is attached; frames follow. */
  attached(result: AttachResult, previous: AttachResult | undefined): void;
  frame(body: FrameBody): void;
  notification(method: string, params: unknown): void;
  changed(state: AttachmentState): void;
}

const hasChannel = (params: unknown, channel: number): boolean =>
  typeof params === 'object' && params !== null && (params as { channel?: unknown }).channel === channel;

/** A watched session. */
export class Attachment {
  #state: AttachmentState = { at: 'waiting' };
  #last: AttachResult | undefined;
  #channel: number | undefined;
  #stopListening: () => void;
  #attempt = 0;

  constructor(
    readonly link: Link,
    readonly target: Target,
    private readonly viewer: Viewer,
  ) {
    this.#stopListening = link.listen({
      state: ({ at }) => {
        if (at === 'ready') void this.attach();
        else if (this.#state.at === 'live' || this.#state.at === 'attaching') this.#lose();
      },
      frame: ({ channel, body }) => {
        if (channel === this.#channel) this.viewer.frame(body);
      },
      notification: (method, params) => this.#handleNotification(method, params),
    });
    if (link.state.at === 'ready') void this.attach();
  }

  get state(): AttachmentState {
    return this.#state;
  }

  /** The channel while it is live. */
  get channel(): number | undefined {
    return this.#channel;
  }

  /** Attaches, also for a second time on the same connection: the relay replaces the first. */
  async attach(wish?: Partial<AttachParams>): Promise<void> {
    const attempt = ++this.#attempt;
    await this.#detachOld();
    if (attempt !== this.#attempt) return;
    this.#enter({ at: 'attaching' });
    const params = { ...this.viewer.params(this.#last), ...wish, ...this.target };
    try {
      const result = await this.link.call('session.attach', params);
      if (attempt !== this.#attempt) return void this.#detach(result.channel);
      const previous = this.#last;
      this.#last = result;
      this.#channel = result.channel;
      this.#enter({ at: 'live', result });
      this.viewer.attached(result, previous);
    } catch (error) {
      if (attempt !== this.#attempt) return;
      const known = error instanceof CallError ? error : new CallError('unknown', String(error));
      this.#enter(known.word === 'disconnected' ? { at: 'waiting' } : { at: 'failed', error: known });
    }
  }

  /** The machine can be seen again: what was lost with it is taken up, and nothing else is. */
  handleReachable(): void {
    const wasLost =
      (this.#state.at === 'detached' && (this.#state.why === 'unreachable' || this.#state.why === 'shutdown')) ||
      (this.#state.at === 'failed' && this.#state.error.word === 'unreachable');
    if (wasLost && this.link.state.at === 'ready') void this.attach();
  }

  /** Sends a frame on the channel; whether it went out. */
  send(body: FrameBody): boolean {
    if (this.#channel === undefined) return false;
    return this.link.sendFrame({ channel: this.#channel, body });
  }

  /** What the last answer said about the log; offsets of another log mean nothing here. */
  get last(): AttachResult | undefined {
    return this.#last;
  }

  /** Ends it; the session goes on. */
  close(): void {
    this.#attempt++;
    this.#stopListening();
    void this.#detachOld();
  }

  async #detachOld(): Promise<void> {
    const channel = this.#channel;
    this.#channel = undefined;
    if (channel !== undefined) await this.#detach(channel);
  }

  async #detach(channel: number): Promise<void> {
    // on a broken link, or of a session that is gone, there is nothing left to detach
    await this.link.call('session.detach', { channel, machine: this.target.machine }).catch(() => undefined);
  }

  #lose(): void {
    this.#attempt++;
    this.#channel = undefined;
    this.#enter({ at: 'waiting' });
  }

  #handleNotification(method: string, params: unknown): void {
    if (this.#channel === undefined || !hasChannel(params, this.#channel)) return;
    if (method === 'session.detached') {
      this.#channel = undefined;
      this.#enter({ at: 'detached', why: (params as { why: string }).why });
    } else {
      this.viewer.notification(method, params);
    }
  }

  #enter(state: AttachmentState): void {
    this.#state = state;
    this.viewer.changed(state);
  }
}

/** Whether the client owns the session by this lease. */
export function isOwner(lease: LeaseView, clientId: string | undefined): boolean {
  return lease.state === 'held' && lease.owner.client === clientId;
}
