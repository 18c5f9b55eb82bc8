//! An agent's events, each once and in order, over every loss of the link.

use quarterdeck_protocol::{
    agent::{AgentEvent, EventId},
    ids::{Channel, SessionId},
    method::{AttachFrom, AttachParams, AttachRole, Behind, Method, SessionAttach},
    session::{AgentEvents, Detached, notify},
};
use quarterdeck_transport::{CallError, Client, Events, Incoming, reconnect::LinkEvent};

use crate::{
    config::Settings,
    connection::{Link, Missing, Telling, call_failed},
    error::{CliError, Kind},
    watch::read,
};

/// An attachment to an agent.
#[derive(Debug)]
pub(crate) struct AgentStream<'s> {
    link: Link<'s>,
    client: Client,
    events: Events,
    session: SessionId,
    channel: Channel,
    /// The last event that was given.
    after: Option<EventId>,
}

impl<'s> AgentStream<'s> {
    /// Attaches; gives every event after this one.
    pub(crate) async fn open(
        settings: &'s Settings,
        session: SessionId,
        after: Option<EventId>,
    ) -> Result<Self, CliError> {
        let (link, (client, events, _)) =
            Link::open(settings, Missing::StartForSessions, Telling::Nothing).await?;
        let channel = Channel(0);
        let mut stream = Self { link, client, events, session, channel, after };
        match stream.attach().await {
            Ok(()) => Ok(stream),
            Err(error) => Err(call_failed(error, Some(&session.to_string()))),
        }
    }

    /// Asks beside the stream; a link that is down is waited for.
    pub(crate) async fn call<M: Method>(
        &mut self,
        params: &M::Params,
    ) -> Result<M::Result, CliError> {
        loop {
            match self.client.call::<M>(params).await {
                Ok(result) => return Ok(result),
                // requests about agents carry ids of their own: doing them again changes nothing
                Err(CallError::Closed(_)) => self.reconnect().await?,
                Err(error) => return Err(call_failed(error, Some(&self.session.to_string()))),
            }
        }
    }

    /// The next events. May be dropped and called again.
    pub(crate) async fn next(&mut self) -> Result<Vec<AgentEvent>, CliError> {
        loop {
            match self.events.next().await {
                Some(Incoming::Notification { method, params }) => {
                    if let Some(events) = self.handle(&method, params.as_deref())? {
                        return Ok(events);
                    }
                }
                Some(Incoming::Frame(_) | Incoming::Answer { .. }) => {}
                Some(Incoming::Closed { .. }) | None => self.reconnect().await?,
            }
        }
    }

    fn handle(
        &mut self,
        method: &str,
        params: Option<&serde_json::value::RawValue>,
    ) -> Result<Option<Vec<AgentEvent>>, CliError> {
        match method {
            notify::AGENT_EVENTS => {
                let Some(told) = read::<AgentEvents>(params) else { return Ok(None) };
                if told.channel != self.channel {
                    return Ok(None);
                }
                if let Some(last) = told.events.last() {
                    self.after = Some(last.id);
                }
                Ok(Some(told.events))
            }
            notify::SESSION_DETACHED => {
                let detached = read::<Detached>(params).filter(|it| it.channel == self.channel);
                match detached {
                    Some(detached) if detached.why == "removed" => {
                        Err(CliError::new(Kind::NotFound, "the session was deleted"))
                    }
                    Some(_) | None => Ok(None),
                }
            }
            _ => Ok(None),
        }
    }

    async fn attach(&mut self) -> Result<(), CallError> {
        let params = AttachParams {
            session: self.session.to_string(),
            role: AttachRole::Follow,
            from: AttachFrom::Events { after: self.after },
            behind: Behind::Replay,
            window: None,
            ssh_auth_sock: None,
        };
        self.channel = self.client.call::<SessionAttach>(&params).await?.channel;
        Ok(())
    }

    async fn reconnect(&mut self) -> Result<(), CliError> {
        loop {
            match self.link.next().await? {
                LinkEvent::Connected { client, events, .. } => {
                    (self.client, self.events) = (client, events);
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
}
