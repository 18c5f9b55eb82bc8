//! Every wait and size of this crate, each with its reason. Sizes that both ends must agree on stand in
//! `quarterdeck_protocol::limits`; the retry ladder and the heartbeat in `quarterdeck_core::link`.

use std::time::Duration;

// ---- waits of a dial ----

/// Name, TCP and proxy together. A host that does not answer a SYN within this is down or filtered.
pub const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Head start of one address before the next is tried beside it (RFC 8305 names 250 ms).
pub const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);
/// A TLS handshake, on either side: two round trips and a signature.
pub const TLS_LIMIT: Duration = Duration::from_secs(10);
/// The answer to the WebSocket upgrade.
pub const UPGRADE_LIMIT: Duration = Duration::from_secs(10);
/// From starting ssh to the relay's upgrade answer: ssh itself connects, authenticates and starts a shell
/// within this.
pub const SSH_LIMIT: Duration = Duration::from_secs(40);
/// The same when ssh may ask a person for a password.
pub const SSH_WITH_PROMPTS_LIMIT: Duration = Duration::from_secs(180);
/// What ssh gets to say why it failed, after its output ended.
pub const SSH_EXIT_LIMIT: Duration = Duration::from_secs(2);
/// The answer to `hello`: the last step of a dial.
pub const HELLO_LIMIT: Duration = Duration::from_secs(10);
/// The longest `Retry-After` that is believed; a wrong one must not park a link for a day.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(10 * 60);

// ---- waits of a connection ----

/// An answer to a request that names no limit of its own.
pub const CALL_LIMIT: Duration = Duration::from_secs(30);
/// The peer's side of the closing handshake; then the socket is closed without it.
pub const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// Bytes that the kernel could not get acknowledged for this long end a TCP connection. Longer than the
/// heartbeat, which is to decide while this process is awake.
pub const TCP_USER_TIMEOUT: Duration = Duration::from_secs(60);
/// Idle time before the kernel probes a TCP peer, so that a stopped process's links end too.
pub const TCP_KEEPALIVE_IDLE: Duration = Duration::from_secs(60);

// ---- sizes of a connection ----

/// Read buffer of a WebSocket: larger ones only cost memory per connection.
pub const READ_BUFFER_BYTES: usize = 16 * 1024;
/// Queued frames are written together up to this many bytes, then flushed.
pub const WRITE_BATCH_BYTES: usize = 64 * 1024;
/// Unsent bytes that the kernel takes over: what is not sent yet should stay where it can be replaced.
pub const TCP_NOTSENT_LOWAT_BYTES: u32 = 64 * 1024;
/// Messages that wait for the writer. When full, senders wait.
pub const OUTBOX_MESSAGES: usize = 64;
/// Frames and notifications that wait for the consumer. When full, reading stops, and with it the peer.
pub const INBOX_MESSAGES: usize = 64;
/// Link events that wait for the consumer. When full, the link waits.
pub const LINK_EVENTS: usize = 8;
/// Bytes of what ssh says that are kept for the error message: its last words.
pub const MAX_SSH_STDERR_BYTES: usize = 4 * 1024;
/// Bytes of a proxy's answer to `CONNECT`.
pub const MAX_PROXY_ANSWER_BYTES: usize = 8 * 1024;
/// Addresses of one name that are tried.
pub const MAX_ADDRESSES: usize = 8;

// ---- a listener ----

/// Handshakes of one listener at a time. When full, further connections wait in the kernel's backlog.
pub const MAX_HANDSHAKES: usize = 128;
/// Handshakes of one address at a time: a peer that opens sockets and says nothing cannot take all places.
/// More are closed at once.
pub const MAX_HANDSHAKES_PER_ADDRESS: usize = 32;
/// Pause after an accept that failed, for example because no file descriptor was left.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
