// Ids that this page draws, for requests that may be sent twice and must count once.

const BYTES = 16;

/** 32 hex digits at random. `crypto.randomUUID` is missing on pages without TLS; this is not. */
export function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(BYTES)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
