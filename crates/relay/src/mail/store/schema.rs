//! The tables of the mail store, in versions.

/// Versions of the file. Only ever added to.
pub(super) const SCHEMA: [&str; 7] = [
    "
CREATE TABLE identity (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    account BLOB NOT NULL,
    generation INTEGER NOT NULL,
    is_default INTEGER NOT NULL
) STRICT;
CREATE TABLE assignment (
    project TEXT PRIMARY KEY,
    identity INTEGER NOT NULL REFERENCES identity(id)
) STRICT;
CREATE TABLE peer (
    identity INTEGER NOT NULL REFERENCES identity(id),
    key BLOB NOT NULL,
    name TEXT NOT NULL,
    contact TEXT NOT NULL,
    inbound TEXT NOT NULL,
    ratchets BLOB NOT NULL,
    stream BLOB NOT NULL,
    written INTEGER NOT NULL,
    sequence TEXT NOT NULL,
    PRIMARY KEY (identity, key)
) STRICT;
CREATE TABLE inbound (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    identity INTEGER NOT NULL REFERENCES identity(id),
    peer BLOB NOT NULL,
    delivery_key BLOB NOT NULL,
    stream BLOB,
    letter INTEGER,
    -- ahead, waiting, answering, done, dead, taken
    state TEXT NOT NULL,
    why TEXT,
    peer_id TEXT NOT NULL,
    from_label TEXT,
    to_label TEXT,
    in_reply_to TEXT,
    role TEXT NOT NULL,
    auto INTEGER NOT NULL,
    text TEXT NOT NULL,
    at INTEGER NOT NULL,
    is_read INTEGER NOT NULL DEFAULT 0,
    -- the job of a message between sessions of one identity
    job INTEGER,
    UNIQUE (identity, delivery_key)
) STRICT;
CREATE INDEX inbound_state ON inbound (identity, state);
CREATE TABLE delivery (
    number INTEGER NOT NULL REFERENCES inbound(number),
    session BLOB NOT NULL,
    -- trying, delivered
    state TEXT NOT NULL,
    PRIMARY KEY (number, session)
) STRICT;
CREATE TABLE outbound (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    identity INTEGER NOT NULL REFERENCES identity(id),
    peer BLOB NOT NULL,
    -- mail, receipts, handshake
    kind TEXT NOT NULL,
    request TEXT,
    message_id TEXT NOT NULL,
    from_label TEXT NOT NULL,
    to_label TEXT,
    body TEXT NOT NULL,
    sealed BLOB,
    stream BLOB,
    letter INTEGER,
    state TEXT NOT NULL,
    is_open INTEGER NOT NULL,
    at INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    UNIQUE (identity, request)
) STRICT;
CREATE INDEX outbound_open ON outbound (identity, is_open);
CREATE INDEX outbound_letter ON outbound (identity, peer, stream, letter);
",
    "
ALTER TABLE identity ADD COLUMN home TEXT NOT NULL DEFAULT '';
ALTER TABLE identity ADD COLUMN fallback TEXT;
ALTER TABLE identity ADD COLUMN autorespond INTEGER NOT NULL DEFAULT 0;
ALTER TABLE peer ADD COLUMN note TEXT;
-- hubs that had a link once: there may be a way by them again
CREATE TABLE hub (id TEXT PRIMARY KEY) STRICT;
",
    "
-- messages that a program was let answer: what it may spend is counted over restarts
CREATE TABLE answer (
    number INTEGER PRIMARY KEY,
    identity INTEGER NOT NULL REFERENCES identity(id),
    peer BLOB NOT NULL,
    at INTEGER NOT NULL,
    -- a session or a person wrote to the peer since
    is_looked_at INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX answer_peer ON answer (identity, peer);
",
    "
-- what a person decided: none is the default
ALTER TABLE identity ADD COLUMN policy TEXT;
ALTER TABLE inbound ADD COLUMN is_let_through INTEGER NOT NULL DEFAULT 0;
",
    "
-- agents outside that have a label: a relay that comes back keeps it for them
CREATE TABLE outside (
    id TEXT PRIMARY KEY,
    label TEXT NOT NULL UNIQUE,
    secret TEXT NOT NULL,
    cwd TEXT NOT NULL
) STRICT;
",
    "
-- what people read: all, with one contact, and how much is unread
CREATE INDEX inbound_at ON inbound (identity, at);
CREATE INDEX inbound_peer_at ON inbound (identity, peer, at);
CREATE INDEX inbound_unread ON inbound (identity)
    WHERE NOT is_read AND (to_label = 'person' OR (state = 'dead' AND why NOT IN ('refused', 'discarded')));
CREATE INDEX outbound_at ON outbound (identity, at) WHERE kind = 'mail';
CREATE INDEX outbound_peer_at ON outbound (identity, peer, at) WHERE kind = 'mail';
",
    "
-- sessions with another identity than their project's
CREATE TABLE of_session (
    session TEXT PRIMARY KEY,
    identity INTEGER NOT NULL REFERENCES identity(id)
) STRICT;
",
];
