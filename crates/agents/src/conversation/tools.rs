//! Tool calls that have not ended.

use alloc::{
    borrow::ToOwned as _,
    collections::{BTreeMap, VecDeque},
    string::String,
    vec::Vec,
};

use quarterdeck_protocol::agent::{TaskInfo, TaskStatus, ToolCall, ToolStatus};
use serde::{Deserialize, Serialize};

use crate::limits::{MAX_OPEN_TOOLS, MAX_TABLE};

/// Calls that have not ended, and the work in the background that lets some outlive their turn.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tools {
    open: BTreeMap<String, Open>,
    /// Ended calls, the latest last: what is told of them later is no new call.
    ended: VecDeque<String>,
    /// Tool calls of running work in the background, by its id.
    tasks: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Open {
    parent: Option<String>,
    /// A human is being asked about it.
    waits: bool,
    /// A human said no.
    rejected: bool,
}

impl Open {
    const fn ending(&self) -> ToolStatus {
        if self.rejected { ToolStatus::Declined } else { ToolStatus::UnknownOutcome }
    }
}

impl Tools {
    /// Takes in what is told of a call, and corrects what this vendor tells wrongly. Whether the call
    /// is new.
    pub(super) fn update(&mut self, call: &mut ToolCall) -> bool {
        let id = &call.tool_call_id;
        let known = self.open.get_mut(id);
        let is_new = known.is_none() && !self.ended.contains(id);
        if known.is_none() && !is_new && call.status.is_none_or(ToolStatus::is_final) {
            return false;
        }
        let open = self.open.entry(id.clone()).or_insert_with(|| Open {
            parent: call.parent_tool_call_id.clone(),
            waits: false,
            rejected: false,
        });
        open.parent = open.parent.take().or_else(|| call.parent_tool_call_id.clone());
        match call.status {
            Some(ToolStatus::Waiting) => open.waits = true,
            // some tell that it runs while they ask whether it may
            Some(ToolStatus::Pending | ToolStatus::InProgress) if open.waits => call.status = None,
            // some tell a denial as a failure
            Some(ToolStatus::Failed) if open.rejected => call.status = Some(ToolStatus::Declined),
            Some(_) | None => {}
        }
        if call.status.is_some_and(ToolStatus::is_final) {
            let id = id.clone();
            self.end(&id);
        }
        is_new
    }

    /// Before a call is added: the one that must go, when there are too many.
    pub(super) fn make_room(&mut self, id: &str) -> Option<(String, ToolStatus)> {
        if self.open.len() < MAX_OPEN_TOOLS || self.open.contains_key(id) {
            return None;
        }
        let oldest = self.open.keys().next()?.clone();
        let status = self.end(&oldest);
        Some((oldest, status))
    }

    /// The question about a call was answered; what that makes of the call.
    pub(super) fn answered(&mut self, id: &str, is_rejection: bool) -> Option<ToolStatus> {
        let open = self.open.get_mut(id)?;
        open.waits = false;
        open.rejected |= is_rejection;
        // that it was declined is the agent's to tell: it may add why
        (!is_rejection).then_some(ToolStatus::InProgress)
    }

    pub(super) fn learn_task(&mut self, task: &TaskInfo) {
        match task.status {
            TaskStatus::Running => {
                if let Some(call) = &task.tool_call_id
                    && (self.tasks.len() < MAX_TABLE || self.tasks.contains_key(&task.task_id))
                {
                    self.tasks.insert(task.task_id.clone(), call.clone());
                }
            }
            TaskStatus::Completed
            | TaskStatus::Failed
            | TaskStatus::Stopped
            | TaskStatus::Unknown => {
                self.tasks.remove(&task.task_id);
            }
        }
    }

    /// Whether a call belongs to work that goes on after its turn.
    pub(super) fn outlives_turn(&self, id: &str) -> bool {
        let parent = self.open.get(id).and_then(|open| open.parent.as_ref());
        parent.is_some_and(|parent| self.tasks.values().any(|call| call == parent))
    }

    /// The turn has ended: calls that the vendor forgot to end.
    pub(super) fn end_turn(&mut self) -> Vec<(String, ToolStatus)> {
        let ends: Vec<String> =
            self.open.keys().filter(|id| !self.outlives_turn(id)).cloned().collect();
        ends.into_iter().map(|id| (id.clone(), self.end(&id))).collect()
    }

    /// The program has ended.
    pub(super) fn close_all(&mut self) -> Vec<(String, ToolStatus)> {
        self.tasks.clear();
        self.end_turn()
    }

    fn end(&mut self, id: &str) -> ToolStatus {
        let open = self.open.remove(id);
        if self.ended.len() >= MAX_TABLE {
            self.ended.pop_front();
        }
        self.ended.push_back(id.to_owned());
        open.map_or(ToolStatus::UnknownOutcome, |open| open.ending())
    }
}
