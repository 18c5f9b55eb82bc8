// Changes of files as lines to show.
import { structuredPatch } from 'diff';

export type DiffLine =
  | { kind: 'same' | 'add' | 'remove'; text: string; old?: number; new?: number }
  | { kind: 'skip'; text: string };

/** Lines around a change that are shown with it. */
const CONTEXT = 3;
/** Lines of one file that the page shows; the rest is in the log. */
export const MAX_DIFF_LINES = 2_000;

/** The lines of a change from one text to another. */
export function diffTexts(before: string | null | undefined, after: string): DiffLine[] {
  const { hunks } = structuredPatch('', '', before ?? '', after, '', '', { context: CONTEXT });
  return hunks.flatMap(({ oldStart, newStart, lines }, index) =>
    number(oldStart, newStart, lines, index > 0 || oldStart > 1),
  );
}

/** The lines of a unified diff, with a heading per file where it has several. */
export function parseUnified(unified: string): DiffLine[] {
  const found: DiffLine[] = [];
  let hunk: { old: number; new: number } | undefined;
  for (const line of unified.split('\n')) {
    const head = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@/.exec(line);
    if (head) {
      const isFirst = found.length === 0 || found.at(-1)?.kind === 'skip';
      hunk = { old: Number(head[1]), new: Number(head[2]) };
      // nothing was left out before the first line of a file
      if (!isFirst || Math.max(hunk.old, hunk.new) > 1) found.push({ kind: 'skip', text: '' });
    } else if (line.startsWith('diff --git ')) {
      hunk = undefined;
      found.push({ kind: 'skip', text: line.replace(/^diff --git a\/(.*) b\/.*$/, '$1') });
    } else if (hunk && /^[ +-]/.test(line)) {
      found.push(...number(hunk.old, hunk.new, [line], false));
      if (!line.startsWith('+')) hunk.old++;
      if (!line.startsWith('-')) hunk.new++;
    }
  }
  return found;
}

/** How many lines were added and removed. */
export function diffCount(lines: readonly DiffLine[]): { added: number; removed: number } {
  const count = (kind: DiffLine['kind']): number => lines.filter((line) => line.kind === kind).length;
  return { added: count('add'), removed: count('remove') };
}

function number(oldStart: number, newStart: number, lines: string[], skipsBefore: boolean): DiffLine[] {
  let [before, after] = [oldStart, newStart];
  const found: DiffLine[] = skipsBefore ? [{ kind: 'skip', text: '' }] : [];
  for (const line of lines) {
    const text = line.slice(1);
    if (line.startsWith('+')) found.push({ kind: 'add', text, new: after++ });
    else if (line.startsWith('-')) found.push({ kind: 'remove', text, old: before++ });
    else if (line.startsWith(' ')) found.push({ kind: 'same', text, old: before++, new: after++ });
  }
  return found;
}

/** One file of a diff. */
export interface FileChange {
  path: string;
  lines: DiffLine[];
  added: number;
  removed: number;
}

/** Lines that are drawn at once when changes are first shown; the rest when a person opens its file. */
const OPEN_LINES = 600;

/** A unified diff of several files, file by file. */
export function fileChanges(unified: string): FileChange[] {
  return unified
    .split(/^(?=diff --git )/m)
    .filter((part) => part.startsWith('diff --git '))
    .map((part) => {
      const lines = parseUnified(part).slice(1);
      return { path: pathOf(part), lines, ...diffCount(lines) };
    });
}

/** The files that are open before anybody chose. */
export function openAtFirst(changes: readonly FileChange[]): Set<string> {
  let room = OPEN_LINES;
  const open = changes.filter(({ lines }) => (room -= lines.length) >= 0);
  return new Set(open.map(({ path }) => path));
}

/** The path after the change, or before it where there is none after. */
function pathOf(part: string): string {
  const named = (mark: string): string | undefined => {
    const line = new RegExp(`^${mark} (.*)$`, 'm').exec(part.slice(0, part.indexOf('\n@@') + 1 || undefined))?.[1];
    return line === undefined || line === '/dev/null' ? undefined : unquoted(line.replace(/\t$/, '')).replace(/^[ab]\//, '');
  };
  const head = (): string => unquoted(/^diff --git .* ("?b\/.*)$/m.exec(part)?.[1] ?? '').replace(/^b\//, '');
  return named('\\+\\+\\+') ?? named('---') ?? named('rename to') ?? head();
}

/** Git quotes a path with unusual characters as C does, its bytes in octal. */
function unquoted(path: string): string {
  if (!/^".*"$/.test(path)) return path;
  const bytes: number[] = [];
  const plain: Record<string, string> = { n: '\n', t: '\t', r: '\r', '"': '"', '\\': '\\' };
  for (const [, octal, escaped, char] of path.slice(1, -1).matchAll(/\\([0-7]{3})|\\(.)|([^\\])/gsu)) {
    if (octal !== undefined) bytes.push(Number.parseInt(octal, 8));
    else bytes.push(...new TextEncoder().encode(escaped === undefined ? char : (plain[escaped] ?? escaped)));
  }
  return new TextDecoder().decode(Uint8Array.from(bytes));
}
