import { describe, expect, test } from 'vitest';
import { Credit } from './credit';
import { InputWindow, type InputPiece } from './input';
import { INPUT_WINDOW_BYTES, MAX_INPUT_BYTES, MAX_WAITING_INPUT_BYTES } from './limits';

const bytes = (length: number): Uint8Array => new Uint8Array(length);
const all = (window: InputWindow): InputPiece[] => {
  const pieces: InputPiece[] = [];
  for (let piece = window.poll(); piece; piece = window.poll()) pieces.push(piece);
  return pieces;
};

describe('input', () => {
  test('numbers rise from above what the relay knows', () => {
    const window = new InputWindow(41, 0, 3, 1);
    window.push(bytes(1));
    window.push(bytes(2));
    expect(all(window).map(({ n, epoch }) => [n, epoch])).toEqual([[42, 3], [43, 3]]);
  });

  test('a page that was reloaded gives no number twice', () => {
    const before = new InputWindow(0, 1_000, 3, 1);
    before.push(bytes(1));
    const last = all(before)[0]?.n ?? 0;
    const after = new InputWindow(0, 1_001, 3, 1);
    after.push(bytes(1));
    expect(all(after)[0]?.n).toBeGreaterThan(last);
  });

  test('a paste goes out in frames and no further than the window', () => {
    const window = new InputWindow(0, 0, 3, 1);
    expect(window.push(bytes(200_000))).toBe(true);
    const sent = all(window);
    expect(sent.every((piece) => piece.bytes.length === MAX_INPUT_BYTES)).toBe(true);
    expect(sent.length * MAX_INPUT_BYTES).toBe(INPUT_WINDOW_BYTES);
    window.handleAck(sent[1]?.n ?? 0, 'applied');
    expect(all(window)).toHaveLength(2);
    expect(window.unacknowledgedBytes).toBe(200_000 - 2 * MAX_INPUT_BYTES);
  });

  test('what does not fit is refused whole', () => {
    const window = new InputWindow(0, 0, 3, 1);
    expect(window.push(bytes(MAX_WAITING_INPUT_BYTES + 1))).toBe(false);
    expect(window.unacknowledgedBytes).toBe(0);
  });

  test('after a reconnect what was not applied is sent again under its number', () => {
    const window = new InputWindow(0, 0, 3, 1);
    for (let n = 0; n < 3; n++) window.push(bytes(1));
    const [, second, third] = all(window);
    const { resend, dropped } = window.handleAttached(1, 3, 1);
    expect(resend).toEqual([second, third]);
    expect(dropped).toBe(0);
  });

  test.each([
    ['another lease', 4, 1],
    ['a program that was started again', 3, 2],
  ])('bytes of one lease are never sent under %s', (_, epoch, incarnation) => {
    const window = new InputWindow(0, 0, 3, 1);
    window.push(bytes(5));
    all(window);
    window.push(bytes(INPUT_WINDOW_BYTES));
    expect(window.handleAttached(0, epoch, incarnation)).toEqual({ resend: [], dropped: INPUT_WINDOW_BYTES + 5 });
    expect(all(window)).toEqual([]);
  });

  test('a rejected piece is told with its size and those after it stay', () => {
    const window = new InputWindow(0, 0, 3, 1);
    window.push(bytes(5));
    window.push(bytes(6));
    all(window);
    expect(window.handleAck(1, 'rejected')).toEqual({ what: 'rejected', bytes: 5 });
    expect(window.unacknowledgedBytes).toBe(6);
  });
});

describe('credit', () => {
  test('it is given for what is drawn, an eighth of the window at a time', () => {
    const credit = new Credit(100, 800);
    credit.handleGiven(1000);
    expect(credit.handleDrawn(150)).toBeUndefined();
    expect(credit.handleDrawn(199)).toBeUndefined();
    expect(credit.handleDrawn(200)).toBe(200);
    expect(credit.handleDrawn(250)).toBeUndefined();
  });

  test('the last of it is given when nothing is left to draw', () => {
    const credit = new Credit(0, 800);
    credit.handleGiven(3);
    expect(credit.handleDrawn(3)).toBe(3);
    expect(credit.handleDrawn(3)).toBeUndefined();
  });
});
