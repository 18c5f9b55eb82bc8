// Bytes that the page itself writes to a terminal, around what the program wrote.
import type { ScrolledLine } from '../../wire/generated';

/** Private modes that are off in a terminal that nobody has touched. */
const OFF = '1;5;6;9;45;66;1000;1001;1002;1003;1004;1005;1006;1007;1015;1016;2004;2026';

/** Lines that end above an empty screen of `rows` rows, in the scrollback. */
export function historyText(lines: readonly ScrolledLine[], rows: number): string {
  const text = lines.map((line) => (line.wrapped ? line.text : `${line.text}\r\n`)).join('');
  // to the last row, then as many line feeds as there are rows with text on them
  const shown = Math.min(lines.length, rows - 1);
  return `${text}\x1b[0m\x1b[${rows};1H${'\n'.repeat(shown)}\x1b[H`;
}

/** Scrolls what the screen shows up into the scrollback, and says below it what is missing. */
export function gapText(words: string, rows: number): string {
  return `\x1b[?1049l\x1b[r\x1b[0;2m\x1b[999;1H\r\n── ${words} ──\x1b[0m${'\r\n'.repeat(rows)}`;
}

/** What makes the screen a fresh terminal's without emptying the scrollback. */
export function clearModes(rows: number): string {
  const modes = `\x1b[?1049l\x1b[?47l\x1b[?${OFF}l\x1b[?7;25h\x1b[4l\x1b[20l\x1b>\x1b[r\x1b[0m\x1b(B\x1b)B\x0f\x1b[!p`;
  return `${modes}\x1b[${rows};1H\x1b[2J\x1b[H\x1b[3g${tabStops(400)}\x1b[H`;
}

/** A stop at every eighth column, as in a fresh terminal. */
function tabStops(columns: number): string {
  let text = '';
  for (let column = 9; column <= columns; column += 8) text += `\x1b[${column}G\x1bH`;
  return text;
}

/** What a key of the phone's key row sends. */
export function keyBytes(key: PhoneKey, applicationCursor: boolean): string {
  const arrow = (letter: string): string => (applicationCursor ? `\x1bO${letter}` : `\x1b[${letter}`);
  switch (key) {
    case 'esc':
      return '\x1b';
    case 'tab':
      return '\t';
    case 'up':
      return arrow('A');
    case 'down':
      return arrow('B');
    case 'right':
      return arrow('C');
    case 'left':
      return arrow('D');
    case 'home':
      return arrow('H');
    case 'end':
      return arrow('F');
    case 'page_up':
      return '\x1b[5~';
    case 'page_down':
      return '\x1b[6~';
  }
}

export type PhoneKey =
  | 'esc'
  | 'tab'
  | 'up'
  | 'down'
  | 'left'
  | 'right'
  | 'home'
  | 'end'
  | 'page_up'
  | 'page_down';

/** The character that Ctrl and this one make; undefined when there is none. */
export function withControl(char: string): string | undefined {
  const code = char.toUpperCase().charCodeAt(0);
  if (char === ' ') return '\0';
  if (char === '?') return '\x7f';
  return char.length === 1 && code >= 0x40 && code <= 0x5f ? String.fromCharCode(code & 0x1f) : undefined;
}
