//! What the Codex app-server tells unasked.

use alloc::{borrow::ToOwned as _, format, string::String, vec::Vec};

use quarterdeck_protocol::agent::{
    AgentError, ErrorClass, PlanEntry, PlanPriority, PlanStatus, RateWindow, Retry, StopReason,
    TokenUsage, ToolCall, Update,
};
use serde_json::Value;

use super::{
    Codex,
    items::{self, Phase},
};
use crate::{
    errors,
    json::Json as _,
    limits::{MAX_LIST, MAX_OPEN_CHANGES, MAX_TABLE},
    plain, rpc,
    step::{Resolution, Step, Steps},
};

/// Notifications that tell nothing that is shown.
const SILENT: [&str; 12] = [
    "thread/started",
    "thread/readState/changed",
    "thread/goal/cleared",
    "thread/status/changed",
    "thread/settings/updated",
    "thread/queue/changed",
    "remoteControl/status/changed",
    "item/reasoning/summaryPartAdded",
    "mcpServer/startupStatus/updated",
    "account/updated",
    "skills/changed",
    "hook/started",
];

impl Codex {
    /// Reads a notification; `false` when it is unknown.
    pub(super) fn handle_notification(
        &mut self,
        method: &str,
        params: &Value,
        steps: &mut Steps,
    ) -> bool {
        match method {
            "turn/started" => self.handle_turn_started(params, steps),
            "turn/completed" => self.handle_turn_completed(params, steps),
            "item/started" => {
                let item = params.at("item");
                self.remember_change(item);
                return items::tell(item, Phase::Started, false, steps);
            }
            "item/completed" => {
                let item = params.at("item");
                self.changes.remove(item.str_at("id").unwrap_or_default());
                let streamed = item.str_at("id").is_some_and(|id| self.streamed.remove(id));
                return items::tell(item, Phase::Completed, streamed, steps);
            }
            "item/agentMessage/delta" | "item/plan/delta" => {
                self.handle_delta(params, items::message, steps);
            }
            "item/reasoning/summaryTextDelta" | "item/reasoning/textDelta" => {
                self.handle_delta(params, items::thought, steps);
            }
            "item/commandExecution/outputDelta" | "item/fileChange/outputDelta" => {
                let tool_call_id = params.text_at("itemId").unwrap_or_default();
                let text = plain::text(params.str_at("delta").unwrap_or_default());
                steps.update(Update::ToolCallOutput { tool_call_id, text });
            }
            "item/fileChange/patchUpdated" => {
                let tool_call_id = params.text_at("itemId").unwrap_or_default();
                let content = items::changes(params);
                steps.tool(ToolCall { tool_call_id, content, ..ToolCall::default() });
            }
            "turn/diff/updated" => {
                let unified = plain::text(params.str_at("diff").unwrap_or_default());
                steps.update(Update::TurnDiff { unified });
            }
            "turn/plan/updated" => steps.update(Update::Plan { entries: plan(params) }),
            "thread/tokenUsage/updated" => self.handle_usage(params, steps),
            "account/rateLimits/updated" => {
                let windows = windows(params.at("rateLimits"));
                if !windows.is_empty() {
                    steps.update(Update::RateLimitUpdate { windows });
                }
            }
            "serverRequest/resolved" => {
                let vendor_id = rpc::id_text(params.at("requestId"));
                self.to_refuse.remove(&vendor_id);
                steps.push(Step::Resolved { vendor_id, how: Resolution::Confirmed });
            }
            other => return tell_notice(other, params, steps),
        }
        true
    }

    /// Keeps a file change until it has ended: what asks about it does not repeat it.
    fn remember_change(&mut self, item: &Value) {
        let Some(id) = item.str_at("id").filter(|_| item.str_at("type") == Some("fileChange"))
        else {
            return;
        };
        if self.changes.len() >= MAX_OPEN_CHANGES {
            self.changes.pop_first();
        }
        self.changes.insert(id.to_owned(), item.clone());
    }

    /// The turn that was asked for has its id; one that nobody asked for began by itself.
    fn handle_turn_started(&mut self, params: &Value, steps: &mut Steps) {
        if !self.is_own_thread(params) {
            return;
        }
        self.turn = params.at("turn").text_at("id");
        if !self.in_turn {
            self.in_turn = true;
            steps.push(Step::TurnStarted { wire_id: None });
        }
    }

    fn handle_turn_completed(&mut self, params: &Value, steps: &mut Steps) {
        let turn = params.at("turn");
        let other = |id: &String| turn.str_at("id").is_some_and(|ended| ended != id);
        if !self.is_own_thread(params) || self.turn.as_ref().is_some_and(other) {
            return;
        }
        self.end_turn();
        let (stop_reason, error) = match turn.str_at("status") {
            Some("interrupted") => (StopReason::Cancelled, None),
            Some("failed") => (StopReason::Error, Some(failure(turn.at("error")))),
            Some(_) | None => (StopReason::EndTurn, None),
        };
        steps.push(Step::TurnEnded { stop_reason, error });
    }

    /// Threads of sub-agents tell of their turns too.
    fn is_own_thread(&self, params: &Value) -> bool {
        params.str_at("threadId").is_none_or(|thread| self.thread.as_deref() == Some(thread))
    }

    fn handle_delta(&mut self, params: &Value, chunk: fn(&str, &str) -> Update, steps: &mut Steps) {
        let id = params.str_at("itemId").unwrap_or_default();
        let text = params.str_at("delta").unwrap_or_default();
        if text.is_empty() {
            return;
        }
        if !self.streamed.contains(id) && self.streamed.len() < MAX_TABLE {
            self.streamed.insert(id.to_owned());
        }
        steps.update(chunk(id, text));
    }

    fn handle_usage(&mut self, params: &Value, steps: &mut Steps) {
        let usage = params.at("tokenUsage");
        let last = usage.at("last");
        // after a resume the last turn's usage is told once more
        if self.in_turn && self.turn.as_deref() == params.str_at("turnId") {
            steps.push(Step::Used(tokens(last)));
        }
        let used = last.u64_at("totalTokens");
        steps.push(Step::Context { used, size: usage.u64_at("modelContextWindow") });
    }
}

/// Notifications that are told as they are; `false` for one that is unknown.
fn tell_notice(method: &str, params: &Value, steps: &mut Steps) -> bool {
    match method {
        "thread/name/updated" => steps.update(Update::SessionInfoUpdate {
            vendor_session: None,
            cwd: None,
            title: params.str_at("threadName").or(params.str_at("name")).map(plain::title),
            features: None,
        }),
        "error" => handle_error(params, steps),
        "warning" | "guardianWarning" | "configWarning" | "deprecationNotice" => {
            let text = params.str_at("summary").or_else(|| params.str_at("message"));
            steps.update(Update::Notice { text: plain::text(text.unwrap_or(method)) });
        }
        "thread/compacted" => {
            steps.update(Update::Notice { text: "the conversation was compacted".into() });
        }
        "model/rerouted" => {
            let model = params.str_at("toModel").unwrap_or_default();
            let text = plain::text(&format!("the vendor answers with the model {model}"));
            steps.update(Update::Notice { text });
        }
        silent => return SILENT.contains(&silent),
    }
    true
}

fn tokens(usage: &Value) -> TokenUsage {
    let count = |key| usage.u64_at(key).unwrap_or(0);
    let cached_read = count("cachedInputTokens");
    TokenUsage {
        input: count("inputTokens").saturating_sub(cached_read),
        output: count("outputTokens"),
        cached_read,
        cached_write: count("cacheWriteInputTokens"),
        thought: count("reasoningOutputTokens"),
    }
}

fn windows(limits: &Value) -> Vec<RateWindow> {
    let window = |name: &str| {
        let window = limits.some(name)?;
        let used = window.u64_at("usedPercent").and_then(|percent| u32::try_from(percent).ok());
        Some(RateWindow {
            name: name.to_owned(),
            used_permille: used.map(|percent| percent.saturating_mul(10)),
            resets_at: window.u64_at("resetsAt"),
            status: limits.str_at("rateLimitReachedType").map(plain::title),
        })
    };
    ["primary", "secondary"].into_iter().filter_map(window).collect()
}

fn plan(params: &Value) -> Vec<PlanEntry> {
    let entry = |step: &Value| {
        let status = match step.str_at("status") {
            Some("inProgress" | "in_progress") => PlanStatus::InProgress,
            Some("completed") => PlanStatus::Completed,
            Some(_) | None => PlanStatus::Pending,
        };
        let content = plain::title(step.str_at("step")?);
        Some(PlanEntry { content, priority: PlanPriority::Medium, status })
    };
    params.list("plan").iter().take(MAX_LIST).filter_map(entry).collect()
}

/// A failed request: tried again, or told once more with the end of the turn.
fn handle_error(params: &Value, steps: &mut Steps) {
    if !params.is("willRetry") {
        return;
    }
    let error = failure(params.at("error"));
    let message = params.at("error").str_at("message").unwrap_or_default();
    // "Reconnecting... 1/5"
    let attempt = message.rsplit_once(' ').and_then(|(_, last)| last.split_once('/'));
    let attempt = attempt.and_then(|(at, of)| Some((at.parse().ok()?, of.parse().ok()?)));
    let (attempt, max_attempts) = attempt.unzip();
    steps.update(Update::Retry(Retry { attempt, max_attempts, delay_ms: None, error }));
}

fn failure(error: &Value) -> AgentError {
    let info = error.at("codexErrorInfo");
    let (word, status) = match info.as_object().and_then(|members| members.iter().next()) {
        Some((word, inner)) => (Some(word.as_str()), inner.u64_at("httpStatusCode")),
        None => (info.as_str(), None),
    };
    let status = status.and_then(|status| u16::try_from(status).ok());
    let details = error.str_at("additionalDetails");
    let message = details.or_else(|| error.str_at("message")).unwrap_or("the turn failed");
    let mut failure = errors::classify(word, status, message);
    let is_connection = matches!(
        word,
        Some(
            "httpConnectionFailed"
                | "responseStreamConnectionFailed"
                | "responseStreamDisconnected"
        )
    );
    if is_connection && failure.class == ErrorClass::Other {
        failure.class = ErrorClass::Network;
    }
    failure
}
