//! `session.log`: the log's records by pages.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use quarterdeck_holder::log::{LogReader, Next, ReadError};
use quarterdeck_protocol::{
    error::RpcError,
    ids::Seq,
    limits::MAX_LOG_PAGE_BYTES,
    method::{LogEntry, LogParams, LogResult},
    record::{Fact, Gap, Record, RecordKind},
    scope::Scope,
};
use serde_json::value::RawValue;

use super::{super::find, blocking};
use crate::connection::Connection;

/// Records of a page when the caller names no number.
const DEFAULT_PAGE_RECORDS: u32 = 10_000;

/// Whether recorded input is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inputs {
    Show,
    Hide,
}

pub(in crate::api) async fn log(c: &Connection, p: LogParams) -> Result<LogResult, RpcError> {
    let session = find(c, &p.session)?;
    let directory = session.directory.clone();
    let inputs = if c.caller.grant.scopes.has(Scope::Admin) { Inputs::Show } else { Inputs::Hide };
    let max = p.max.unwrap_or(DEFAULT_PAGE_RECORDS);
    let after = p.after.unwrap_or_default();
    blocking(move || {
        let mut reader = LogReader::open(&directory)?;
        reader.seek_seq(after)?;
        page(&mut reader, inputs, max)
    })
    .await
}

fn page(reader: &mut LogReader, inputs: Inputs, max: u32) -> Result<LogResult, ReadError> {
    let mut entries = Vec::new();
    let mut bytes = 0;
    while entries.len() < max as usize && bytes < MAX_LOG_PAGE_BYTES {
        let entry = match reader.next()? {
            Next::Record(record) => entry(&record, inputs),
            Next::Gap(missing) => {
                let (from, to, why) = (missing.from.out, missing.to.out, missing.why);
                let gap = Fact::Gap(Gap { from, to, why }).encode().1;
                let seq = missing.from.seq;
                Some(LogEntry {
                    seq,
                    out: from,
                    time: 0,
                    kind: RecordKind::Gap.to_string(),
                    base64: None,
                    body: serde_json::from_slice(&gap).ok(),
                })
            }
            Next::AwaitMore => return Ok(finished(entries, reader.position().seq, true)),
        };
        if let Some(entry) = entry {
            let body = entry.body.as_ref().map_or(0, |body| body.get().len());
            bytes += entry.base64.as_ref().map_or(body, String::len);
            entries.push(entry);
        }
    }
    Ok(finished(entries, reader.position().seq, false))
}

fn finished(entries: Vec<LogEntry>, next: Seq, end: bool) -> LogResult {
    LogResult { entries, next, end }
}

fn entry(record: &Record, inputs: Inputs) -> Option<LogEntry> {
    let header = record.header;
    let is_raw = match header.kind {
        RecordKind::Output
        | RecordKind::VendorIn
        | RecordKind::VendorOut
        | RecordKind::VendorErr => true,
        RecordKind::Input if inputs == Inputs::Hide => return None,
        RecordKind::Input
        | RecordKind::Start
        | RecordKind::Resize
        | RecordKind::Termios
        | RecordKind::Lease
        | RecordKind::Answer
        | RecordKind::Note
        | RecordKind::Gap
        | RecordKind::Exit
        | RecordKind::Checkpoint
        | RecordKind::Lost
        | RecordKind::Unknown(_) => false,
    };
    let json: Option<Box<RawValue>> =
        if is_raw { None } else { serde_json::from_slice(&record.payload).ok() };
    // a newer version's payload is handed on as bytes
    let base64 = json.is_none().then(|| STANDARD.encode(&record.payload));
    Some(LogEntry {
        seq: header.at.seq,
        out: header.at.out,
        time: header.time_micros,
        kind: header.kind.to_string(),
        base64,
        body: json,
    })
}
