//! What a human is asked, and what may be answered.

use alloc::{boxed::Box, collections::BTreeMap, string::String, vec::Vec};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{PromptId, ToolCall, TurnNumber};
use crate::{
    ids::{ClientId, Principal},
    scope::Scope,
};

/// A permission request, a question or a plan that waits for a human.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Prompt {
    /// Its id; a re-announcement by the vendor keeps it.
    pub id: PromptId,
    /// When it was asked, microseconds since 1970.
    pub asked_at_micros: u64,
    /// The turn it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<TurnNumber>,
    /// One line for people.
    pub title: String,
    /// Why it is asked, in the vendor's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What people should know before they answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cautions: Vec<Caution>,
    /// What is asked.
    pub ask: Ask,
    /// How far it is.
    pub state: PromptState,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Ask {
    /// May this tool be used?
    Permission {
        /// The tool call, as far as it is known.
        tool_call: Box<ToolCall>,
        /// What may be chosen.
        options: Vec<PermissionOption>,
        /// Whether the tool's input may be changed before it is allowed.
        can_edit_input: bool,
        /// Whether the agent is told a reason with a denial.
        can_deny_with_message: bool,
        /// The whole input, where it may be changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        input: Option<Value>,
    },
    /// Questions with answers to choose or to write.
    Question {
        /// The tool call that asks, if one does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tool_call_id: Option<String>,
        /// The questions.
        form: Form,
        /// Whether the agent is told a reason when the form is declined.
        can_deny_with_message: bool,
    },
    /// May this plan be carried out?
    Plan {
        /// The tool call that asks, if one does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tool_call_id: Option<String>,
        /// The plan, as text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        plan: Option<String>,
        /// What may be chosen.
        options: Vec<PermissionOption>,
        /// Whether the agent is told a reason with a denial.
        can_deny_with_message: bool,
    },
    /// Of a newer version.
    #[serde(other)]
    Unknown,
}

impl Ask {
    /// What may be chosen; a form offers nothing but itself.
    #[must_use]
    pub fn options(&self) -> &[PermissionOption] {
        match self {
            Self::Permission { options, .. } | Self::Plan { options, .. } => options,
            Self::Question { .. } | Self::Unknown => &[],
        }
    }
    /// The option with this id.
    #[must_use]
    pub fn option(&self, option_id: &str) -> Option<&PermissionOption> {
        self.options().iter().find(|option| option.option_id == option_id)
    }
}

/// One thing that may be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PermissionOption {
    /// What to choose it by; unique in its prompt.
    pub option_id: String,
    /// What people call it.
    pub name: String,
    /// What it means.
    pub kind: OptionKind,
    /// Exactly what an `always` option allows or forbids from then on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// Whether choosing it ends the turn.
    #[serde(default)]
    pub ends_turn: bool,
}

/// What an option means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OptionKind {
    /// Yes, this time.
    AllowOnce,
    /// Yes, and do not ask again as its rules say.
    AllowAlways,
    /// No, this time.
    RejectOnce,
    /// No, and do not ask again.
    RejectAlways,
    /// A kind of a newer version.
    #[serde(other)]
    Unknown,
}

/// One thing that an `always` option changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Rule {
    /// What it allows, in the vendor's notation: `Bash(echo hi *)`.
    pub text: String,
    /// How long it holds.
    pub lifetime: RuleLifetime,
}

/// How long a rule holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RuleLifetime {
    /// Until the conversation ends.
    Session,
    /// For this directory, kept in a file.
    Project,
    /// For this user everywhere, kept in a file.
    User,
    /// The vendor does not say.
    #[serde(other)]
    Unknown,
}

/// What people should know before they answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Caution {
    /// The vendor wants a person to read it: no answer by one key.
    NeedsPerson,
    /// The vendor would say no.
    DefaultIsNo,
    /// The input holds control or bidi characters, which are not shown.
    HiddenCharacters,
    /// The input is too large to be shown whole.
    Shortened,
    /// A caution of a newer version.
    #[serde(other)]
    Unknown,
}

/// Questions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Form {
    /// What they are about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// A page that a person has to visit; the form is then only confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// One field per question, in order.
    pub fields: Vec<Field>,
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Field {
    /// What its answer is called; unique in its form.
    pub id: String,
    /// One word about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// The question.
    pub text: String,
    /// Whether the form is not valid without it.
    #[serde(default)]
    pub required: bool,
    /// What answers it takes.
    #[serde(flatten)]
    pub kind: FieldKind,
}

/// What answers a question takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FieldKind {
    /// One of several.
    Select {
        /// These.
        choices: Vec<Choice>,
        /// Whether an answer of one's own is taken too.
        #[serde(default)]
        other: bool,
    },
    /// Any of several.
    MultiSelect {
        /// These.
        choices: Vec<Choice>,
        /// Whether answers of one's own are taken too.
        #[serde(default)]
        other: bool,
    },
    /// Any text.
    Text {
        /// Whether it must not be shown while it is typed.
        #[serde(default)]
        secret: bool,
    },
    /// A number.
    Number {
        /// Without a fraction.
        #[serde(default)]
        integer: bool,
    },
    /// Yes or no.
    Boolean,
    /// Of a newer version.
    #[serde(other)]
    Unknown,
}

/// One of the answers to choose from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Choice {
    /// What to choose it by.
    pub value: String,
    /// What people call it.
    pub label: String,
    /// What it means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// The answer to one question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum FormValue {
    /// Yes or no.
    Flag(bool),
    /// A number.
    Number(#[cfg_attr(feature = "schema", schemars(with = "f64"))] serde_json::Number),
    /// A text or the value of a choice.
    Text(String),
    /// The values of several choices.
    Many(Vec<String>),
}

/// An answer to a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum PromptAnswer {
    /// One of the offered options.
    Option {
        /// Which.
        option_id: String,
    },
    /// Yes, but with another input.
    EditedInput {
        /// Which `allow_once` option.
        option_id: String,
        /// The whole input.
        input: Value,
    },
    /// No, with a reason for the agent.
    Deny {
        /// The reason.
        message: String,
    },
    /// The form, filled in.
    Form {
        /// The answers by their fields' ids.
        values: BTreeMap<String, FormValue>,
    },
    /// The form is not answered.
    Decline,
}

impl PromptAnswer {
    /// The weakest scope that may give this answer to `ask`: offered once-options, forms and denials
    /// need `answer`; what changes the input or what is asked later needs `drive`.
    #[must_use]
    pub fn needed_scope(&self, ask: &Ask) -> Scope {
        match self {
            Self::Option { option_id } => match ask.option(option_id).map(|option| option.kind) {
                Some(OptionKind::AllowOnce | OptionKind::RejectOnce) => Scope::Answer,
                Some(OptionKind::AllowAlways | OptionKind::RejectAlways | OptionKind::Unknown)
                | None => Scope::Drive,
            },
            Self::EditedInput { .. } => Scope::Drive,
            Self::Deny { .. } | Self::Form { .. } | Self::Decline => Scope::Answer,
        }
    }
}

/// Who answered what, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Answered {
    /// Who.
    pub by: Principal,
    /// From which client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<ClientId>,
    /// What that client calls itself, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_name: Option<String>,
    /// When, microseconds since 1970.
    pub at_micros: u64,
    /// The answering client's own id of its answer: a retry carries the same.
    pub answer_id: String,
    /// The answer.
    pub answer: PromptAnswer,
}

/// How far a prompt is. Only `open` can be answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum PromptState {
    /// It waits.
    Open,
    /// An answer is recorded and on its way to the agent.
    Answered {
        /// The answer.
        answered: Box<Answered>,
    },
    /// The agent has it.
    Applied {
        /// The answer.
        answered: Box<Answered>,
    },
    /// Somebody answered at the agent itself, or a rule did.
    AnsweredElsewhere,
    /// The agent no longer wants an answer.
    Withdrawn,
    /// Nobody answered in time.
    Expired,
    /// The agent died. Resume it and let it ask again.
    Lost {
        /// An answer that may not have reached it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answered: Option<Box<Answered>>,
    },
    /// A state of a newer version.
    #[serde(other)]
    Unknown,
}

impl PromptState {
    /// The recorded answer, if there is one.
    #[must_use]
    pub fn answered(&self) -> Option<&Answered> {
        match self {
            Self::Answered { answered } | Self::Applied { answered } => Some(answered),
            Self::Lost { answered } => answered.as_deref(),
            Self::Open
            | Self::AnsweredElsewhere
            | Self::Withdrawn
            | Self::Expired
            | Self::Unknown => None,
        }
    }
    /// Whether nothing more will come of the prompt.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        match self {
            Self::Open | Self::Answered { .. } => false,
            Self::Applied { .. }
            | Self::AnsweredElsewhere
            | Self::Withdrawn
            | Self::Expired
            | Self::Lost { .. }
            | Self::Unknown => true,
        }
    }
}
