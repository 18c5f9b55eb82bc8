// Small things about text that a person typed or pasted.

/** Lines from which a paste is asked about, with and without the program's own guard (bracketed paste). */
const MANY_LINES = { plain: 2, bracketed: 12 } as const;
const MANY_CHARACTERS = 10_000;
// C0 except tab, newline and carriage return; DEL; C1
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/;

/** Why a paste should be asked about before it is typed. */
export interface PasteRisk {
  lines: number;
  characters: number;
  hasControl: boolean;
}

/** What to ask about a paste; undefined when it can simply be typed. */
export function pasteRisk(text: string, bracketed: boolean): PasteRisk | undefined {
  const lines = text.replace(/\r\n?/g, '\n').replace(/\n$/, '').split('\n').length;
  const endsLine = /[\r\n]$/.test(text) && !bracketed;
  const hasControl = CONTROL.test(text);
  const limit = bracketed ? MANY_LINES.bracketed : MANY_LINES.plain;
  const risky = lines >= limit || endsLine || text.length > MANY_CHARACTERS || hasControl;
  return risky ? { lines, characters: text.length, hasControl } : undefined;
}

/** The text without what a terminal would act on. */
export const withoutControl = (text: string): string => text.replace(new RegExp(CONTROL, 'g'), '');

/** What xterm sends for a paste. */
export function pasteBytes(text: string, bracketed: boolean): string {
  const typed = text.replace(/\r?\n/g, '\r');
  // the end marker inside a paste would end it early
  return bracketed ? `\x1b[200~${typed.replaceAll('\x1b[201~', '')}\x1b[201~` : typed;
}

/** Splits a command line as a shell would without expanding anything; undefined when a quote is open. */
export function splitCommand(line: string): string[] | undefined {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let at = 0; at < line.length; at++) {
    const char = line[at] ?? '';
    if (quote) {
      if (char === quote) quote = '';
      else if (char === '\\' && quote === '"' && /["\\$`]/.test(line[at + 1] ?? '')) word += line[++at] ?? '';
      else word += char;
    } else if (char === '"' || char === "'") {
      quote = char;
      word ??= '';
    } else if (char === '\\' && at + 1 < line.length) {
      word = (word ?? '') + (line[++at] ?? '');
    } else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = (word ?? '') + char;
    }
  }
  if (quote) return undefined;
  if (word !== undefined) words.push(word);
  return words;
}

/** Whether a text can be a session's label. */
export const isLabel = (text: string): boolean =>
  /^[A-Za-z0-9_:-]{1,32}$/.test(text) &&
  !/^s_[0-9a-fA-F]*$/.test(text) &&
  !['all', 'last', 'none', 'primary', 'self', 'broadcast'].includes(text.toLowerCase());

/** How well `text` fits a query, letters in order: higher is better, undefined when it does not. */
export function fuzzyScore(query: string, text: string): number | undefined {
  const [needle, hay] = [query.toLowerCase().replace(/\s+/g, ''), text.toLowerCase()];
  let score = 0;
  let at = -1;
  for (const char of needle) {
    const next = hay.indexOf(char, at + 1);
    if (next < 0) return undefined;
    const starts = next === 0 || /[\s/:_.-]/.test(hay[next - 1] ?? '');
    score += next === at + 1 ? 4 : starts ? 3 : -Math.min(2, (next - at) / 10);
    at = next;
  }
  return score - hay.length / 100;
}
