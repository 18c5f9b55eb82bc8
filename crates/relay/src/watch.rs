//! An agent's conversation, record by record, for those who tell of it in another form than the wire's:
//! dialects and HTTP. A watcher is an attachment like any other and owns nothing.

use std::{path::Path, sync::Arc};

use quarterdeck_agents::Conversation;
use quarterdeck_holder::log::{LogReader, Next, ReadError};
use quarterdeck_protocol::{
    agent::{AgentEvent, Update, Vendor},
    error::{ErrorCode, RpcError},
    ids::{Channel, Out, Seq, SessionId},
    method::{AttachRole, Behind},
};

use crate::{
    connection::{
        channel::{
            ChannelStream, Start,
            agent::{AgentFold, Stepped},
        },
        outbox::Outbox,
    },
    session::{AttachCommand, Command, LeaseCaller, SessionHandle, agent::no_agent},
};

/// Where a watcher begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    /// With everything that the log has.
    Beginning,
    /// With what comes next.
    Head,
    /// With this record.
    Record(Seq),
    /// With the turn that runs, or the last one that ran.
    LatestTurn,
}

/// One watcher.
pub(crate) struct AgentWatch {
    stream: ChannelStream,
}

impl AgentWatch {
    /// Attaches. Whoever watches detaches by [`Self::end`], also after an error.
    ///
    /// # Errors
    /// When the session is a terminal, was removed, or cannot be read.
    pub(crate) async fn begin(
        session: &Arc<SessionHandle>,
        caller: LeaseCaller,
        channel: Channel,
        outbox: Arc<Outbox>,
        from: From,
    ) -> Result<Self, RpcError> {
        let vendor = session.published().agent.as_ref().map(|agent| agent.vendor);
        let vendor = vendor.ok_or_else(no_agent)?;
        let (role, ssh_auth_sock) = (AttachRole::Follow, None);
        let attach = |reply| {
            let attach = AttachCommand { caller, role, channel, outbox, ssh_auth_sock, reply };
            Command::Attach(Box::new(attach))
        };
        session.ask(attach).await?;
        let (seq, conversation) = match from {
            From::Head => {
                let conversation = session.ask(|reply| Command::Conversation { reply }).await?;
                (conversation.next(), conversation)
            }
            From::Beginning | From::Record(_) | From::LatestTurn => {
                let (directory, id) = (session.directory.clone(), session.id);
                blocking(move || seek(&directory, id, vendor, from)).await?
            }
        };
        let start = Start { seq, out: Out(0), head: Out(0), gap: None, snapshot: None };
        let stream = ChannelStream::new(channel, Arc::clone(session), start, None, Behind::Skip);
        let stream = stream.with_fold(Some(AgentFold::new(conversation, None)));
        Ok(Self { stream })
    }

    /// Whom it watches.
    pub(crate) fn session(&self) -> &Arc<SessionHandle> {
        &self.stream.session
    }

    /// The attachment's number.
    pub(crate) const fn channel(&self) -> Channel {
        self.stream.channel
    }

    /// The record that comes next.
    pub(crate) const fn next(&self) -> Seq {
        self.stream.next()
    }

    /// The conversation so far.
    pub(crate) fn conversation(&self) -> Option<&Conversation> {
        self.stream.conversation()
    }

    /// What comes next.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(crate) fn step(&mut self) -> Result<Stepped, ReadError> {
        self.stream.step_agent()
    }
}

/// What a reader of the past finds.
#[derive(Debug)]
pub(crate) enum Past {
    /// An event.
    Event(Box<AgentEvent>),
    /// Records are not there any more.
    Missing,
}

/// Adds up everything that the log of an agent's session has by now.
///
/// # Errors
/// When the session is a terminal, or cannot be read.
pub(crate) async fn read_past<T: Send + 'static>(
    session: &Arc<SessionHandle>,
    mut sum: T,
    add: impl Fn(&mut T, Past) + Send + 'static,
) -> Result<T, RpcError> {
    let vendor = session.published().agent.as_ref().map(|agent| agent.vendor);
    let vendor = vendor.ok_or_else(no_agent)?;
    let (directory, id) = (session.directory.clone(), session.id);
    let read = move || {
        let mut conversation = Conversation::new(id, vendor);
        if LogReader::open(&directory)?.position().seq > Seq(0) {
            add(&mut sum, Past::Missing);
        }
        fold(&directory, &mut conversation, Seq(u64::MAX), |past| add(&mut sum, past))?;
        Ok(sum)
    };
    blocking(read).await
}

/// Reads a log where it may take its time.
async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
) -> Result<T, RpcError> {
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(read)) => Ok(read),
        Ok(Err(error)) => {
            tracing::warn!(%error, "log cannot be read");
            Err(RpcError::new(ErrorCode::Storage, "the session's log cannot be read"))
        }
        Err(_) => Err(RpcError::new(ErrorCode::Internal, "reading the log failed")),
    }
}

/// Finds the record to begin with, and folds everything before it.
fn seek(
    directory: &Path,
    session: SessionId,
    vendor: Vendor,
    from: From,
) -> Result<(Seq, Box<Conversation>), ReadError> {
    let new = || Box::new(Conversation::new(session, vendor));
    match from {
        From::Beginning | From::Head => Ok((LogReader::open(directory)?.position().seq, new())),
        From::Record(wanted) => {
            let (mut at, mut conversation) = (LogReader::open(directory)?.position().seq, new());
            if at < wanted {
                at = fold(directory, &mut conversation, wanted, |_| ())?;
            }
            Ok((at, conversation))
        }
        From::LatestTurn => {
            // twice, as the fold before the turn is wanted and cannot be had backwards
            let mut latest_turn = None;
            let reached = fold(directory, &mut new(), Seq(u64::MAX), |past| {
                if let Past::Event(event) = past
                    && begins_turn(&event)
                {
                    latest_turn = Some(event.id.seq);
                }
            })?;
            let wanted = latest_turn.unwrap_or(reached);
            seek(directory, session, vendor, From::Record(wanted))
        }
    }
}

/// Folds a log up to a record, or to its end; the record that comes next.
fn fold(
    directory: &Path,
    conversation: &mut Conversation,
    until: Seq,
    mut tell: impl FnMut(Past),
) -> Result<Seq, ReadError> {
    let mut reader = LogReader::open(directory)?;
    let mut reached = reader.position().seq;
    while reached < until {
        match reader.next()? {
            Next::Record(record) => {
                reached = record.header.at.seq.next();
                conversation.apply_record(&record);
                while let Some(event) = conversation.poll_event() {
                    tell(Past::Event(Box::new(event)));
                }
            }
            Next::Gap(missing) => {
                reached = missing.to.seq;
                tell(Past::Missing);
            }
            Next::AwaitMore => break,
        }
    }
    Ok(reached)
}

const fn begins_turn(event: &AgentEvent) -> bool {
    matches!(event.update, Update::TurnStarted { .. })
}
