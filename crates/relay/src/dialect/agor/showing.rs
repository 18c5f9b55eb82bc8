//! Which conversations a controller is shown, and from where.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, MutexGuard, PoisonError},
};

use quarterdeck_protocol::{
    dialect::agor::Event,
    ids::{Channel, SessionId},
    scope::Scope,
};

use super::{Controller, runner::Runner};
use crate::{
    connection::channel::agent::Stepped,
    dialect::places::Place,
    session::{Command as Ask, SessionHandle},
    watch::{self, AgentWatch},
};

/// Bytes of records that one turn of the writer takes from one agent.
const STEP_BYTES: usize = 128 * 1024;
/// What a record costs beside its payload.
const RECORD_COST_BYTES: usize = 64;

/// An agent that a controller is shown.
pub(super) struct Agent {
    watch: AgentWatch,
    runner: Runner,
    /// Told before the next record.
    first: Vec<Event>,
    /// Nothing is told while a reply has to come first.
    holds: usize,
    /// Where the controller has everything before: its link has proved it.
    confirmed: Place,
    /// Where it was when the link was last asked for a sign of life that has not come.
    asked: Option<Place>,
}

/// What an agent has for its controller.
pub(super) enum Pulled {
    /// These; there may be more.
    Events(Vec<Event>),
    /// Nothing for it in this turn, and there may be more.
    Later,
    /// Nothing until it is woken.
    Nothing,
    /// These are the last ones.
    Ended(Vec<Event>),
}

impl Agent {
    fn place(&self) -> Place {
        Place { next: self.watch.next(), run: self.runner.run().map(str::to_owned) }
    }

    pub(super) fn pull(&mut self, ends_are_expected: &mut BTreeSet<SessionId>) -> Pulled {
        if self.holds > 0 {
            return Pulled::Nothing;
        }
        if !self.first.is_empty() {
            return Pulled::Events(std::mem::take(&mut self.first));
        }
        let mut bytes = 0;
        while bytes < STEP_BYTES {
            let told = match self.watch.step() {
                Ok(Stepped::Record(record, events)) => {
                    bytes += record.payload.len() + RECORD_COST_BYTES;
                    self.runner.handle(&record, &events)
                }
                Ok(Stepped::Gap { from, to }) => self.runner.handle_gap(to.0 - from.0),
                Ok(Stepped::AtHead) => return Pulled::Nothing,
                Err(error) => {
                    tracing::warn!(%error, "agent not shown: its log cannot be read");
                    return Pulled::Ended(self.end());
                }
            };
            let session = self.watch.session().id;
            let unexpected = |event: &Event| {
                !matches!(event, Event::SidecarExited { .. }) || !ends_are_expected.remove(&session)
            };
            let told: Vec<Event> = told.into_iter().filter(unexpected).collect();
            if !told.is_empty() {
                return Pulled::Events(told);
            }
        }
        Pulled::Later
    }

    /// The session is gone.
    pub(super) fn end(&mut self) -> Vec<Event> {
        self.runner.end()
    }
}

impl Controller {
    /// Shows an agent from now on, and holds its messages back; whether it is shown.
    pub(super) async fn hold_agent(&self, session: &Arc<SessionHandle>) -> bool {
        if let Some(agent) = self.agents().get_mut(&session.id) {
            agent.holds += 1;
            return true;
        }
        self.follow_agent(session, watch::From::Head, None).await;
        match self.agents().get_mut(&session.id) {
            Some(agent) => {
                agent.holds += 1;
                true
            }
            None => false,
        }
    }

    /// Tells what was held back.
    pub(super) fn release_agent(&self, session: SessionId) {
        let mut agents = self.agents();
        let Some(agent) = agents.get_mut(&session) else { return };
        agent.holds = agent.holds.saturating_sub(1);
        let channel = agent.watch.channel();
        drop(agents);
        self.outbox.wake_channel(channel);
    }

    /// Shows an agent, unless it is shown already or may not be.
    pub(super) async fn follow_agent(
        &self,
        session: &Arc<SessionHandle>,
        from: watch::From,
        place: Option<Place>,
    ) {
        let reads = self.caller.grant.scopes.has(Scope::Read) && self.caller.sees(session.id);
        if !reads || self.followed().contains_key(&session.id) {
            return;
        }
        let channel = self.allocate_channel();
        if !self.remember(session, channel) {
            self.say_too_many(session);
            return;
        }
        let (caller, outbox) = (self.lease_caller(), Arc::clone(&self.outbox));
        let watch = match AgentWatch::begin(session, caller, channel, outbox, from).await {
            Ok(watch) => watch,
            Err(error) => {
                tracing::debug!(session = %session.id, error = %error.message, "not followed");
                return self.forget(session, channel);
            }
        };
        let view = session.published();
        let Some(agent) = &view.agent else { return self.forget(session, channel) };
        let (name, provider) = (self.name_of(session), agent.name.clone());
        let run = place.and_then(|place| place.run);
        let runner = Runner::new(name, provider, agent.vendor, run);
        let first = match from {
            watch::From::LatestTurn => runner.tell_again(),
            watch::From::Beginning | watch::From::Head | watch::From::Record(_) => Vec::new(),
        };
        let mut agent =
            Agent { watch, runner, first, holds: 0, confirmed: Place::default(), asked: None };
        agent.confirmed = agent.place();
        self.agents().insert(session.id, agent);
        self.outbox.wake_channel(channel);
    }

    fn say_too_many(&self, session: &SessionHandle) {
        let text = "too much is shown on one connection: this conversation is not";
        if let Some(event) = super::runner::log(&self.name_of(session), text) {
            self.say(&event);
        }
    }

    fn forget(&self, session: &Arc<SessionHandle>, channel: Channel) {
        self.followed().remove(&session.id);
        let (client, outbox) = (self.me.client, Arc::clone(&self.outbox));
        session.try_tell(Ask::Detach { client, channel, outbox });
    }

    /// What the agent of a channel has; none where it is no agent's.
    pub(super) fn pull_agent(&self, channel: Channel) -> Option<Pulled> {
        let mut agents = self.agents();
        let agent = agents.values_mut().find(|agent| agent.watch.channel() == channel)?;
        Some(agent.pull(&mut self.expected_ends()))
    }

    /// The session let go of a channel; its last messages.
    pub(super) fn drop_agent(&self, channel: Channel) -> Option<Vec<Event>> {
        let mut agents = self.agents();
        let id = agents.iter().find(|(_, agent)| agent.watch.channel() == channel).map(|it| *it.0);
        agents.remove(&id?).map(|mut agent| agent.end())
    }

    /// The link is asked for a sign of life: once it comes, what was told before has arrived.
    pub(super) fn ask_for_confirmation(&self) {
        for agent in self.agents().values_mut().filter(|agent| agent.asked.is_none()) {
            agent.asked = Some(agent.place());
        }
    }

    /// The sign of life came.
    pub(super) fn handle_confirmation(&self) {
        for agent in self.agents().values_mut() {
            if let Some(place) = agent.asked.take() {
                agent.confirmed = place;
            }
        }
    }

    /// Remembers for the next connection what this one has.
    pub(super) fn keep_places(&self) {
        let agents = std::mem::take(&mut *self.agents());
        let is_there = |session| self.context.registry.session(session).is_some();
        for (session, agent) in agents {
            self.context.dialect_places.keep(self.me.client, session, agent.confirmed, is_there);
        }
    }

    /// A program is ended here, so its end is no news.
    pub(super) fn expect_end(&self, session: SessionId) {
        if self.agents().contains_key(&session) {
            self.expected_ends().insert(session);
        }
    }

    pub(super) fn agents(&self) -> MutexGuard<'_, BTreeMap<SessionId, Agent>> {
        self.agents.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn expected_ends(&self) -> MutexGuard<'_, BTreeSet<SessionId>> {
        self.expected_ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
