//! Steps of an adapter: they become events, turns, prompts and totals.

use alloc::{boxed::Box, string::String};

use quarterdeck_protocol::agent::{
    AgentError, Ask, MessageState, Origin, Prompt, PromptId, StopReason, ToolCall, ToolStatus,
    TurnNumber, Update,
};

use super::{Conversation, Turn, usage::TurnUsage};
use crate::{
    plain,
    step::{Question, Step, Steps},
};

impl Conversation {
    pub(super) fn apply_steps(&mut self, steps: Steps) {
        let before = self.totals.clone();
        let mut ended = false;
        for step in steps.0 {
            ended |= matches!(step, Step::TurnEnded { .. });
            self.apply_step(step);
        }
        // the end of a turn has told them
        if !ended && self.totals != before {
            self.tell(Update::UsageUpdate(self.totals.usage()));
        }
    }

    fn apply_step(&mut self, step: Step) {
        match step {
            Step::Sent { wire_id } => self.handle_sent(&wire_id),
            Step::Taken { wire_id } => self.messages.taken(&wire_id),
            Step::NotTaken { wire_id } => {
                if let Some(message_id) = self.messages.put_back(&wire_id) {
                    let state = MessageState::Queued;
                    self.tell(Update::MessageUpdate { message_id, state });
                }
            }
            Step::TurnStarted { wire_id } => self.begin_turn(wire_id.as_deref()),
            Step::TurnEnded { stop_reason, error } => self.end_turn(stop_reason, error),
            Step::Update(update) => {
                self.learn(&update);
                self.tell(update);
            }
            Step::Tool(call) => self.handle_tool(call),
            Step::Asked(question) => self.handle_question(*question),
            Step::Resolved { vendor_id, how } => {
                let settled = self.ledger.resolve(self.incarnation, &vendor_id, how);
                if let Some((prompt, state)) = settled {
                    self.tell(Update::PromptUpdate { prompt, state });
                }
            }
            Step::Used(tokens) => {
                self.totals.add(tokens);
                if let Some(turn) = &mut self.turn {
                    turn.usage.add(tokens);
                }
            }
            Step::CostSoFar(cost) => self.totals.set_cost(cost),
            Step::Context { used, size } => self.totals.set_context(used, size),
        }
    }

    fn handle_sent(&mut self, wire_id: &str) {
        let Some(sent) = self.messages.sent(wire_id) else { return };
        let message_id = sent.key;
        let state = MessageState::Delivered;
        self.tell(Update::MessageUpdate { message_id: message_id.clone(), state });
        for content in sent.shown {
            let (message_id, origin) = (message_id.clone(), sent.origin.clone());
            self.tell(Update::UserMessageChunk { message_id, origin, content });
        }
    }

    /// One turn at a time: while one runs, another beginning is the same one.
    fn begin_turn(&mut self, wire_id: Option<&str>) {
        if self.turn.is_some() {
            return;
        }
        let began = wire_id.map(|id| self.messages.began_turn(id));
        let (message_id, origin) = match began {
            Some(Some((key, origin))) => (Some(key), origin),
            // a line that no command of ours wrote
            Some(None) => (None, Origin::Unknown),
            None => (None, Origin::SelfStarted),
        };
        self.turns += 1;
        self.turn = Some(Turn {
            number: TurnNumber(self.turns),
            origin: origin.clone(),
            started_at_micros: self.reading.time_micros,
            usage: TurnUsage::new(&self.totals),
        });
        self.tell(Update::TurnStarted { origin, message_id });
    }

    /// The turn ends, and with it whatever only it could have ended.
    pub(super) fn end_turn(&mut self, stop_reason: StopReason, error: Option<AgentError>) {
        let Some(turn) = &self.turn else {
            if let Some(error) = error.filter(|_| stop_reason == StopReason::Error) {
                self.tell(Update::Error { error });
            }
            return;
        };
        let usage = turn.usage.usage(&self.totals);
        self.has_finished_turn |= stop_reason != StopReason::AgentExit;
        let tools = &self.tools;
        for (prompt, state) in self.ledger.end_turn(&|id| tools.outlives_turn(id)) {
            self.tell(Update::PromptUpdate { prompt, state });
        }
        for (id, status) in self.tools.end_turn() {
            self.tell_tool_status(&id, status);
        }
        self.tell(Update::UsageUpdate(self.totals.usage()));
        self.tell(Update::TurnEnded { stop_reason, error, usage });
        self.turn = None;
    }

    fn handle_tool(&mut self, mut call: Box<ToolCall>) {
        if call.tool_call_id.is_empty() {
            return;
        }
        if let Some((id, status)) = self.tools.make_room(&call.tool_call_id) {
            self.tell_tool_status(&id, status);
        }
        let is_new = self.tools.update(&mut call);
        self.tell(if is_new { Update::ToolCall(call) } else { Update::ToolCallUpdate(call) });
    }

    /// A question; one that is known already is asked once.
    fn handle_question(&mut self, question: Question) {
        if self.ledger.knows(self.incarnation, &question.vendor_id) {
            return;
        }
        let Question { vendor_id, title, reason, cautions, ask, reply } = question;
        let tool_call_id = self.tell_waiting(&ask);
        let index = self.reading.prompts;
        self.reading.prompts += 1;
        let prompt = Prompt {
            id: PromptId { session: self.session, seq: self.reading.seq, index },
            asked_at_micros: self.reading.time_micros,
            turn: self.turn.as_ref().map(|turn| turn.number),
            title: plain::title(&title),
            reason,
            cautions,
            ask,
            state: quarterdeck_protocol::agent::PromptState::Open,
        };
        let asker =
            super::ledger::Asker { incarnation: self.incarnation, vendor_id, tool_call_id, reply };
        if let Some((prompt, state)) = self.ledger.open(prompt.clone(), asker) {
            self.tell(Update::PromptUpdate { prompt, state });
        }
        self.tell(Update::PromptOpened { prompt: Box::new(prompt) });
    }

    /// Shows that a tool call waits; some agents tell of a call only by asking about it.
    fn tell_waiting(&mut self, ask: &Ask) -> Option<String> {
        let call = match ask {
            Ask::Permission { tool_call, .. } => (**tool_call).clone(),
            Ask::Question { tool_call_id, .. } | Ask::Plan { tool_call_id, .. } => ToolCall {
                tool_call_id: tool_call_id.clone().unwrap_or_default(),
                ..ToolCall::default()
            },
            Ask::Unknown => ToolCall::default(),
        };
        let id = call.tool_call_id.clone();
        if id.is_empty() {
            return None;
        }
        self.handle_tool(Box::new(ToolCall { status: Some(ToolStatus::Waiting), ..call }));
        Some(id)
    }
}
