//! What the relay sends: frames, events of the session, news of the relay's view, answers.

use quarterdeck_core::input;
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    frame::InputState,
    mail::{MAIL_TOPIC, MailNote},
    method::{AttachResult, AttachStart, Method as _, SessionAttach},
    record::{Exit as ExitRecord, LeaseRecord, Lost, Note, Resize},
    session::{
        Detached, InputRejected, SessionChanged, SessionEvent, SessionRemoved, SessionState, Sync,
        notify,
    },
};
use quarterdeck_transport::{CallError, Incoming};
use serde_json::value::RawValue;

use super::{Live, Turn};
use crate::{
    attach::{
        Left,
        outbox::{Asked, Request},
        stream::{Drawn, Seen, Stream},
        view::Ask,
    },
    connection::call_failed,
    error::{CliError, from_rpc},
    output::{escape::plain, time::bytes},
    watch::{lease_of, read},
};

impl Live<'_> {
    pub(super) async fn handle_incoming(
        &mut self,
        incoming: Option<Incoming>,
    ) -> Result<Turn, CliError> {
        match incoming {
            Some(Incoming::Frame(frame)) => Ok(self.handle_frame(&frame)),
            Some(Incoming::Notification { method, params }) => {
                self.handle_notification(&method, params.as_deref()).await
            }
            Some(Incoming::Answer { call, outcome }) => {
                let asked = self.wire.as_mut().and_then(|wire| wire.calls.remove(&call));
                match asked {
                    Some(Asked::Attach) => self.handle_attach_answer(outcome),
                    Some(Asked::Key(ask)) => Ok(self.handle_key_answer(ask, outcome)),
                    Some(Asked::Detach) | None => Ok(Turn::Go),
                }
            }
            Some(Incoming::Closed { why }) => self.handle_closed(Some(&why)).await,
            None => self.handle_closed(None).await,
        }
    }

    fn handle_frame(&mut self, frame: &bytes::Bytes) -> Turn {
        match self.stream.handle(frame, self.view.role()) {
            Seen::Nothing => {}
            Seen::Draw { screens, drawn } => {
                self.show(screens);
                match drawn {
                    Drawn::Output => {}
                    Drawn::Snapshot => self.draw_notice(),
                    Drawn::InexactSnapshot if self.said.inexact => self.draw_notice(),
                    Drawn::InexactSnapshot => {
                        self.said.inexact = true;
                        self.say_moment("this screen may differ from the true one".to_owned());
                    }
                }
            }
            // the words of the way back were about this one
            Seen::Gap(_) if std::mem::take(&mut self.said.gap) => {}
            Seen::Gap(missed) => {
                let missed = bytes(missed);
                self.say_moment(format!("too slow for {missed} of output \u{b7} see: qd logs"));
            }
            Seen::Ack(n, state) => {
                let gone = self.typing.handle_ack(n, state);
                self.say_gone(gone);
            }
        }
        Turn::Go
    }

    async fn handle_notification(
        &mut self,
        method: &str,
        params: Option<&RawValue>,
    ) -> Result<Turn, CliError> {
        let session = self.session;
        let of_channel = |channel| channel == self.stream.channel();
        match method {
            notify::SESSION_EVENT => {
                if let Some(event) = read::<SessionEvent>(params) {
                    return self.handle_event(&event).await;
                }
            }
            notify::INPUT_REJECTED => {
                // as acknowledgements do, whichever attachment the input was sent on
                if let Some(rejected) = read::<InputRejected>(params) {
                    self.handle_rejected(&rejected);
                }
            }
            notify::SESSION_DETACHED => {
                let detached = read::<Detached>(params).filter(|d| of_channel(d.channel));
                return Ok(
                    detached.map_or(Turn::Go, |detached| self.handle_detached(&detached.why))
                );
            }
            notify::SESSION_REMOVED => {
                let gone = read::<SessionRemoved>(params).filter(|gone| gone.session == session);
                return Ok(gone.map_or(Turn::Go, |_| self.end(Left::Removed)));
            }
            notify::LEASE_CHANGED => {
                if let Some(changed) = lease_of(session, params) {
                    let actions = self.view.handle_requests(&changed.lease);
                    return self.act(actions).await;
                }
            }
            notify::SESSION_CHANGED => {
                let changed = read::<SessionChanged>(params).map(|changed| changed.session);
                if let Some(info) = changed.filter(|info| info.session == session) {
                    self.view.handle_info(&info);
                }
            }
            notify::SYNC => {
                let sessions = read::<Sync>(params).map_or_else(Vec::new, |sync| sync.sessions);
                if let Some(info) = sessions.iter().find(|info| info.session == session) {
                    self.view.handle_info(info);
                }
            }
            // a newer relay's
            _ => {}
        }
        Ok(Turn::Go)
    }

    fn handle_detached(&mut self, why: &str) -> Turn {
        match why {
            "removed" => self.end(Left::Removed),
            // the end of the connection says the same, or another attachment of ours took its place
            _ => Turn::Go,
        }
    }

    /// A record of the session's log, in its place.
    async fn handle_event(&mut self, event: &SessionEvent) -> Result<Turn, CliError> {
        let since = if event.event == "note" { self.began } else { self.told };
        if event.channel != self.stream.channel() || event.seq < since {
            return Ok(Turn::Go);
        }
        let actions = match event.event.as_str() {
            "lease" => match read::<LeaseRecord>(Some(&event.body)) {
                Some(record) => self.view.handle_lease(&record),
                None => Vec::new(),
            },
            "resize" => match read::<Resize>(Some(&event.body)) {
                Some(resize) => self.view.handle_size(resize.size),
                None => Vec::new(),
            },
            "note" => match mail_note(&event.body) {
                Some(mail) => self.view.handle_mail(&mail),
                None => Vec::new(),
            },
            "exit" => match read::<ExitRecord>(Some(&event.body)) {
                Some(exit) => return Ok(self.end(Left::Exited(exit.status))),
                None => Vec::new(),
            },
            "lost" => match read::<Lost>(Some(&event.body)) {
                Some(lost) => return Ok(self.end(Left::Lost(lost.why))),
                None => Vec::new(),
            },
            _ => Vec::new(),
        };
        self.act(actions).await
    }

    fn handle_rejected(&mut self, rejected: &InputRejected) {
        // a loan, or a change of owner that comes as an event of its own
        if rejected.error.code() == ErrorCode::NotOwner {
            let gone = self.typing.handle_ack(rejected.n, InputState::Rejected);
            return self.say_gone(gone);
        }
        let gone = self.typing.handle_refused(rejected.n);
        if gone == 0 {
            return;
        }
        let why = plain(&rejected.error.message);
        self.say_moment(format!("{gone} typed bytes did not reach the program: {why}"));
    }

    /// A request of a key failed: say so where it was pressed.
    fn handle_key_answer(&mut self, ask: Ask, outcome: Result<Box<RawValue>, RpcError>) -> Turn {
        if let Err(error) = outcome {
            let what = match ask {
                Ask::Take => "not taken",
                Ask::Request => "not asked",
                Ask::Release => "not released",
                Ask::Offer => "not offered",
                Ask::Resize(_) => "not resized",
                Ask::Kill => "not ended",
            };
            self.say_moment(format!("{what}: {}", plain(&error.message)));
        }
        Turn::Go
    }

    /// Attached again: after a lost link, or to draw the screen anew.
    fn handle_attach_answer(
        &mut self,
        outcome: Result<Box<RawValue>, RpcError>,
    ) -> Result<Turn, CliError> {
        let attached = match outcome {
            Ok(result) => serde_json::from_str::<AttachResult>(result.get()).map_err(|error| {
                call_failed(
                    CallError::Unreadable { method: SessionAttach::NAME, source: error },
                    None,
                )
            })?,
            Err(error) if error.code() == ErrorCode::NotFound => {
                return Ok(self.end(Left::Removed));
            }
            Err(error) => return Err(from_rpc(error, Some(self.view.label()))),
        };
        let returned = self.replace_stream(&attached);
        let changed = self.view.handle_attached(&attached.session);
        let gone = self.typing.handle_attached(input::Attached {
            applied: attached.input_applied,
            epoch: self.view.epoch(),
            incarnation: attached.incarnation,
        });
        if let Returned::FromLostLink = returned {
            self.said.gap = matches!(attached.start, AttachStart::Gap { .. });
            self.say_moment(returned_words(&attached.start, gone));
        } else {
            if let Some(notice) = changed {
                self.say(notice);
            }
            self.say_gone(gone);
        }
        match attached.session.state {
            SessionState::Exited { status, .. } => Ok(self.end(Left::Exited(status))),
            SessionState::Lost { why, .. } => Ok(self.end(Left::Lost(why))),
            SessionState::Starting
            | SessionState::Running
            | SessionState::Waiting
            | SessionState::Idle
            | SessionState::Stalled { .. }
            | SessionState::Unreachable { .. } => Ok(Turn::Go),
        }
    }

    /// The new attachment takes the old one's place.
    fn replace_stream(&mut self, attached: &AttachResult) -> Returned {
        let old = self.stream.channel();
        self.stream = Stream::new(attached);
        self.told = attached.session.seq;
        self.credited = attached.out;
        let Some(wire) = &mut self.wire else { return Returned::ToDraw };
        let returned = if wire.attached { Returned::ToDraw } else { Returned::FromLostLink };
        wire.attached = true;
        if returned == Returned::ToDraw {
            wire.outbox.request(Request::Detach(old));
            if std::mem::take(&mut wire.again) {
                self.redraw();
            }
        }
        returned
    }
}

/// Why there was another attach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Returned {
    /// The link had been lost.
    FromLostLink,
    /// The screen is drawn anew.
    ToDraw,
}

/// What the way back cost.
fn returned_words(start: &AttachStart, gone: usize) -> String {
    let output = match start {
        AttachStart::Ok => "nothing missed".to_owned(),
        AttachStart::Gap { from, to } => format!("gap of {} bytes", to.0.saturating_sub(from.0)),
        AttachStart::Reset => "another log; the screen is drawn anew".to_owned(),
    };
    match gone {
        0 => format!("reconnected \u{b7} {output}"),
        _ => format!(
            "reconnected \u{b7} {output} \u{b7} {gone} typed bytes did not reach the program"
        ),
    }
}

/// That mail came, if a note says so.
fn mail_note(body: &RawValue) -> Option<MailNote> {
    let note = read::<Note>(Some(body)).filter(|note| note.topic == MAIL_TOPIC)?;
    serde_json::from_str(note.body.as_str()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarterdeck_protocol::ids::Out;

    #[test]
    fn the_way_back_says_what_was_missed() {
        let gap = AttachStart::Gap { from: Out(10), to: Out(110) };
        assert_eq!(returned_words(&AttachStart::Ok, 0), "reconnected \u{b7} nothing missed");
        assert_eq!(returned_words(&gap, 0), "reconnected \u{b7} gap of 100 bytes");
        assert!(
            returned_words(&AttachStart::Ok, 7)
                .ends_with("7 typed bytes did not reach the program")
        );
    }
}
