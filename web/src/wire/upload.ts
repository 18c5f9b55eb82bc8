// A file on its way to a session's machine, piece by piece: what is typed meanwhile waits for one piece at most.
import type { UploadedFile } from './generated';
import { newId } from './id';
import { MAX_UPLOAD_BYTES, MAX_UPLOAD_CHUNK_BYTES, MIN_UPLOAD_CHUNK_BYTES } from './limits';
import type { Link } from './link';
import { CallError } from './rpc';
import type { Target } from './attachment';

/** The part of a `File` that is sent. */
export type Source = Pick<File, 'name' | 'size' | 'slice'>;

/** An answer within this time lets the next piece be larger; one that takes much longer makes it smaller. */
const QUICK_MS = 150;
const SLOW_MS = 600;

/** The next piece's size, by how long the last one took. */
export function nextPiece(size: number, tookMs: number): number {
  if (tookMs < QUICK_MS) return Math.min(MAX_UPLOAD_CHUNK_BYTES, size * 2);
  if (tookMs > SLOW_MS) return Math.max(MIN_UPLOAD_CHUNK_BYTES, Math.floor(size / 2));
  return size;
}

/** Sends a file; a broken link is waited for, and pieces may arrive twice. */
export async function upload(
  link: Pick<Link, 'callKept'>,
  target: Target,
  file: Source,
  progress: (bytes: number) => void,
  nowMs: () => number = () => performance.now(),
): Promise<UploadedFile> {
  if (file.size > MAX_UPLOAD_BYTES) {
    throw new CallError('invalid_request', `${file.name} has more than ${MAX_UPLOAD_BYTES / 1024 / 1024} MiB`);
  }
  try {
    return await send(link, target, file, progress, nowMs);
  } catch (error) {
    // the relay was started anew, or cut off in a piece: once more from the beginning
    if (!(error instanceof CallError) || error.word !== 'not_found') throw error;
    return send(link, target, file, progress, nowMs);
  }
}

async function send(
  link: Pick<Link, 'callKept'>,
  target: Target,
  file: Source,
  progress: (bytes: number) => void,
  nowMs: () => number,
): Promise<UploadedFile> {
  const id = newId();
  let size = MIN_UPLOAD_CHUNK_BYTES;
  for (let offset = 0; ; ) {
    const end = Math.min(file.size, offset + size);
    const data = toBase64(new Uint8Array(await file.slice(offset, end).arrayBuffer()));
    const began = nowMs();
    const params = { ...target, upload: id, name: file.name, offset, data, last: end === file.size };
    const answer = await link.callKept('session.upload', params);
    progress(answer.bytes);
    if (answer.file) return answer.file;
    size = nextPiece(size, nowMs() - began);
    offset = answer.bytes;
  }
}

/** Characters of `fromCharCode` at once; engines bound the arguments of a call. */
const STEP = 0x2000;

export function toBase64(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += STEP) text += String.fromCharCode(...bytes.subarray(at, at + STEP));
  return btoa(text);
}
