//! Which terminals a controller is shown: its own from the moment it connects, every other one from the
//! moment it uses it. The protocol has no way to ask for one.

use std::{collections::BTreeMap, sync::Arc};

use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    ids::{Channel, Out, Seq, SessionId},
    limits::MAX_CHANNELS_PER_CONNECTION,
    method::{AttachRole, Behind, Role},
    record::Position,
    scope::Scope,
};

use super::{Controller, commands::is_live_terminal, terminal::Terminal};
use crate::{
    connection::channel::{ChannelStream, Start},
    session::{AttachCommand, Command as Ask, SessionHandle},
};

/// An attachment that is there or on its way.
pub(super) struct Followed {
    channel: Channel,
    session: Arc<SessionHandle>,
}

/// What is shown first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beginning {
    /// The first byte: the terminal is new.
    First,
    /// The screen: the controller has seen something else of it, or nothing.
    Screen,
}

impl Controller {
    /// Shows this client's own terminals again.
    pub(super) async fn follow_own(self: Arc<Self>) {
        let mark = self.mark();
        let own = |session: &Arc<SessionHandle>| {
            session.request_id.as_ref().is_some_and(|id| id.starts_with(&mark))
        };
        for session in self.context.registry.all().iter().filter(|session| own(session)) {
            self.follow(session).await;
        }
    }

    /// Shows a terminal from now on, unless it is shown already.
    pub(super) async fn follow(&self, session: &Arc<SessionHandle>) {
        let reads = self.caller.grant.scopes.has(Scope::Read) && self.caller.sees(session.id);
        if !reads || !is_live_terminal(&session.published()) {
            return;
        }
        if self.followed().contains_key(&session.id) {
            return;
        }
        match self.attach(session, Beginning::Screen).await {
            Ok(shown) => self.show(shown),
            Err(error) => {
                tracing::debug!(session = %session.id, error = %error.message, "not followed");
            }
        }
    }

    /// Attaches, and owns where possible. Nothing is sent before [`Self::show`].
    pub(super) async fn attach(
        &self,
        session: &Arc<SessionHandle>,
        beginning: Beginning,
    ) -> Result<Terminal, RpcError> {
        let channel = self.allocate_channel();
        if !self.remember(session, channel) {
            let text = "too many terminals are shown on one connection";
            return Err(RpcError::new(ErrorCode::Overloaded, text));
        }
        let outcome = self.try_attach(session, channel, beginning).await;
        if outcome.is_err() {
            self.followed().remove(&session.id);
            let (client, outbox) = (self.me.client, Arc::clone(&self.outbox));
            session.try_tell(Ask::Detach { client, channel, outbox });
        }
        outcome
    }

    /// Before it is attached, so that it is detached however the connection ends.
    pub(super) fn remember(&self, session: &Arc<SessionHandle>, channel: Channel) -> bool {
        let mut followed = self.followed();
        let fits = followed.len() < MAX_CHANNELS_PER_CONNECTION;
        if fits {
            followed.insert(session.id, Followed { channel, session: Arc::clone(session) });
        }
        fits
    }

    async fn try_attach(
        &self,
        session: &Arc<SessionHandle>,
        channel: Channel,
        beginning: Beginning,
    ) -> Result<Terminal, RpcError> {
        let (caller, outbox) = (self.lease_caller(), Arc::clone(&self.outbox));
        let role = AttachRole::Auto;
        let attached = session.ask(|reply| {
            let ssh_auth_sock = None;
            let attach = AttachCommand { caller, role, channel, outbox, ssh_auth_sock, reply };
            Ask::Attach(Box::new(attach))
        });
        let owns = attached.await?.role == Role::Owner;
        let start = match beginning {
            Beginning::First => {
                let head = session.tail.head().out;
                Start { seq: Seq(0), out: Out(0), head, gap: None, snapshot: None }
            }
            Beginning::Screen => {
                let snapshot = self.context.screens.snapshot(session).await?;
                self.context.metrics.snapshots.increment();
                let Position { seq, out } = snapshot.at;
                Start { seq, out, head: out, gap: None, snapshot: Some(snapshot) }
            }
        };
        session.tell(Ask::Live { client: self.me.client, from: start.head }).await?;
        let session = Arc::clone(session);
        let stream = ChannelStream::new(channel, session, start, None, Behind::Skip);
        Ok(Terminal::new(stream, self.me.client, owns))
    }

    /// Begins to send what a terminal prints.
    pub(super) fn show(&self, terminal: Terminal) {
        let channel = terminal.channel();
        self.terminals().insert(channel, terminal);
        self.outbox.wake_channel(channel);
    }

    /// Draws the screen for a controller that fell behind.
    pub(super) async fn redraw(self: Arc<Self>, channel: Channel) {
        let session = self.terminals().get(&channel).map(|terminal| terminal.session());
        let Some(session) = session else { return };
        let snapshot = self.context.screens.snapshot(&session).await;
        if let Some(terminal) = self.terminals().get_mut(&channel) {
            match snapshot {
                Ok(snapshot) => {
                    self.context.metrics.snapshots.increment();
                    terminal.handle_snapshot(snapshot);
                }
                Err(error) => {
                    tracing::warn!(error = %error.message, "no screen for a controller");
                    terminal.handle_no_snapshot();
                }
            }
        }
        self.outbox.wake_channel(channel);
    }

    /// A terminal has ended.
    pub(super) fn unfollow(&self, channel: Channel) {
        let Some(terminal) = self.terminals().remove(&channel) else { return };
        let session = terminal.session();
        self.followed().remove(&session.id);
        let (client, outbox) = (self.me.client, Arc::clone(&self.outbox));
        session.try_tell(Ask::Detach { client, channel, outbox });
    }

    /// The connection is over; the terminals go on.
    pub(super) async fn unfollow_all(&self) {
        self.terminals().clear();
        let followed: BTreeMap<SessionId, Followed> = std::mem::take(&mut *self.followed());
        for Followed { channel, session } in followed.into_values() {
            let (client, outbox) = (self.me.client, Arc::clone(&self.outbox));
            // a removed session has no attachments left
            let _ = session.tell(Ask::Detach { client, channel, outbox }).await;
        }
    }
}
