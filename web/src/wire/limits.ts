// Every limit of the page's side of the wire, each with its reason. Those of the relay stand in
// crates/protocol/src/limits.rs; the ones repeated here must not exceed them.

/** Bytes of one `IN` frame; the relay closes the connection on more. */
export const MAX_INPUT_BYTES = 16 * 1024;
/** Bytes sent and not acknowledged; the relay's own window. */
export const INPUT_WINDOW_BYTES = 64 * 1024;
/** Bytes typed or pasted that wait for the window; a larger paste is refused, not cut. */
export const MAX_WAITING_INPUT_BYTES = 1024 * 1024;
/** Credit of a terminal in rendered bytes: two frames of the fastest link that xterm can draw. */
export const CREDIT_WINDOW_BYTES = 512 * 1024;
/** Requests that wait for an answer at once; the relay refuses the 65th. */
export const MAX_REQUESTS_IN_FLIGHT = 60;
/** Requests that wait to be sent; beyond it something is broken, and the caller is told. */
export const MAX_REQUESTS_WAITING = 512;
/** How long an answer may take. Starting an agent is the slowest that a relay does. */
export const REQUEST_TIMEOUT_MS = 30_000;
/** How long an idempotent request waits for a broken link to come back. */
export const KEPT_REQUEST_TIMEOUT_MS = 90_000;
/** How long connecting and `hello` may take together. */
export const CONNECT_TIMEOUT_MS = 10_000;
/** Silence after which the page asks whether the relay is still there. */
export const PROBE_AFTER_MS = 20_000;
/** How long that answer may take before the link counts as dead. */
export const PROBE_TIMEOUT_MS = 8_000;
/** Seconds before each attempt to reconnect; the last one repeats. */
export const BACK_OFF_SECONDS = [0, 1, 2, 4, 8, 16, 30] as const;
/** Bytes of text that a program may put on the clipboard. */
export const MAX_CLIPBOARD_BYTES = 256 * 1024;
/** Lines that one terminal keeps above its screen; about 12 bytes a cell. */
export const MAX_SCROLLBACK_LINES = 50_000;
/** Events of one conversation that the page keeps; older ones are in the log. */
export const MAX_CONVERSATION_ITEMS = 5_000;
/** Characters of one tool's live output that the page keeps. */
export const MAX_TOOL_OUTPUT_CHARS = 64 * 1024;
/** How long a connection must have served before its end is a surprise that is answered at once. */
export const STEADY_MS = 2_000;
/** Bytes of a file that is uploaded; the relay's own limit. */
export const MAX_UPLOAD_BYTES = 10 * 1024 * 1024;
/** Files that go with one message; the relay's own limit. */
export const MAX_ATTACHMENTS = 16;
/** Bytes of the largest piece of a file; the relay's own limit. */
export const MAX_UPLOAD_CHUNK_BYTES = 256 * 1024;
/** Bytes of the smallest one: a tenth of a second of a slow uplink. */
export const MIN_UPLOAD_CHUNK_BYTES = 16 * 1024;
/** An instance's relay and hub may take this long to start before nobody waits any more: a minute each. */
export const INSTANCE_START_TIMEOUT_MS = 150_000;
