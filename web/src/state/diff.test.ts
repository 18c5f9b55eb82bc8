import { describe, expect, it } from 'vitest';
import { diffCount, diffTexts, fileChanges, openAtFirst, parseUnified } from './diff';

const TWO = `diff --git a/kept b/kept
index 1..2 100644
--- a/kept
+++ b/kept
@@ -1,2 +1,2 @@
 same
-before
+after
diff --git a/new b/new
new file mode 100644
--- /dev/null
+++ b/new
@@ -0,0 +1 @@
+--- a/trap
diff --git a/gone b/gone
deleted file mode 100644
--- a/gone
+++ /dev/null
@@ -1 +0,0 @@
-was here
diff --git a/old name b/new name
similarity index 100%
rename from old name
rename to new name
diff --git "a/caf\\303\\251" "b/caf\\303\\251"
--- "a/caf\\303\\251"
+++ "b/caf\\303\\251"
@@ -1 +1 @@
-a
+b
diff --git a/picture.png b/picture.png
Binary files a/picture.png and b/picture.png differ
`;

describe('a diff of several files', () => {
  it('is told file by file, under the path after the change', () => {
    const told = fileChanges(TWO).map(({ path, added, removed }) => [path, added, removed]);
    expect(told).toEqual([
      ['kept', 1, 1],
      ['new', 1, 0],
      ['gone', 0, 1],
      ['new name', 0, 0],
      ['café', 1, 1],
      ['picture.png', 0, 0],
    ]);
  });

  it('shows the text of a line whatever it looks like', () => {
    const [, fresh] = fileChanges(TWO);
    expect(fresh?.lines).toContainEqual({ kind: 'add', text: '--- a/trap', new: 1 });
  });

  it('of nothing has no files', () => {
    expect(fileChanges('')).toEqual([]);
    expect(fileChanges('no diff at all')).toEqual([]);
  });

  it('is open as far as it can be drawn at once', () => {
    const lines = Array.from({ length: 400 }, () => ({ kind: 'add' as const, text: 'x' }));
    const many = ['a', 'b', 'c'].map((path) => ({ path, lines, added: 400, removed: 0 }));
    expect([...openAtFirst(many)]).toEqual(['a']);
  });
});

describe('lines of a change', () => {
  it('are numbered on both sides', () => {
    expect(parseUnified('@@ -3,2 +5,2 @@\n same\n-a\n+b')).toEqual([
      { kind: 'skip', text: '' },
      { kind: 'same', text: 'same', old: 3, new: 5 },
      { kind: 'remove', text: 'a', old: 4 },
      { kind: 'add', text: 'b', new: 6 },
    ]);
  });

  it('say what was left out between them, and nothing before the first line', () => {
    const kinds = parseUnified('@@ -1 +1 @@\n-a\n+b\n@@ -9 +9 @@\n-c\n+d').map(({ kind }) => kind);
    expect(kinds).toEqual(['remove', 'add', 'skip', 'remove', 'add']);
  });

  it('of two texts are those that differ, with what stands around them', () => {
    const before = Array.from({ length: 20 }, (_, at) => `line ${at}`).join('\n');
    const lines = diffTexts(before, before.replace('line 10', 'line ten'));
    expect(diffCount(lines)).toEqual({ added: 1, removed: 1 });
    expect(lines.filter(({ kind }) => kind === 'same')).toHaveLength(6);
    expect(lines[0]?.kind).toBe('skip');
  });
});
