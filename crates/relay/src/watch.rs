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
                let sought =
                    tokio::task::spawn_blocking(move || seek(&directory, id, vendor, from));
                match sought.await {
                    Ok(Ok(found)) => found,
                    Ok(Err(error)) => {
                        tracing::warn!(%error, "log cannot be read");
                        let message = "the session's log cannot be read";
                        return Err(RpcError::new(ErrorCode::Storage, message));
                    }
                    Err(_) => {
                        return Err(RpcError::new(ErrorCode::Internal, "reading the log failed"));
                    }
                }
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
                at = fold(directory, &mut conversation, wanted)?.reached;
            }
            Ok((at, conversation))
        }
        From::LatestTurn => {
            // twice, as the fold before the turn is wanted and cannot be had backwards
            let folded = fold(directory, &mut new(), Seq(u64::MAX))?;
            let wanted = folded.latest_turn.unwrap_or(folded.reached);
            seek(directory, session, vendor, From::Record(wanted))
        }
    }
}

struct Folded {
    /// The record that comes next.
    reached: Seq,
    /// The record that began the latest turn.
    latest_turn: Option<Seq>,
}

/// Folds a log up to a record, or to its end.
fn fold(
    directory: &Path,
    conversation: &mut Conversation,
    until: Seq,
) -> Result<Folded, ReadError> {
    let mut reader = LogReader::open(directory)?;
    let mut folded = Folded { reached: reader.position().seq, latest_turn: None };
    while folded.reached < until {
        match reader.next()? {
            Next::Record(record) => {
                let seq = record.header.at.seq;
                folded.reached = seq.next();
                conversation.apply_record(&record);
                while let Some(event) = conversation.poll_event() {
                    if begins_turn(&event) {
                        folded.latest_turn = Some(seq);
                    }
                }
            }
            Next::Gap(missing) => folded.reached = missing.to.seq,
            Next::AwaitMore => break,
        }
    }
    Ok(folded)
}

const fn begins_turn(event: &AgentEvent) -> bool {
    matches!(event.update, Update::TurnStarted { .. })
}
