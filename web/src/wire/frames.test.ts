import { describe, expect, test } from 'vitest';
import { encodeFrame, Flag, parseFrame, type FrameBody } from './frames';

const text = (of: string): Uint8Array => new TextEncoder().encode(of);

// the same bytes as in crates/protocol/src/frame.rs
const golden: [FrameBody, number[]][] = [
  [
    { kind: 'out', out: 258, flags: Flag.replay | Flag.more, bytes: text('hi') },
    [1, 2, 1, 0, 0, 0, 0, 0, 0, 3, 0x68, 0x69],
  ],
  [{ kind: 'snap', out: 1, flags: Flag.inexact, bytes: text('s') }, [2, 1, 0, 0, 0, 0, 0, 0, 0, 4, 0x73]],
  [{ kind: 'gap', from: 1, to: 2 }, [3, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]],
  [{ kind: 'in', epoch: 3, n: 7, bytes: text('x') }, [4, 3, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0x78]],
  [{ kind: 'inack', n: 7, state: 'applied' }, [5, 7, 0, 0, 0, 0, 0, 0, 0, 3]],
  [{ kind: 'credit', out: 9 }, [6, 9, 0, 0, 0, 0, 0, 0, 0]],
];

describe('frames', () => {
  test.each(golden)('%o has its golden bytes, both ways', (body, bytes) => {
    const encoded = encodeFrame({ channel: 0x04030201, body });
    expect([...encoded]).toEqual([1, 2, 3, 4, ...bytes]);
    expect(parseFrame(encoded.buffer)).toEqual({ channel: 0x04030201, body });
  });

  test('offsets beyond 32 bits survive', () => {
    const out = 2 ** 45 + 12345;
    const { buffer } = encodeFrame({ channel: 1, body: { kind: 'credit', out } });
    expect(parseFrame(buffer).body).toEqual({ kind: 'credit', out });
  });

  test('a short frame is an error and one of a newer kind says so', () => {
    const parse = (...bytes: number[]): unknown => parseFrame(new Uint8Array(bytes).buffer);
    expect(() => parse(1, 0, 0)).toThrow('too short');
    expect(() => parse(1, 0, 0, 0, 1, 0)).toThrow('too short');
    expect(() => parse(1, 0, 0, 0, 6, 1, 2, 3)).toThrow('too short');
    expect(() => parse(1, 0, 0, 0, 99)).toThrow('unknown binary frame kind 99');
    expect(() => parse(1, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 77)).toThrow('unknown input state 77');
  });
});
