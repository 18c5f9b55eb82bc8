import { describe, expect, test } from 'vitest';
import { diffCount, diffTexts, parseUnified } from './diff';
import { fuzzyScore, isLabel, pasteBytes, pasteRisk, splitCommand, withoutControl } from './text';

describe('paste', () => {
  test('one line is simply typed', () => expect(pasteRisk('ls -l', false)).toBeUndefined());
  test('a line end would run it', () => expect(pasteRisk('ls -l\n', false)).toMatchObject({ lines: 1 }));
  test('a program with a guard of its own gets some lines', () => {
    expect(pasteRisk('a\nb\nc\n', true)).toBeUndefined();
    expect(pasteRisk('a\n'.repeat(12), true)).toMatchObject({ lines: 12 });
  });
  test('control characters are asked about, always', () => {
    expect(pasteRisk('a\x1b[31m', true)).toMatchObject({ hasControl: true });
    expect(withoutControl('a\x1b[31m\tb\n')).toBe('a[31m\tb\n');
  });
  test('a paste cannot end the guard around it', () => {
    expect(pasteBytes('a\x1b[201~rm\n', true)).toBe('\x1b[200~arm\r\x1b[201~');
    expect(pasteBytes('a\r\nb', false)).toBe('a\rb');
  });
});

test.each([
  ['cargo test -p x', ['cargo', 'test', '-p', 'x']],
  ['  a  ', ['a']],
  ['', []],
  [`sh -c 'echo "hi"'`, ['sh', '-c', 'echo "hi"']],
  [`a "b \\"c\\" $d" e`, ['a', 'b "c" $d', 'e']],
  ['a\\ b', ['a b']],
  [`a ''`, ['a', '']],
  [`a"b"'c'`, ['abc']],
  [`open "quote`, undefined],
])('the command line %j has its words', (line, words) => expect(splitCommand(line)).toEqual(words));

test('labels are told from ids and reserved words', () => {
  expect(['claude:1', 'a-b_c', 'S_12'].map(isLabel)).toEqual([true, true, true]);
  expect(['', 'a b', 's_12ab', 'Last', 'x'.repeat(33), 'é'].map(isLabel)).toEqual(Array(6).fill(false));
});

test('letters in order are found, and beginnings of words count more', () => {
  const better = (query: string, a: string, b: string): boolean => (fuzzyScore(query, a) ?? -99) > (fuzzyScore(query, b) ?? -99);
  expect(fuzzyScore('xyz', 'abc')).toBeUndefined();
  expect(better('ns', 'New session', 'instance')).toBe(true);
  expect(better('build', 'build', 'rebuilding')).toBe(true);
});

describe('diffs', () => {
  test('a change has its lines with their numbers and what is around it', () => {
    const lines = diffTexts('a\nb\nc\n', 'a\nB\nc\n');
    expect(lines).toEqual([
      { kind: 'same', text: 'a', old: 1, new: 1 },
      { kind: 'remove', text: 'b', old: 2 },
      { kind: 'add', text: 'B', new: 2 },
      { kind: 'same', text: 'c', old: 3, new: 3 },
    ]);
    expect(diffCount(lines)).toEqual({ added: 1, removed: 1 });
  });

  test('a new file is all added', () => {
    expect(diffCount(diffTexts(null, 'a\nb\n'))).toEqual({ added: 2, removed: 0 });
  });

  test('a unified diff is read with a heading per file', () => {
    const unified = 'diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -5,2 +5,2 @@ fn\n same\n-old\n+new\n\\ No newline at end of file\n';
    expect(parseUnified(unified)).toEqual([
      { kind: 'skip', text: 'x' },
      { kind: 'skip', text: '' },
      { kind: 'same', text: 'same', old: 5, new: 5 },
      { kind: 'remove', text: 'old', old: 6 },
      { kind: 'add', text: 'new', new: 6 },
    ]);
  });
});
