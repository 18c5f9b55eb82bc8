import { Terminal } from '@xterm/xterm';
import { describe, expect, test } from 'vitest';
import type { ScrolledLine } from '../../wire/generated';
import { clearModes, historyText, keyBytes, withControl } from './sequences';

const ROWS = 4;
const screen = (): Terminal => new Terminal({ cols: 10, rows: ROWS, scrollback: 100, allowProposedApi: true });
const write = (terminal: Terminal, text: string): Promise<void> =>
  new Promise((resolve) => terminal.write(text, resolve));
const lines = (terminal: Terminal): string[] =>
  Array.from({ length: terminal.buffer.normal.length }, (_, y) =>
    (terminal.buffer.normal.getLine(y)?.translateToString(true) ?? ''),
  );
const line = (text: string, wrapped = false): ScrolledLine => ({ text, wrapped });

describe('history', () => {
  test.each([1, 2, 3, 4, 5, 9])('%i lines end above an empty screen, and nothing else does', async (count) => {
    const terminal = screen();
    const texts = Array.from({ length: count }, (_, n) => `line ${n}`);
    await write(terminal, historyText(texts.map((text) => line(text)), ROWS));
    expect(lines(terminal)).toEqual([...texts, '', '', '', '']);
    expect(terminal.buffer.normal.cursorY).toBe(0);
  });

  test('a wrapped line goes on without a line break', async () => {
    const terminal = screen();
    await write(terminal, historyText([line('0123456789', true), line('abc')], ROWS));
    expect(lines(terminal).slice(0, 2)).toEqual(['0123456789', 'abc']);
    expect(terminal.buffer.normal.getLine(1)?.isWrapped).toBe(true);
  });
});

describe('a cleared screen', () => {
  test('keeps the scrollback and none of the modes', async () => {
    const terminal = screen();
    await write(terminal, 'a\r\nb\r\nc\r\nd\r\ne');
    await write(terminal, '\x1b[?1049h\x1b[?1000;1006;2004;1h\x1b[31mx');
    await write(terminal, clearModes(ROWS));
    expect(terminal.buffer.active.type).toBe('normal');
    expect(terminal.modes).toMatchObject({
      mouseTrackingMode: 'none',
      bracketedPasteMode: false,
      applicationCursorKeysMode: false,
      wraparoundMode: true,
    });
    expect(lines(terminal)[0]).toBe('a');
    await write(terminal, 'z');
    expect(terminal.buffer.active.getLine(terminal.buffer.active.baseY)?.getCell(0)?.getFgColorMode()).toBe(0);
  });
});

describe('keys of the phone', () => {
  test('arrows follow the mode of the program', () => {
    expect(keyBytes('up', false)).toBe('\x1b[A');
    expect(keyBytes('up', true)).toBe('\x1bOA');
  });

  test('control makes control characters and leaves the rest alone', () => {
    expect([withControl('c'), withControl('['), withControl(' '), withControl('1')]).toEqual(['\x03', '\x1b', '\0', undefined]);
  });
});
