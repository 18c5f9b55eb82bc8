// A terminal's stream: bytes in order to whatever draws them, gaps said with their size, credit by what
// is drawn, and what is typed back to the program.
import { Attachment, type AttachmentState, isOwner, type Target, type Viewer } from './attachment';
import { Credit } from './credit';
import { Flag, type FrameBody } from './frames';
import type { AttachParams, AttachResult, LeaseView, ScrolledLine, SessionEvent, TerminalSize } from './generated';
import { InputWindow } from './input';
import { CREDIT_WINDOW_BYTES } from './limits';
import type { Link } from './link';
import { CallError } from './rpc';

/** Draws a terminal. Each `drawn` is called when the bytes before it are on the screen. */
export interface Canvas {
  /** Everything begins anew, below these lines of history. */
  begin(history: ScrolledLine[], size: TerminalSize): void;
  /** A whole screen; `part` says where in it these bytes stand. */
  snapshot(bytes: Uint8Array, part: { first: boolean; last: boolean; exact: boolean }, drawn: () => void): void;
  /** Output. What is replay causes no reply, bell or clipboard. */
  output(bytes: Uint8Array, replay: boolean, drawn: () => void): void;
  /** Bytes that will not come, in their place. */
  gap(from: number, to: number): void;
  /** A new size, in its place in the stream. */
  resize(size: TerminalSize): void;
}

/** How the last reconnect went, as the page says it. */
export type Resumption = { how: 'nothing_missed' } | { how: 'gap'; bytes: number } | { how: 'reset' };

/** What is told about a stream. */
export interface TerminalListener {
  state(state: AttachmentState): void;
  resumed(resumption: Resumption): void;
  /** Bytes that were skipped because drawing was slower than the program. */
  skipped(bytes: number): void;
  /** Typed bytes that did not reach the program, and why. */
  inputLost(bytes: number, why: string): void;
  event(event: SessionEvent): void;
  /** Older lines that the log has: whether there are more above what is shown. */
  history(state: { lines: number; oldest: boolean }): void;
}

/** How long the first screen waits for the lines above it. */
const HISTORY_PATIENCE_MS = 1_500;

type Step = () => void;

/** The page's view of one terminal. */
export class TerminalStream implements Viewer {
  readonly attachment: Attachment;
  #credit: Credit | undefined;
  #input: InputWindow | undefined;
  /** First output byte that the canvas was not given. */
  #position = 0;
  #lease: LeaseView | undefined;
  #snapOpen = false;
  /** After a reconnect: where the log was then. Nothing was missed once everything before it has come. */
  #catchesUpTo: number | undefined;
  #wish: { role: AttachParams['role']; fresh: boolean } = { role: 'auto', fresh: true };
  /** What came while the lines above the screen were fetched; at most a credit window of bytes. */
  #held: Step[] | undefined;

  constructor(
    private readonly link: Link,
    readonly target: Target,
    private readonly canvas: Canvas,
    private readonly listener: TerminalListener,
    private historyLines: number,
  ) {
    this.attachment = new Attachment(link, target, this);
  }

  params(previous: AttachResult | undefined): Omit<AttachParams, 'session'> {
    const common = { role: this.#wish.role, behind: 'skip' as const, window: CREDIT_WINDOW_BYTES };
    if (!previous || this.#wish.fresh) return { ...common, from: { at: 'snapshot' } };
    return { ...common, from: { at: 'out', out: this.#position, log_id: previous.log_id } };
  }

  attached(result: AttachResult, previous: AttachResult | undefined): void {
    const fresh = !previous || this.#wish.fresh || result.start === 'reset';
    this.#wish = { role: 'auto', fresh: false };
    this.#snapOpen = false;
    this.#position = result.out;
    this.#credit = new Credit(result.out, CREDIT_WINDOW_BYTES);
    this.#attachInput(result);
    this.#catchesUpTo = undefined;
    if (previous && result.start === 'ok' && result.head > result.out) this.#catchesUpTo = result.head;
    else if (previous) this.listener.resumed(resumption(result));
    if (fresh) void this.#begin(result);
    else this.canvas.resize(result.session.size);
  }

  /** Shows more lines above the screen, by beginning anew with a deeper history. */
  deepen(lines: number): void {
    this.historyLines = lines;
    this.#wish.fresh = true;
    void this.attachment.attach();
  }

  /** Attaches as the owner, where the relay lets it. */
  take(): void {
    this.#wish.role = 'take';
    void this.attachment.attach();
  }

  get owns(): boolean {
    return this.#lease !== undefined && isOwner(this.#lease, this.link.clientId);
  }

  /** Types; false when this client does not own the session or too much waits already. */
  type(bytes: Uint8Array): boolean {
    if (!this.owns || !this.#input?.push(bytes)) return false;
    this.#pumpInput();
    return true;
  }

  /** The lease, from an answer or a notification. */
  handleLease(lease: LeaseView): void {
    if (this.#lease && lease.epoch < this.#lease.epoch) return;
    this.#lease = lease;
    const dropped = this.#input?.handleEpoch(lease.epoch) ?? 0;
    if (dropped > 0) this.listener.inputLost(dropped, 'the session changed hands');
  }

  frame(body: FrameBody): void {
    if (body.kind === 'inack') return this.#handleAck(body.n, body.state);
    this.#inOrder(() => this.#draw(body));
  }

  notification(method: string, params: unknown): void {
    if (method === 'session.event') this.#inOrder(() => this.#handleEvent(params as SessionEvent));
    else if (method === 'input.rejected') {
      const { error } = params as { error: { message: string } };
      this.listener.inputLost(0, error.message);
    }
  }

  changed(state: AttachmentState): void {
    if (state.at !== 'live') this.#held = undefined;
    this.listener.state(state);
  }

  close(): void {
    this.attachment.close();
  }

  async #begin(result: AttachResult): Promise<void> {
    const held: Step[] = [];
    this.#held = held;
    const page = await this.#history(result.out);
    if (this.#held !== held) return;
    this.#held = undefined;
    this.canvas.begin(page?.lines ?? [], result.session.size);
    this.listener.history({ lines: page?.lines.length ?? 0, oldest: page?.oldest ?? false });
    for (const step of held) step();
  }

  async #history(before: number): Promise<{ lines: ScrolledLine[]; oldest: boolean } | undefined> {
    if (this.historyLines === 0) return undefined;
    if (before === 0) return { lines: [], oldest: true };
    let all: ScrolledLine[] = [];
    try {
      for (let end = before; ; ) {
        const lines = this.historyLines - all.length;
        const page = await this.link.call('session.scrollback', { ...this.target, before: end, lines }, HISTORY_PATIENCE_MS);
        all = [...page.lines, ...all];
        const stuck = page.from >= end;
        if (page.oldest || stuck || all.length >= this.historyLines) {
          return { lines: all.slice(-this.historyLines), oldest: page.oldest && all.length <= this.historyLines };
        }
        end = page.from;
      }
    } catch (error) {
      if (error instanceof CallError) return { lines: all, oldest: false };
      throw error;
    }
  }

  #inOrder(step: Step): void {
    if (this.#held) this.#held.push(step);
    else step();
  }

  #draw(body: FrameBody): void {
    switch (body.kind) {
      case 'out': {
        const end = body.out + body.bytes.length;
        this.#give(end);
        this.canvas.output(body.bytes, (body.flags & Flag.replay) !== 0, () => this.#drawn(end));
        break;
      }
      case 'snap': {
        const more = (body.flags & Flag.more) !== 0;
        const part = { first: !this.#snapOpen, last: !more, exact: (body.flags & Flag.inexact) === 0 };
        this.#snapOpen = more;
        this.#give(body.out);
        this.canvas.snapshot(body.bytes, part, () => this.#drawn(body.out));
        break;
      }
      case 'gap':
        this.canvas.gap(body.from, body.to);
        this.#tellGap(body.to - body.from);
        this.#give(body.to);
        this.#drawn(body.to);
        break;
      case 'in':
      case 'inack':
      case 'credit':
        break;
    }
  }

  /** What was too far behind after a reconnect was missed; later on, it came too fast. */
  #tellGap(bytes: number): void {
    if (this.#catchesUpTo === undefined) return this.listener.skipped(bytes);
    this.#catchesUpTo = undefined;
    this.listener.resumed({ how: 'gap', bytes });
  }

  #give(end: number): void {
    this.#position = Math.max(this.#position, end);
    if (this.#catchesUpTo !== undefined && end >= this.#catchesUpTo) {
      this.#catchesUpTo = undefined;
      this.listener.resumed({ how: 'nothing_missed' });
    }
    this.#credit?.handleGiven(end);
  }

  #drawn(out: number): void {
    const credit = this.#credit?.handleDrawn(out);
    if (credit !== undefined) this.attachment.send({ kind: 'credit', out: credit });
  }

  #handleEvent(event: SessionEvent): void {
    if (event.event === 'resize') {
      const size = (event.body as { size?: TerminalSize }).size;
      if (size) this.canvas.resize(size);
    }
    this.listener.event(event);
  }

  #attachInput(result: AttachResult): void {
    const { lease } = result.session;
    this.#lease = lease;
    if (!this.#input) {
      this.#input = new InputWindow(result.input_applied, Date.now(), lease.epoch, result.incarnation);
      return;
    }
    const { resend, dropped } = this.#input.handleAttached(result.input_applied, lease.epoch, result.incarnation);
    if (dropped > 0) this.listener.inputLost(dropped, 'the session changed while the link was down');
    if (!this.owns) return;
    for (const piece of resend) this.attachment.send({ kind: 'in', ...piece });
    this.#pumpInput();
  }

  #handleAck(n: number, state: Parameters<InputWindow['handleAck']>[1]): void {
    const trouble = this.#input?.handleAck(n, state);
    if (trouble) {
      const why = trouble.what === 'rejected' ? 'the program did not take it' : 'nobody can say whether it arrived';
      this.listener.inputLost(trouble.bytes, why);
    }
    this.#pumpInput();
  }

  #pumpInput(): void {
    if (this.attachment.channel === undefined) return;
    for (let piece = this.#input?.poll(); piece; piece = this.#input?.poll()) {
      this.attachment.send({ kind: 'in', ...piece });
    }
  }
}

function resumption(result: AttachResult): Resumption {
  switch (result.start) {
    case 'ok':
      return { how: 'nothing_missed' };
    case 'gap':
      return { how: 'gap', bytes: result.to - result.from };
    case 'reset':
      return { how: 'reset' };
  }
}
