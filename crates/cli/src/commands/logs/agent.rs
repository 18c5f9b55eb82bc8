//! `qd logs` of an agent: the log's records, folded into events.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use quarterdeck_agents::Conversation;
use quarterdeck_protocol::{
    agent::EventId,
    ids::Seq,
    method::{LogEntry, LogParams, SessionLog},
    record::{Position, RecordHeader, RecordKind},
    session::{AgentInfo, SessionInfo},
};

use crate::{
    agent::{follow::Printer, stream::AgentStream},
    config::Settings,
    connection::{Connection, Missing},
    error::CliError,
};

/// What comes after the end of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    Stop,
    Follow,
}

/// Prints an agent's events from this record on.
pub(super) async fn print(
    settings: &Settings,
    session: &SessionInfo,
    agent: &AgentInfo,
    after: Seq,
    then: Then,
) -> Result<(), CliError> {
    let connection = Connection::open(settings, Missing::StartForSessions).await?;
    let name = session.session.to_string();
    let mut conversation = Conversation::new(session.session, agent.vendor);
    let mut printer = Printer::new(settings);
    let mut next = Seq(0);
    let mut last: Option<EventId> = None;
    loop {
        let params = LogParams { session: name.clone(), after: Some(next), max: None };
        let page = connection.call::<SessionLog>(&params, Some(&name)).await?;
        for entry in &page.entries {
            if let Some((header, payload)) = record(entry) {
                conversation.apply(&header, &payload);
            }
            while let Some(event) = conversation.poll_event() {
                last = Some(event.id);
                if event.id.seq >= after {
                    printer.print(&event)?;
                }
            }
        }
        // a page that goes nowhere is the end, whatever it says
        if page.end || page.next <= next {
            break;
        }
        next = page.next;
    }
    if then == Then::Stop || !session.state.is_live() {
        return settings.output.bytes(printer.readable.end_line().as_bytes());
    }
    let mut stream = AgentStream::open(settings, session.session, last).await?;
    loop {
        for event in stream.next().await? {
            printer.print(&event)?;
            if matches!(event.update, quarterdeck_protocol::agent::Update::AgentExited { .. }) {
                return Ok(());
            }
        }
    }
}

/// The record of an entry; none for one that this version does not know.
fn record(entry: &LogEntry) -> Option<(RecordHeader, Vec<u8>)> {
    let kind = (0..=u8::MAX)
        .map(RecordKind::from_tag)
        .find(|kind| !matches!(kind, RecordKind::Unknown(_)) && kind.to_string() == entry.kind)?;
    let payload = match (&entry.base64, &entry.body) {
        (Some(text), _) => STANDARD.decode(text).ok()?,
        (None, Some(body)) => body.get().as_bytes().to_vec(),
        (None, None) => Vec::new(),
    };
    let at = Position { seq: entry.seq, out: entry.out };
    Some((RecordHeader { kind, flags: 0, time_micros: entry.time, at }, payload))
}
