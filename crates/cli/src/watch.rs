//! One session, as the relay's view shows it, over every loss of the link.

use quarterdeck_core::names::{Life, Resolved, resolve};
use quarterdeck_protocol::{
    error::{ErrorCode, ErrorDetail, RpcError},
    ids::SessionId,
    session::{LeaseChanged, SessionChanged, SessionInfo, SessionRemoved, Sync, notify},
};
use quarterdeck_transport::{Client, Events, Incoming, reconnect::LinkEvent};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::{
    config::Settings,
    connection::{Link, Missing, Telling},
    error::{CliError, Kind, from_rpc},
};

/// Watches one session.
#[derive(Debug)]
pub(crate) struct SessionWatch<'s> {
    link: Link<'s>,
    connection: Option<(Client, Events)>,
    /// What the user typed, resolved once; none = the last one.
    name: Option<String>,
    /// The session that this command runs inside.
    inside: Option<String>,
    session: Option<SessionId>,
    /// Sessions of a view whose last part has not come.
    parts: Vec<SessionInfo>,
}

/// What a watcher sees.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Seen {
    /// The session as it is now.
    Now(Box<SessionInfo>),
    /// It was deleted.
    Gone,
}

impl<'s> SessionWatch<'s> {
    /// Begins to watch the session of this name, or the last one.
    pub(crate) async fn start(
        settings: &'s Settings,
        name: Option<&str>,
    ) -> Result<Self, CliError> {
        let (link, (client, events, _)) =
            Link::open(settings, Missing::StartForSessions, Telling::Changes).await?;
        let connection = Some((client, events));
        let (name, inside) = (name.map(str::to_owned), settings.environment.inside());
        Ok(Self { link, connection, name, inside, session: None, parts: Vec::new() })
    }

    /// The connection, for requests beside the watching; none while the link is down.
    pub(crate) fn client(&self) -> Option<&Client> {
        self.connection.as_ref().map(|(client, _)| client)
    }

    /// The next change, or the state after a reconnect. May be dropped and called again.
    pub(crate) async fn next(&mut self) -> Result<Seen, CliError> {
        loop {
            let Some((_, events)) = &mut self.connection else {
                self.reconnected().await?;
                continue;
            };
            match events.next().await {
                Some(Incoming::Notification { method, params }) => {
                    if let Some(seen) = self.handle(&method, params.as_deref())? {
                        return Ok(seen);
                    }
                }
                Some(Incoming::Frame(_) | Incoming::Answer { .. }) => {}
                Some(Incoming::Closed { .. }) | None => self.connection = None,
            }
        }
    }

    async fn reconnected(&mut self) -> Result<(), CliError> {
        match self.link.next().await? {
            LinkEvent::Connected { client, events, .. } => {
                self.parts.clear();
                self.connection = Some((client, events));
                Ok(())
            }
            LinkEvent::Reconnecting { .. } => Ok(()),
            LinkEvent::Refused { why, cause } => Err(self.link.refused(why, cause.as_deref())),
        }
    }

    fn handle(
        &mut self,
        method: &str,
        params: Option<&RawValue>,
    ) -> Result<Option<Seen>, CliError> {
        Ok(match method {
            notify::SYNC => match read::<Sync>(params) {
                Some(sync) => return self.handle_sync(sync),
                None => None,
            },
            notify::SESSION_CHANGED => read::<SessionChanged>(params)
                .filter(|changed| Some(changed.session.session) == self.session)
                .map(|changed| Seen::Now(Box::new(changed.session))),
            notify::SESSION_REMOVED => read::<SessionRemoved>(params)
                .filter(|removed| Some(removed.session) == self.session)
                .map(|_| Seen::Gone),
            _ => None,
        })
    }

    fn handle_sync(&mut self, sync: Sync) -> Result<Option<Seen>, CliError> {
        if sync.part == 0 {
            self.parts.clear();
        }
        self.parts.extend(sync.sessions);
        if !sync.last {
            return Ok(None);
        }
        let sessions = std::mem::take(&mut self.parts);
        let session = match self.session {
            Some(session) => session,
            None => {
                let session = match &self.name {
                    Some(name) => find(name, &sessions)?,
                    None => last(&sessions, self.inside.as_deref())?.session,
                };
                *self.session.insert(session)
            }
        };
        let found = sessions.into_iter().find(|info| info.session == session);
        Ok(Some(found.map_or(Seen::Gone, |info| Seen::Now(Box::new(info)))))
    }
}

/// A notification that a newer relay writes otherwise is none.
pub(crate) fn read<T: DeserializeOwned>(params: Option<&RawValue>) -> Option<T> {
    serde_json::from_str(params?.get()).ok()
}

/// The lease of a session, if this notification is about it.
pub(crate) fn lease_of(session: SessionId, params: Option<&RawValue>) -> Option<LeaseChanged> {
    read::<LeaseChanged>(params).filter(|changed| changed.session == session)
}

/// The session that a word names, by the same rule as the relay's.
pub(crate) fn find(name: &str, sessions: &[SessionInfo]) -> Result<SessionId, CliError> {
    let by_life = |life: Life| {
        sessions
            .iter()
            .filter(move |info| info.state.is_live() == (life == Life::Live))
            .map(move |info| (info.session, &info.label, life))
    };
    match resolve(name, by_life(Life::Live).chain(by_life(Life::Ended))) {
        Resolved::One(session) => Ok(session),
        Resolved::None => {
            let message = format!("session \"{}\" not found", name.escape_debug());
            Err(from_rpc(RpcError::new(ErrorCode::NotFound, message), Some(name)))
        }
        Resolved::Many(found) => {
            let message = format!("\"{}\" fits {} sessions", name.escape_debug(), found.len());
            let matches = found.iter().map(ToString::to_string).collect();
            let error = RpcError::new(ErrorCode::Ambiguous, message);
            Err(from_rpc(error.with(ErrorDetail::Matches { matches }), Some(name)))
        }
    }
}

/// The session that is meant when none is named: the live one with the newest activity, but not the
/// one that the caller runs inside.
pub(crate) fn last<'a>(
    sessions: &'a [SessionInfo],
    inside: Option<&str>,
) -> Result<&'a SessionInfo, CliError> {
    let elsewhere = |info: &&SessionInfo| inside != Some(info.session.to_string().as_str());
    let live = sessions.iter().filter(|info| info.state.is_live()).filter(elsewhere);
    live.max_by_key(|info| info.last_activity_at).ok_or_else(|| {
        CliError::new(Kind::NotFound, "no session is running").hint("start one: qd run")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::ls::tests::session;
    use quarterdeck_protocol::{record::ExitStatus, session::SessionState};

    fn ended() -> SessionState {
        let status = ExitStatus::Code { code: 0 };
        SessionState::Exited { status, left: Vec::new(), at: 0 }
    }

    #[test]
    fn a_live_session_wins_a_label_and_two_matches_are_an_error() {
        let mut sessions = vec![
            session(1, "build", ended(), &[]),
            session(2, "build", SessionState::Running, &[]),
        ];
        assert_eq!(find("build", &sessions), Ok(sessions[1].session));
        assert_eq!(find("s_0101", &sessions), Ok(sessions[0].session));
        sessions[1].state = ended();
        assert_eq!(find("build", &sessions).map_err(|error| error.kind), Err(Kind::Ambiguous));
        assert_eq!(find("x", &sessions).map_err(|error| error.kind), Err(Kind::NotFound));
    }

    #[test]
    fn the_last_session_is_the_live_one_with_the_newest_activity_but_not_this_one() {
        let mut sessions = vec![
            session(1, "a", SessionState::Idle, &[]),
            session(2, "b", SessionState::Running, &[]),
            session(3, "c", ended(), &[]),
        ];
        sessions[1].last_activity_at += 5;
        sessions[2].last_activity_at += 9;
        assert_eq!(last(&sessions, None).map(|info| info.label.as_str()), Ok("b"));
        let inside = sessions[1].session.to_string();
        assert_eq!(last(&sessions, Some(&inside)).map(|info| info.label.as_str()), Ok("a"));
        assert!(last(&sessions[2..], None).is_err());
    }
}
