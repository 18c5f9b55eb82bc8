// What was typed and has not reached the program: numbered, windowed, sent again after a reconnect.
//
// Bytes of one lease are never sent under another, nor to a program that was started again.
import type { InputState } from './frames';
import { INPUT_WINDOW_BYTES, MAX_INPUT_BYTES, MAX_WAITING_INPUT_BYTES } from './limits';

/** One `IN` frame. */
export interface InputPiece {
  n: number;
  epoch: number;
  bytes: Uint8Array;
}

/** What became of an acknowledged piece that did not simply arrive. */
export type InputTrouble = { what: 'rejected' | 'indeterminate'; bytes: number };

/** The inputs of this client to one session. */
export class InputWindow {
  #sent: InputPiece[] = [];
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #sentBytes = 0;
  #next: number;

  /**
   * Numbers begin above what the relay knows of this client and above the clock in microseconds, so that
   * a page that was reloaded cannot give a number twice.
   */
  constructor(
    applied: number,
    nowMs: number,
    private epoch: number,
    private incarnation: number,
  ) {
    this.#next = Math.max(applied + 1, nowMs * 1000);
  }

  /** Bytes that the program has not got. */
  get unacknowledgedBytes(): number {
    return this.#sentBytes + this.#waitingBytes;
  }

  /** Takes what was typed; false when it does not fit and nothing was taken. */
  push(bytes: Uint8Array): boolean {
    if (this.#waitingBytes + bytes.length > MAX_WAITING_INPUT_BYTES) return false;
    for (let at = 0; at < bytes.length; at += MAX_INPUT_BYTES) {
      this.#waiting.push(bytes.subarray(at, at + MAX_INPUT_BYTES));
    }
    this.#waitingBytes += bytes.length;
    return true;
  }

  /** The next piece that may be sent now. */
  poll(): InputPiece | undefined {
    const bytes = this.#waiting[0];
    if (!bytes || this.#sentBytes + bytes.length > INPUT_WINDOW_BYTES) return undefined;
    this.#waiting.shift();
    this.#waitingBytes -= bytes.length;
    const piece = { n: this.#next++, epoch: this.epoch, bytes };
    this.#sent.push(piece);
    this.#sentBytes += bytes.length;
    return piece;
  }

  /** Takes an acknowledgement. */
  handleAck(n: number, state: InputState): InputTrouble | undefined {
    switch (state) {
      case 'accepted':
      case 'delivered':
        return undefined;
      case 'applied':
        this.#keep((piece) => piece.n > n);
        return undefined;
      case 'rejected':
      case 'indeterminate': {
        const bytes = this.#sent.find((piece) => piece.n === n)?.bytes.length ?? 0;
        this.#keep((piece) => piece.n !== n);
        return { what: state, bytes };
      }
    }
  }

  /** A new attachment: what is sent again, and how many bytes never will be. */
  handleAttached(applied: number, epoch: number, incarnation: number): { resend: InputPiece[]; dropped: number } {
    this.#keep((piece) => piece.n > applied);
    const same = epoch === this.epoch && incarnation === this.incarnation;
    this.epoch = epoch;
    this.incarnation = incarnation;
    if (same) return { resend: [...this.#sent], dropped: 0 };
    return { resend: [], dropped: this.clear() };
  }

  /** The lease changed hands: nothing of the old one goes out any more. Returns the bytes dropped. */
  handleEpoch(epoch: number): number {
    if (epoch === this.epoch) return 0;
    this.epoch = epoch;
    return this.clear();
  }

  /** Forgets everything that has not arrived; how many bytes that were. */
  clear(): number {
    const dropped = this.unacknowledgedBytes;
    this.#sent = [];
    this.#waiting = [];
    this.#sentBytes = 0;
    this.#waitingBytes = 0;
    return dropped;
  }

  #keep(still: (piece: InputPiece) => boolean): void {
    this.#sent = this.#sent.filter(still);
    this.#sentBytes = this.#sent.reduce((sum, piece) => sum + piece.bytes.length, 0);
  }
}
