//! The beginning of an attachment: attach, take if asked to, fetch history, and only then make the
//! terminal raw. Until then `^C` ends the command as usual.

use std::collections::{BTreeMap, VecDeque};

use quarterdeck_core::input;
use quarterdeck_protocol::{
    ids::Out,
    method::{
        AttachFrom, AttachParams, AttachResult, AttachRole, Behind, LeaseTake, Method,
        SessionAttach, SessionScrollback, TakeParams,
    },
    session::SessionState,
};
use quarterdeck_transport::{
    CallError, Client, ClosedWhy, Events, Incoming,
    client::{CallId, read_result},
};
use tokio::time::{Duration, Instant, sleep, timeout_at};

use super::{Live, Said, Wire, links::Down, notices::Notices, picture::Picture};
use crate::{
    attach::{
        Left, Program, Wish,
        history::{History, Next},
        keys::KeyMachine,
        outbox::Outbox,
        stream::Stream,
        terminal::{self, LastLine, Screen, Terminal},
        typing::Typing,
        view::{Identity, Stay, View, headline},
    },
    config::Settings,
    connection::{Link, Missing, Telling, call_failed},
    error::{CliError, Kind},
};

/// Events that may come while history is fetched; a session that is busier gets less history.
const MAX_HELD_EVENTS: usize = 4096;
/// How long fetching history may keep the screen waiting.
const HISTORY_LIMIT: Duration = Duration::from_secs(10);
/// How long a session may be about to end.
const ENDING_LIMIT: Duration = Duration::from_secs(2);
/// Pause between two tries to attach to it.
const ENDING_PAUSE: Duration = Duration::from_millis(50);
/// How long a request of the beginning may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Attaches.
pub(super) async fn open(settings: &Settings, wish: Wish) -> Result<Live<'_>, CliError> {
    let (link, (client, events, hello)) =
        Link::open(settings, Missing::StartForSessions, Telling::Changes).await?;
    let mut opening = Opening { client, events, held: VecDeque::new() };
    let attached = opening.attach(settings, &wish).await?;
    if let Some(reason) = &wish.reason {
        opening.take(&wish.session, reason).await?;
    }
    let local = terminal::size_or_usual();
    let identity =
        Identity { client: hello.client_id, principal: hello.principal, prefix: settings.prefix };
    let view = View::new(identity, &attached.session, local);
    let history = opening.fetch_history(&wish, &attached).await;
    let terminal = Terminal::enter(LastLine::Used)?;
    let drawn = history.draw(&headline(&view), local).into();
    let _ = terminal.screen.send(Screen::Draw { bytes: drawn, rendered: None }).await;
    let Opening { client, events, held } = opening;
    let outbox = Outbox::new(client.clone());
    let mut live = Live {
        settings,
        session: attached.session.session,
        typing: Typing::new(input::Attached {
            applied: attached.input_applied,
            epoch: view.epoch(),
            incarnation: attached.incarnation,
        }),
        keys: KeyMachine::new(settings.prefix),
        stream: Stream::new(&attached),
        terminal,
        link,
        wire: Some(Wire {
            client,
            events,
            outbox,
            calls: BTreeMap::new(),
            attached: true,
            again: false,
        }),
        down: Down::default(),
        picture: Picture::Direct { tail: None },
        notices: Notices::default(),
        held,
        told: attached.session.seq,
        began: attached.session.seq,
        credited: Out(0),
        ending: None,
        said: Said::default(),
        escape_due: None,
        resize_due: None,
        view,
        wish,
    };
    live.begin(&attached);
    Ok(live)
}

impl Live<'_> {
    fn begin(&mut self, attached: &AttachResult) {
        match (&attached.session.state, self.wish.program) {
            (SessionState::Exited { status, .. }, Program::JustStarted) => {
                self.end(Left::Exited(status.clone()));
            }
            (SessionState::Exited { status, .. }, Program::RanBefore) => {
                self.end(Left::HadEnded(status.clone()));
            }
            (SessionState::Lost { why, .. }, _) => {
                self.end(Left::Lost(why.clone()));
            }
            (_, Program::RanBefore) => {
                let text = headline(&self.view);
                self.notices.set(text, Stay::Moment);
            }
            (_, Program::JustStarted) => {}
        }
    }
}

/// A connection whose events are kept for later.
struct Opening {
    client: Client,
    events: Events,
    held: VecDeque<Incoming>,
}

impl Opening {
    /// Attaches. A program that ends at that moment is still owned for the relay and not any more for
    /// its holder; a moment later both agree, and what it left can be watched.
    async fn attach(&mut self, settings: &Settings, wish: &Wish) -> Result<AttachResult, CliError> {
        let params = attach_params(settings, wish, AttachFrom::Snapshot);
        let deadline = Instant::now() + ENDING_LIMIT;
        loop {
            match self.ask::<SessionAttach>(&params, &wish.session).await {
                Err(error) if error.kind == Kind::Ended && Instant::now() < deadline => {
                    sleep(ENDING_PAUSE).await;
                }
                Err(error) if wish.lacks_reason() && error.kind == Kind::Usage => {
                    return Err(error.hint("say why: --take --reason \"…\""));
                }
                other => return other,
            }
        }
    }

    async fn take(&mut self, session: &str, reason: &str) -> Result<(), CliError> {
        let params = TakeParams { session: session.to_owned(), reason: Some(reason.to_owned()) };
        self.ask::<LeaseTake>(&params, session).await.map(|_| ())
    }

    /// What there is of the wanted history. A relay that cannot give it is no reason not to attach.
    async fn fetch_history(&mut self, wish: &Wish, attached: &AttachResult) -> History {
        let session = attached.session.session.to_string();
        let mut history = History::new(session, wish.history, attached.out);
        let deadline = Instant::now() + HISTORY_LIMIT;
        let mut next = history.begin();
        while let Next::Fetch(params) = next {
            let Ok(call) = self.client.request::<SessionScrollback>(&params).await else { break };
            match self.answer::<SessionScrollback>(call, deadline).await {
                Ok(page) if self.held.len() < MAX_HELD_EVENTS => next = history.handle(page),
                Ok(_) | Err(_) => break,
            }
        }
        history
    }

    async fn ask<M: Method>(
        &mut self,
        params: &M::Params,
        session: &str,
    ) -> Result<M::Result, CliError> {
        let failed = |error| call_failed(error, Some(session));
        let call = self.client.request::<M>(params).await.map_err(failed)?;
        self.answer::<M>(call, Instant::now() + ANSWER_LIMIT).await.map_err(failed)
    }

    /// The answer to a request; everything else that comes before it is kept in its order.
    async fn answer<M: Method>(
        &mut self,
        call: CallId,
        deadline: Instant,
    ) -> Result<M::Result, CallError> {
        loop {
            let next = timeout_at(deadline, self.events.next()).await;
            let next = next.map_err(|_| CallError::Timeout { method: M::NAME })?;
            match next {
                Some(Incoming::Answer { call: answered, outcome }) if answered == call => {
                    return read_result::<M>(&outcome?);
                }
                Some(Incoming::Closed { why }) => {
                    self.held.push_back(Incoming::Closed { why: why.clone() });
                    return Err(why.into());
                }
                Some(other) => self.held.push_back(other),
                None => return Err(ClosedWhy::Here.into()),
            }
        }
    }
}

/// What to attach with. A wish to take is for the first time only: later ones keep the role.
pub(super) fn attach_params(settings: &Settings, wish: &Wish, from: AttachFrom) -> AttachParams {
    let role = match (wish.role, &wish.reason) {
        (AttachRole::Take, Some(_)) => AttachRole::Auto,
        (role, _) => role,
    };
    let ssh_auth_sock =
        settings.is_local().then(|| settings.environment.text("SSH_AUTH_SOCK")).flatten();
    AttachParams {
        session: wish.session.clone(),
        role,
        from,
        behind: Behind::Skip,
        window: None,
        ssh_auth_sock,
    }
}
