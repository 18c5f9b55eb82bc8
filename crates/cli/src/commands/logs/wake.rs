//! A quiet attachment that tells when a log has more. What it carries is not looked at: its credit
//! window is the smallest there is, so it costs little, and a relay that skips for it loses nothing.

use std::collections::BTreeSet;

use quarterdeck_protocol::{
    frame::{Body, Frame},
    ids::{Channel, Out, SessionId},
    limits::CREDIT_WINDOW_RANGE_BYTES,
    method::{AttachFrom, AttachParams, AttachRole, Behind, Method, SessionAttach},
    session::{Detached, notify},
};
use quarterdeck_transport::{
    CallError, Client, Events, Incoming, client::SendError, reconnect::LinkEvent,
};

use crate::{
    connection::{Link, call_failed},
    error::CliError,
    watch::read,
};

/// Tells when a session's log has more.
pub(super) struct Wake<'s> {
    link: Link<'s>,
    client: Client,
    events: Events,
    session: SessionId,
    channel: Channel,
    /// Something came since the last wait.
    pending: Pending,
    removed: BTreeSet<Channel>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pending {
    Nothing,
    Something,
    Lost,
}

/// Why a wait is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Woken {
    /// There may be more.
    More,
    /// The session was deleted.
    Removed,
}

impl<'s> Wake<'s> {
    /// Attaches.
    pub(super) async fn start(
        link: Link<'s>,
        client: Client,
        events: Events,
        session: SessionId,
    ) -> Result<Self, CliError> {
        let channel = Channel(0);
        let pending = Pending::Something;
        let mut wake =
            Self { link, client, events, session, channel, pending, removed: BTreeSet::new() };
        match wake.attach().await {
            Ok(()) => Ok(wake),
            Err(error) => Err(call_failed(error, Some(&session.to_string()))),
        }
    }

    async fn attach(&mut self) -> Result<(), CallError> {
        let params = AttachParams {
            session: self.session.to_string(),
            role: AttachRole::Follow,
            from: AttachFrom::Head,
            behind: Behind::Skip,
            window: Some(*CREDIT_WINDOW_RANGE_BYTES.start()),
            ssh_auth_sock: None,
        };
        self.channel = self.call::<SessionAttach>(&params).await?.channel;
        Ok(())
    }

    /// Asks; what comes meanwhile is noted, so that reading never waits for somebody who waits for it.
    pub(super) async fn call<M: Method>(
        &mut self,
        params: &M::Params,
    ) -> Result<M::Result, CallError> {
        let client = self.client.clone();
        let call = client.call::<M>(params);
        tokio::pin!(call);
        loop {
            tokio::select! {
                biased;
                answer = &mut call => return answer,
                incoming = self.events.next(), if self.pending != Pending::Lost => {
                    self.note(incoming.as_ref());
                }
            }
        }
    }

    /// Everything before `out` is printed: waits until there is more.
    pub(super) async fn wait(&mut self, out: Out) -> Result<Woken, CliError> {
        let body = Body::Credit { out };
        match self.client.send_frame(Frame { channel: self.channel, body }).await {
            Ok(()) | Err(SendError::TooLarge { .. }) => {}
            Err(SendError::Closed(_)) => self.pending = Pending::Lost,
        }
        while self.pending == Pending::Nothing {
            let incoming = self.events.next().await;
            self.note(incoming.as_ref());
        }
        if self.removed.contains(&self.channel) {
            return Ok(Woken::Removed);
        }
        if self.pending == Pending::Lost {
            self.reconnect().await?;
        }
        self.pending = Pending::Nothing;
        Ok(Woken::More)
    }

    /// Waits for the link to come back, and attaches again.
    pub(super) async fn reconnect(&mut self) -> Result<(), CliError> {
        loop {
            match self.link.next().await? {
                LinkEvent::Connected { client, events, .. } => {
                    (self.client, self.events) = (client, events);
                    self.pending = Pending::Something;
                    match self.attach().await {
                        Ok(()) => return Ok(()),
                        Err(CallError::Closed(_)) => {}
                        Err(error) => {
                            return Err(call_failed(error, Some(&self.session.to_string())));
                        }
                    }
                }
                LinkEvent::Reconnecting { .. } => {}
                LinkEvent::Refused { why, cause } => {
                    return Err(self.link.refused(why, cause.as_deref()));
                }
            }
        }
    }

    fn note(&mut self, incoming: Option<&Incoming>) {
        match incoming {
            Some(Incoming::Frame(_) | Incoming::Answer { .. }) => {
                self.pending = Pending::Something;
            }
            Some(Incoming::Notification { method, params }) => {
                self.pending = Pending::Something;
                if method == notify::SESSION_DETACHED
                    && let Some(detached) = read::<Detached>(params.as_deref())
                    && detached.why == "removed"
                {
                    self.removed.insert(detached.channel);
                }
            }
            Some(Incoming::Closed { .. }) | None => self.pending = Pending::Lost,
        }
    }
}
