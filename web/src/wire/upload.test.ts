import { describe, expect, it } from 'vitest';
import type { UploadParams, UploadResult } from './generated';
import { MAX_UPLOAD_BYTES, MAX_UPLOAD_CHUNK_BYTES, MIN_UPLOAD_CHUNK_BYTES } from './limits';
import { CallError } from './rpc';
import { nextPiece, type Source, toBase64, upload } from './upload';

const file = (text: string, name = 'notes.txt'): Source => new File([text], name);

/** A relay that takes pieces; `trouble` says what goes wrong with the nth one. */
function relay(trouble: (n: number) => 'lost answer' | 'forgotten' | undefined = () => undefined) {
  const seen: UploadParams[] = [];
  let there = '';
  const callKept = (_: string, params: UploadParams): Promise<UploadResult> => {
    const what = trouble(seen.length);
    seen.push(params);
    if (what === 'forgotten') return Promise.reject(new CallError('not_found', 'send the file again'));
    if (params.offset === 0) there = '';
    if (params.offset === there.length) there += atob(params.data);
    const done = { path: '/uploads/notes.txt' };
    return Promise.resolve({ bytes: there.length, ...(params.last ? { file: done } : {}) });
  };
  return { link: { callKept } as never, seen, content: () => there };
}

describe('an upload', () => {
  it('arrives whole, in pieces that follow each other', async () => {
    const text = 'x'.repeat(MIN_UPLOAD_CHUNK_BYTES) + 'the end';
    const { link, seen, content } = relay();
    const progress: number[] = [];
    const { path } = await upload(link, { session: 's' }, file(text), (bytes) => progress.push(bytes));
    expect(path).toBe('/uploads/notes.txt');
    expect(content()).toBe(text);
    expect(seen.map(({ offset, last }) => [offset, last])).toEqual([[0, false], [MIN_UPLOAD_CHUNK_BYTES, true]]);
    expect(new Set(seen.map(({ upload }) => upload)).size).toBe(1);
    expect(progress).toEqual([MIN_UPLOAD_CHUNK_BYTES, text.length]);
  });

  it('of nothing is one piece', async () => {
    const { link, seen } = relay();
    await upload(link, { session: 's' }, file(''), () => {});
    expect(seen.map(({ data, last }) => [data, last])).toEqual([['', true]]);
  });

  it('begins anew under another id when the relay has forgotten it, but only once', async () => {
    const text = 'y'.repeat(MIN_UPLOAD_CHUNK_BYTES + 1);
    const once = relay((n) => (n === 1 ? 'forgotten' : undefined));
    await upload(once.link, { session: 's' }, file(text), () => {});
    expect(once.content()).toBe(text);
    expect(once.seen[0]?.upload).not.toBe(once.seen[2]?.upload);
    const always = relay(() => 'forgotten');
    await expect(upload(always.link, { session: 's' }, file('z'), () => {})).rejects.toThrow('send the file again');
    expect(always.seen).toHaveLength(2);
  });

  it('that is too large is not begun', async () => {
    const { link, seen } = relay();
    const huge = { name: 'huge', size: MAX_UPLOAD_BYTES + 1, slice: () => new Blob() } as Source;
    await expect(upload(link, { session: 's' }, huge, () => {})).rejects.toThrow('10 MiB');
    expect(seen).toEqual([]);
  });

  it('has pieces that suit the link', () => {
    expect(nextPiece(MIN_UPLOAD_CHUNK_BYTES, 10)).toBe(2 * MIN_UPLOAD_CHUNK_BYTES);
    expect(nextPiece(MAX_UPLOAD_CHUNK_BYTES, 10)).toBe(MAX_UPLOAD_CHUNK_BYTES);
    expect(nextPiece(64 * 1024, 300)).toBe(64 * 1024);
    expect(nextPiece(64 * 1024, 900)).toBe(32 * 1024);
    expect(nextPiece(MIN_UPLOAD_CHUNK_BYTES, 9_000)).toBe(MIN_UPLOAD_CHUNK_BYTES);
  });

  it('is base64 of all its bytes', () => {
    const bytes = Uint8Array.from({ length: 20_000 }, (_, at) => at % 256);
    expect(Uint8Array.from(atob(toBase64(bytes)), (char) => char.charCodeAt(0))).toEqual(bytes);
  });
});
