//! Every limit of the wire, the log and the holder, each with its reason. Durations that belong to
//! one state machine stand in `quarterdeck_core::timing`.

/// Characters of a label; labels are typed by hand and become routing keys of mail.
pub const MAX_LABEL_CHARS: usize = 32;
/// Characters of a principal: an issuer id (34) and a name.
pub const MAX_PRINCIPAL_CHARS: usize = 128;

// ---- wire ----

/// Bytes of one JSON text frame, in either direction.
pub const MAX_TEXT_FRAME_BYTES: usize = 1024 * 1024;
/// Payload bytes of one binary frame while another channel waits: a keystroke's echo on a shared
/// link waits for at most this much of somebody else's output.
pub const MAX_SHARED_FRAME_BYTES: usize = 16 * 1024;
/// Payload bytes of one binary frame of a channel that has the link to itself.
pub const MAX_LONE_FRAME_BYTES: usize = 64 * 1024;
/// Bytes of one binary frame that a peer may send: the largest payload and its header.
pub const MAX_BINARY_FRAME_BYTES: usize = MAX_LONE_FRAME_BYTES + 64;
/// Nesting of JSON that a peer may send; the parser stops there.
pub const MAX_JSON_DEPTH: usize = 64;
/// Attachments on one connection.
pub const MAX_CHANNELS_PER_CONNECTION: usize = 256;
/// Attachments on one link of a hub, of all its clients together.
pub const MAX_CHANNELS_PER_LINK: usize = 4096;
/// Connections of one relay.
pub const MAX_CONNECTIONS: usize = 4096;
/// Requests of one connection that may wait for their answer; one more is answered `overloaded`.
pub const MAX_REQUESTS_IN_FLIGHT: usize = 64;
/// Sessions in one `sync` part, so that a part stays far below a text frame's limit.
pub const MAX_SESSIONS_PER_SYNC_PART: usize = 64;

// ---- HTTP ----

/// Streams of events over HTTP of one relay; each folds a log and keeps some messages.
pub const MAX_EVENT_STREAMS: usize = 256;
/// Bytes of a file that is uploaded; what programs of the same interface allow.
pub const MAX_UPLOAD_BYTES: usize = 10 * 1024 * 1024;
/// Bytes of all uploads of one session, so that a forgotten loop does not fill the disk.
pub const MAX_SESSION_UPLOAD_BYTES: u64 = 256 * 1024 * 1024;
/// Files that are uploaded to one session.
pub const MAX_SESSION_UPLOADS: usize = 1000;
/// Bytes of one piece of a file over the wire; as base64 in JSON far below a text frame's limit.
pub const MAX_UPLOAD_CHUNK_BYTES: usize = 256 * 1024;
/// Files of one client that are on their way over the wire, or came a moment ago.
pub const MAX_CLIENT_UPLOADS: usize = 32;
/// The same of all clients of a relay: each holds an open file.
pub const MAX_RELAY_UPLOADS: usize = 256;
/// Files that go with one message.
pub const MAX_ATTACHMENTS: usize = 16;
/// Bytes of text of one answer of messages; of more the newest are given.
pub const MAX_MESSAGES_BYTES: usize = 8 * 1024 * 1024;
/// Bytes of one message's text as it is shown; of more the beginning is.
pub const MAX_MESSAGE_TEXT_BYTES: usize = 1024 * 1024;

// ---- sessions ----

/// Live sessions of one relay.
pub const MAX_SESSIONS: usize = 4096;
/// Words of a command line.
pub const MAX_ARGV_WORDS: usize = 1024;
/// Bytes of a command line with its environment; the kernel's own limit is about 2 MiB.
pub const MAX_ARGV_ENV_BYTES: usize = 512 * 1024;
/// Bytes of a path.
pub const MAX_PATH_BYTES: usize = 4096;
/// Bytes of a title, a reason or a client's name.
pub const MAX_TEXT_FIELD_BYTES: usize = 512;
/// Columns or rows of a terminal: larger grids are an attack on the model's memory, not a screen.
pub const MAX_TERMINAL_CELLS_PER_SIDE: u16 = 2000;
/// Directories of one answer: more than a person reads, and it must be quick to answer each letter typed.
pub const MAX_LISTED_DIRECTORIES: usize = 200;
/// Entries of a directory that are looked at for it.
pub const MAX_SCANNED_ENTRIES: usize = 20_000;
/// Lines of one scrollback page.
pub const MAX_SCROLLBACK_PAGE_LINES: u32 = 10_000;
/// Bytes of one answer of `session.log`; longer ranges are fetched page by page.
pub const MAX_LOG_PAGE_BYTES: usize = 256 * 1024;

// ---- input ----

/// Bytes of one input frame.
pub const MAX_INPUT_BYTES: usize = 16 * 1024;
/// Bytes that a client may have sent and not seen acknowledged; it holds back the rest.
pub const INPUT_WINDOW_BYTES: usize = 64 * 1024;
/// Bytes that a holder keeps for a program that does not read; more is rejected with `input_full`.
pub const MAX_PENDING_INPUT_BYTES: usize = 256 * 1024;
/// Clients whose last input number a holder remembers; the one that has been silent longest goes.
pub const MAX_INPUT_TABLE_CLIENTS: usize = 256;

// ---- output and credit ----

/// Rendered-byte window of a subscription that names none.
pub const DEFAULT_CREDIT_WINDOW_BYTES: u64 = 256 * 1024;
/// Smallest and largest window that a client may ask for.
pub const CREDIT_WINDOW_RANGE_BYTES: core::ops::RangeInclusive<u64> = 16 * 1024..=8 * 1024 * 1024;
/// A viewer that is this far behind when its credit returns gets a gap and a snapshot.
pub const MAX_VIEWER_LAG_BYTES: u64 = 256 * 1024;
/// Bytes of recent records that a session keeps in the relay's memory for its live viewers.
pub const LIVE_TAIL_BYTES: usize = 256 * 1024;

// ---- log ----

/// Bytes of a record's payload. A vendor line of 16 MiB fits with its facts.
pub const MAX_RECORD_PAYLOAD_BYTES: usize = 17 * 1024 * 1024;
/// Output bytes of one record: what one drain of a PTY takes before it yields.
pub const MAX_OUTPUT_RECORD_BYTES: usize = 64 * 1024;
/// Bytes after which a log's segment is closed and the next one begun.
pub const SEGMENT_BYTES: u64 = 4 * 1024 * 1024;
/// Bytes of one session's log that retention keeps by default.
pub const DEFAULT_SESSION_LOG_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes of all logs of an instance that `gc` keeps by default.
pub const DEFAULT_INSTANCE_LOG_BYTES: u64 = 8 * 1024 * 1024 * 1024;
/// Bytes set aside at a session's start so that answers, leases and the exit can be recorded on a
/// full disk.
pub const LOG_RESERVE_BYTES: u64 = 32 * 1024;
/// Terminal output that a holder keeps in memory while the disk is full.
pub const FULL_DISK_RING_BYTES: usize = 256 * 1024;
/// Output bytes between two cached screens.
pub const SCREEN_CACHE_INTERVAL_BYTES: u64 = 256 * 1024;

// ---- holder socket ----

/// Bytes of one message on a holder's socket.
pub const MAX_HOLDER_MESSAGE_BYTES: usize = MAX_RECORD_PAYLOAD_BYTES + 1024;
/// Bytes that a holder queues for its driver; beyond it only the newest head is kept.
pub const MAX_DRIVER_QUEUE_BYTES: usize = 1024 * 1024;
/// Bytes of an operation's key: a prompt's or a command's id and some.
pub const MAX_OPERATION_KEY_BYTES: usize = 1024;
/// Lines of one operation; an agent's handshake takes a handful.
pub const MAX_OPERATION_LINES: usize = 64;
/// Keys that a holder remembers; a relay is never as far behind as the oldest.
pub const MAX_OPERATION_KEYS: usize = 4096;
/// Bytes of lines that a holder keeps for an agent that does not read; more is refused as `full`.
pub const MAX_PENDING_LINES_BYTES: usize = 32 * 1024 * 1024;
/// Bytes of a vendor's line that is recorded; of a longer one only the length is.
pub const MAX_VENDOR_LINE_BYTES: usize = 16 * 1024 * 1024;
/// Bytes of one record of what an agent writes to its standard error.
pub const MAX_STDERR_RECORD_BYTES: usize = 8 * 1024;

// ---- mail ----

/// Bytes of a message's body as it is sealed: with its growth by base64 it stays far below a text frame.
pub const MAX_MAIL_BODY_BYTES: usize = 256 * 1024;
/// Bytes of the text of a message: what is left of a body when every character is escaped.
pub const MAX_MAIL_TEXT_BYTES: usize = 32 * 1024;
/// Bytes of a message id that a peer chose; a longer one is nothing to reply to.
pub const MAX_PEER_MESSAGE_ID_BYTES: usize = 1024;
