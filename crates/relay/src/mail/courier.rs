//! Carries messages to sessions, and tells the owner who lives.

use std::{sync::Arc, time::Duration};

use quarterdeck_core::mail::routing::Outcome;
use quarterdeck_protocol::{
    agent::{AgentCommand, ContentBlock, Delivery as When, Origin},
    error::{ErrorCode, RpcError},
    record::SessionKind,
    session::SessionState,
};
use tokio::{sync::mpsc, task::JoinSet};

use super::{Ask, Delivery, Earlier, LiveSession, notice};
use crate::{context::Context, session::SessionHandle};

/// Pause before a session is asked again that could not take a message.
const RETRY_PAUSE: Duration = Duration::from_secs(2);

/// Runs until the relay stops.
pub(crate) async fn run(context: Arc<Context>, mut deliveries: mpsc::Receiver<Delivery>) {
    let mut changes = context.registry.changes();
    let mut carried = JoinSet::new();
    let mut told: Option<Vec<LiveSession>> = None;
    loop {
        let live = live(&context);
        if told.as_ref() != Some(&live) && context.mail.tell(Ask::Live(live.clone())).is_ok() {
            told = Some(live);
        }
        tokio::select! {
            () = context.shutdown.cancelled() => return,
            changed = changes.changed() => if changed.is_err() { return },
            Some(done) = carried.join_next() => if let Err(error) = done {
                tracing::error!(%error, "a delivery failed");
            },
            delivery = deliveries.recv() => match delivery {
                Some(delivery) => {
                    carried.spawn(carry(Arc::clone(&context), delivery));
                }
                None => return,
            },
        }
    }
}

fn live(context: &Context) -> Vec<LiveSession> {
    let sessions = context.registry.all();
    let views = sessions.iter().map(|session| session.published());
    let live = views.filter(|view| view.state.is_live()).map(|view| LiveSession {
        id: view.session,
        label: view.label.clone(),
        cwd: view.cwd.clone(),
        kind: view.kind,
        is_idle: view.state == SessionState::Idle,
    });
    live.collect()
}

async fn carry(context: Arc<Context>, delivery: Delivery) {
    let (number, session) = (delivery.number, delivery.session);
    let Some(outcome) = attempt(&context, &delivery).await else { return };
    let mut ask = Ask::Delivered { number, session, outcome };
    // the owner is told in any case: until then nothing else goes to this session
    while context.mail.tell(ask).is_err() {
        tokio::select! {
            () = context.shutdown.cancelled() => return,
            () = tokio::time::sleep(RETRY_PAUSE) => {}
        }
        ask = Ask::Delivered { number, session, outcome };
    }
}

/// Tries until the session has the message or has ended; nothing when the relay stops.
async fn attempt(context: &Context, delivery: &Delivery) -> Option<Outcome> {
    let mut earlier = delivery.earlier;
    loop {
        let Some(session) = context.registry.session(delivery.session) else {
            return Some(Outcome::Gone);
        };
        let told = match session.published().kind {
            SessionKind::Agent | SessionKind::Unknown => put_to_agent(&session, delivery).await,
            SessionKind::Terminal | SessionKind::RemoteControl => {
                notice::tell(&session, delivery, earlier).await
            }
        };
        match told {
            Ok(outcome) => return Some(outcome),
            Err(error) if error.code() == ErrorCode::Ended => return Some(Outcome::Gone),
            Err(error) if error.code() == ErrorCode::ShuttingDown => return None,
            Err(error) => {
                tracing::debug!(session = %delivery.session, %error, "message not taken yet");
                if error.code() != ErrorCode::Storage {
                    earlier = Earlier::Tried;
                }
            }
        }
        tokio::select! {
            () = context.shutdown.cancelled() => return None,
            () = tokio::time::sleep(RETRY_PAUSE) => {}
        }
    }
}

async fn put_to_agent(session: &SessionHandle, delivery: &Delivery) -> Result<Outcome, RpcError> {
    let content = vec![ContentBlock::Text { text: delivery.text.clone() }];
    let prompt = AgentCommand::Prompt { content, delivery: When::Queue };
    let origin = Origin::Agent { address: delivery.address.clone() };
    let put = session.ask_agent(delivery.key.clone(), prompt, origin, None).await;
    put.map(|_| Outcome::Delivered)
}
