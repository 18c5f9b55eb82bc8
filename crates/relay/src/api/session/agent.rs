//! Where an attachment to an agent begins.

use std::sync::Arc;

use quarterdeck_agents::Conversation;
use quarterdeck_holder::log::LogReader;
use quarterdeck_protocol::{
    error::{ErrorCode, RpcError},
    ids::Seq,
    method::{AttachFrom, AttachStart},
    record::Position,
};

use super::{Begun, blocking};
use crate::{
    connection::channel::{Start, agent::AgentFold},
    session::{Command, SessionHandle},
};

/// Finds the place in an agent's log at which an attachment begins.
pub(super) async fn begin(
    session: &Arc<SessionHandle>,
    from: &AttachFrom,
) -> Result<Begun, RpcError> {
    match *from {
        AttachFrom::Snapshot | AttachFrom::Head => {
            let conversation = session.ask(|reply| Command::Conversation { reply }).await?;
            let agent = Some(Box::new(conversation.view()));
            let start = start(conversation.next());
            let fold = Some(AgentFold::new(conversation, None));
            Ok(Begun { answer: AttachStart::Ok, start, agent, fold })
        }
        AttachFrom::Events { after } => {
            let vendor = session.published().agent.as_ref().map(|agent| agent.vendor);
            let vendor = vendor.ok_or_else(crate::session::agent::no_agent)?;
            let directory = session.directory.clone();
            let first = blocking(move || Ok(LogReader::open(&directory)?.position().seq)).await?;
            let fold = AgentFold::new(Box::new(Conversation::new(session.id, vendor)), after);
            Ok(Begun {
                answer: AttachStart::Ok,
                start: start(first),
                agent: None,
                fold: Some(fold),
            })
        }
        AttachFrom::Out { .. } | AttachFrom::Tail { .. } => {
            let message = "an agent has no output bytes to begin at";
            Err(RpcError::new(ErrorCode::WrongKind, message)
                .hint("attach from \"events\", \"snapshot\" or \"head\""))
        }
    }
}

/// An agent's log has no output bytes.
fn start(seq: Seq) -> Start {
    let Position { out, .. } = Position::default();
    Start { seq, out, head: out, gap: None, snapshot: None }
}
