//! Every bound of the hub, each with its reason. What both ends of a link agree on stands in
//! `quarterdeck_protocol::limits`.

use std::time::Duration;

/// Machines of one hub: four times what it is measured with.
pub(crate) const MAX_MACHINES: usize = 1024;
/// Sessions that are kept of one machine: as many as a relay may have alive, and as many ended.
pub(crate) const MAX_SESSIONS_PER_MACHINE: usize = 8192;
/// Identities of one machine whose mail is counted for watchers: as many as a relay has.
pub(crate) const MAX_IDENTITIES_PER_MACHINE: usize = 64;
/// Removed sessions and machines that are remembered for watchers; who is further behind gets a `sync`.
pub(crate) const MAX_TOMBSTONES: usize = 256;
/// Bytes that wait for a client on one channel beyond its window: events and a screen have no credit.
/// A viewer that has more waiting is detached; it comes back from where it was.
pub(crate) const CHANNEL_SLACK_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of answers and notices that wait for a client; one that does not read them is disconnected.
pub(crate) const MAX_CONTROL_BYTES: usize = 16 * 1024 * 1024;
/// How long a request waits for its turn on a busy link, or for a relay's list of prompts.
pub(crate) const FORWARD_LIMIT: Duration = Duration::from_secs(10);
/// How long `machine.add` and the like wait for the link that they ask for, before they answer with what
/// there is.
pub(crate) const LINK_PATIENCE: Duration = Duration::from_secs(5);
/// How often the hub's own machine is looked for while its relay does not run: asking costs nothing there,
/// and whoever starts a session here wants to see it at once.
pub(crate) const LOCAL_RETRY: Duration = Duration::from_secs(2);
/// How long a frame of a client waits for a link that takes nothing.
pub(crate) const FRAME_LIMIT: Duration = Duration::from_secs(30);
/// How long tasks may take to end before the hub ends without them.
pub(crate) const DRAIN_LIMIT: Duration = Duration::from_secs(5);
/// Last known sessions are written this often at most; a hub that is killed is told again by the relays.
pub(crate) const KEEP_INTERVAL: Duration = Duration::from_secs(5);
/// Writes that wait for the disk; whoever adds one more waits.
pub(crate) const STORE_QUEUE: usize = 64;
/// How long SQLite waits for a lock of another program that looks into the database.
pub(crate) const STORE_BUSY_LIMIT: Duration = Duration::from_secs(5);
/// Time between the beginnings of two dials: a hub with a thousand machines has begun all of them well
/// before the first retries follow, and uses a part of one processor for their handshakes.
pub(crate) const DIAL_SPACING: Duration = Duration::from_millis(25);
/// Commands that wait for a machine's task.
pub(crate) const MACHINE_QUEUE: usize = 16;
/// How long a peer may take to accept the close.
pub(crate) const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// Mailboxes of one hub: some for each machine.
pub(crate) const MAX_MAILBOXES: u64 = 4096;
/// Letters that wait in one mailbox: as many as a relay holds for one identity.
pub(crate) const MAX_MAILBOX_LETTERS: u64 = 10_000;
/// Those of one sender among them: nobody fills another one's mailbox.
pub(crate) const MAX_MAILBOX_LETTERS_PER_SENDER: u64 = 2_000;
/// Bytes that wait in one mailbox.
pub(crate) const MAX_MAILBOX_BYTES: u64 = 64 * 1024 * 1024;
/// One-time keys of one mailbox: twice what its identity keeps there.
pub(crate) const MAX_MAILBOX_KEYS: u64 = 100;
/// How long a letter waits for a relay that fetches it.
pub(crate) const LETTER_AGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Letters of one mailbox that are brought together.
pub(crate) const MAX_PULLED_LETTERS: usize = 256;
/// Bytes of them, before they are text.
pub(crate) const MAX_PULLED_BYTES: usize = 384 * 1024;
/// Bytes after which a bringing takes no further mailbox: what is brought is one text.
pub(crate) const MAX_BROUGHT_BYTES: usize = 256 * 1024;
/// Letters of one order that are looked at; a relay sends fewer.
pub(crate) const MAX_CARRY_LETTERS: usize = 256;
/// News of a link that wait to be brought; then no more orders are fetched.
pub(crate) const MAX_CARRY_NEWS: usize = 64;
/// How long a relay keeps a fetch open when there is nothing to carry.
pub(crate) const MAIL_FETCH_WAIT: Duration = Duration::from_secs(20);
/// How long a relay may take to store what it was brought.
pub(crate) const MAIL_CALL_LIMIT: Duration = Duration::from_secs(30);
/// Pause before carrying on a link begins again.
pub(crate) const MAIL_RETRY: Duration = Duration::from_millis(500);

/// Instances below one base directory up to which a page makes more: far more than anybody tells apart.
pub(crate) const MAX_INSTANCES: usize = 64;

// ---- browsers ----

/// Browsers that one hub knows: far more than a team has, and each login compares none of them.
pub(crate) const MAX_DEVICES: usize = 256;
/// Characters of a browser's name.
pub(crate) const MAX_DEVICE_NAME_CHARS: usize = 64;
/// How long a login link works: time to walk over to the phone.
pub(crate) const LOGIN_LINK_LIFE: Duration = Duration::from_secs(5 * 60);
/// How long a used or expired link is remembered, so that whoever opens it is told why it does not work.
pub(crate) const LOGIN_LINK_MEMORY: Duration = Duration::from_secs(24 * 60 * 60);
/// Links at a time, with those that are remembered; the oldest goes.
pub(crate) const MAX_LOGIN_LINKS: usize = 256;
/// How long a browser may take to sign a challenge.
pub(crate) const CHALLENGE_LIFE: Duration = Duration::from_secs(30);
/// Challenges at a time; only who is known gets one.
pub(crate) const MAX_CHALLENGES: usize = 1024;
/// How long a ticket may take to become a connection.
pub(crate) const WEB_TICKET_LIFE: Duration = Duration::from_secs(30);
/// Tickets at a time; only who proved a credential gets one.
pub(crate) const MAX_WEB_TICKETS: usize = 1024;
/// How long a used challenge or ticket is remembered.
pub(crate) const ONCE_MEMORY: Duration = Duration::from_secs(5 * 60);
/// Bytes of a request of the login: a key, a signature and a name.
pub(crate) const MAX_LOGIN_BODY_BYTES: usize = 16 * 1024;
/// How long such a request may take to arrive.
pub(crate) const LOGIN_BODY_LIMIT: Duration = Duration::from_secs(10);
