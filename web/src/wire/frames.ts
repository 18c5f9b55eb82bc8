// Binary frames of the wire: `channel u32 | kind u8 | fields | bytes`, little endian.
// The table stands in docs/protocol.md; the golden bytes of each kind in the test beside this file.

/** Flags of an `OUT` or `SNAP` frame; unknown bits are ignored. */
export const Flag = { replay: 1, more: 2, inexact: 4 } as const;

/** How far an input has come. */
export type InputState = 'accepted' | 'delivered' | 'applied' | 'rejected' | 'indeterminate';
const INPUT_STATES: readonly InputState[] = ['accepted', 'delivered', 'applied', 'rejected', 'indeterminate'];

/** What a frame says. Offsets and numbers are below 2^53: a session would need 8 PiB to get there. */
export type FrameBody =
  | { kind: 'out'; out: number; flags: number; bytes: Uint8Array }
  | { kind: 'snap'; out: number; flags: number; bytes: Uint8Array }
  | { kind: 'gap'; from: number; to: number }
  | { kind: 'in'; epoch: number; n: number; bytes: Uint8Array }
  | { kind: 'inack'; n: number; state: InputState }
  | { kind: 'credit'; out: number };

/** A binary frame and the attachment that it belongs to. */
export interface Frame {
  channel: number;
  body: FrameBody;
}

/** Bytes that are no frame. `unknown` is a newer peer's kind, which can be skipped. */
export class FrameError extends Error {
  constructor(
    readonly reason: 'short' | 'unknown',
    message: string,
  ) {
    super(message);
  }
}

const KINDS = { out: 1, snap: 2, gap: 3, in: 4, inack: 5, credit: 6 } as const;
const HEADER_BYTES = 5;

/** Reads a frame; the payload is a view of the same buffer. */
export function parseFrame(buffer: ArrayBuffer): Frame {
  const view = new DataView(buffer);
  if (view.byteLength < HEADER_BYTES) throw tooShort();
  const channel = view.getUint32(0, true);
  const kind = view.getUint8(4);
  const u64 = (at: number): number => readU64(view, at);
  const u8 = (at: number): number => {
    if (view.byteLength < at + 1) throw tooShort();
    return view.getUint8(at);
  };
  switch (kind) {
    case KINDS.out:
    case KINDS.snap: {
      const [out, flags] = [u64(5), u8(13)];
      return { channel, body: { kind: kind === KINDS.out ? 'out' : 'snap', out, flags, bytes: new Uint8Array(buffer, 14) } };
    }
    case KINDS.gap:
      return { channel, body: { kind: 'gap', from: u64(5), to: u64(13) } };
    case KINDS.in:
      return { channel, body: { kind: 'in', epoch: u64(5), n: u64(13), bytes: new Uint8Array(buffer, 21) } };
    case KINDS.inack: {
      const [n, word] = [u64(5), u8(13)];
      const state = INPUT_STATES[word - 1];
      if (!state) throw new FrameError('unknown', `unknown input state ${word}`);
      return { channel, body: { kind: 'inack', n, state } };
    }
    case KINDS.credit:
      return { channel, body: { kind: 'credit', out: u64(5) } };
    default:
      throw new FrameError('unknown', `unknown binary frame kind ${kind}`);
  }
}

/** The bytes of a frame. */
export function encodeFrame({ channel, body }: Frame): Uint8Array<ArrayBuffer> {
  const payload = 'bytes' in body ? body.bytes : new Uint8Array();
  const bytes = new Uint8Array(HEADER_BYTES + fieldBytes(body) + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, channel, true);
  view.setUint8(4, KINDS[body.kind]);
  switch (body.kind) {
    case 'out':
    case 'snap':
      writeU64(view, 5, body.out);
      view.setUint8(13, body.flags);
      break;
    case 'gap':
      writeU64(view, 5, body.from);
      writeU64(view, 13, body.to);
      break;
    case 'in':
      writeU64(view, 5, body.epoch);
      writeU64(view, 13, body.n);
      break;
    case 'inack':
      writeU64(view, 5, body.n);
      view.setUint8(13, INPUT_STATES.indexOf(body.state) + 1);
      break;
    case 'credit':
      writeU64(view, 5, body.out);
      break;
  }
  bytes.set(payload, bytes.length - payload.length);
  return bytes;
}

function fieldBytes(body: FrameBody): number {
  switch (body.kind) {
    case 'out':
    case 'snap':
    case 'inack':
      return 9;
    case 'gap':
    case 'in':
      return 16;
    case 'credit':
      return 8;
  }
}

function readU64(view: DataView, at: number): number {
  if (view.byteLength < at + 8) throw tooShort();
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
}

function writeU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % 2 ** 32, true);
  view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
}

const tooShort = (): FrameError => new FrameError('short', 'binary frame is too short');
