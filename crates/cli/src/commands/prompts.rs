//! `qd prompts`: what agents ask, and answers to it.

use quarterdeck_protocol::{
    agent::{OptionKind, PromptAnswer, PromptState},
    method::{
        PromptAnswerMethod, PromptAnswerParams, PromptInfo, PromptList, PromptListParams,
        PromptListResult,
    },
};

use crate::{
    Exit,
    agent::question::{self, NotAnAnswer},
    config::Settings,
    connection::{Connection, Missing},
    error::{CliError, Kind},
    output::{
        escape::plain,
        style::{Styles, paint},
    },
};

/// What to do about prompts.
#[derive(Debug, clap::Args)]
pub(crate) struct PromptsArgs {
    #[command(subcommand)]
    command: Option<PromptsCommand>,
}

/// What to do about prompts. A prompt is named by its id, or by a session that has only one.
#[derive(Debug, clap::Subcommand)]
enum PromptsCommand {
    /// Show what is open
    Ls {
        /// Of which session [default: all]
        session: Option<String>,
    },
    /// Allow it
    Allow {
        /// Which prompt
        prompt: String,
        /// And what its rules say from now on
        #[arg(long)]
        always: bool,
        /// With this input instead, as JSON
        #[arg(long, value_name = "JSON", conflicts_with = "always")]
        input: Option<String>,
    },
    /// Deny it
    Deny {
        /// Which prompt
        prompt: String,
        /// Why, for the agent
        message: Vec<String>,
    },
    /// Answer a question, or choose an option
    Answer {
        /// Which prompt
        prompt: String,
        /// An option's number or name; VALUE, or FIELD=VALUE for each field
        #[arg(required = true)]
        words: Vec<String>,
    },
}

impl PromptsArgs {
    /// What names a session, or a prompt by its session.
    pub(crate) fn names(&mut self) -> Vec<&mut String> {
        match &mut self.command {
            None | Some(PromptsCommand::Ls { session: None }) => Vec::new(),
            Some(PromptsCommand::Ls { session: Some(name) }) => vec![name],
            Some(
                PromptsCommand::Allow { prompt, .. }
                | PromptsCommand::Deny { prompt, .. }
                | PromptsCommand::Answer { prompt, .. },
            ) => vec![prompt],
        }
    }
}

/// Shows or answers prompts.
pub(crate) async fn run(settings: &Settings, args: PromptsArgs) -> Result<Exit, CliError> {
    let connection = Connection::open(settings, Missing::StartForSessions).await?;
    let command = args.command.unwrap_or(PromptsCommand::Ls { session: None });
    let (name, decide): (String, Decide) = match command {
        PromptsCommand::Ls { session } => return list(settings, &connection, session).await,
        PromptsCommand::Allow { prompt, always, input } => {
            (prompt, Box::new(move |info| allow(info, always, input.as_deref())))
        }
        PromptsCommand::Deny { prompt, message } => {
            let deny = move |info: &PromptInfo| {
                question::deny(&info.prompt, &message.join(" ")).map_err(|why| unfit(&why))
            };
            (prompt, Box::new(deny))
        }
        PromptsCommand::Answer { prompt, words } => {
            let answer = move |info: &PromptInfo| {
                question::answer(&info.prompt, &words.join("\n")).map_err(|why| unfit(&why))
            };
            (prompt, Box::new(answer))
        }
    };
    let info = find(&connection, &name).await?;
    let params =
        PromptAnswerParams { prompt: info.prompt.id, answer: decide(&info)?, answer_id: None };
    let label = info.label.to_string();
    let answered = connection.call::<PromptAnswerMethod>(&params, Some(&label)).await?;
    settings.output.result(&answered, |_| format!("{label}: answered\n"))?;
    Ok(Exit::OK)
}

type Decide = Box<dyn Fn(&PromptInfo) -> Result<PromptAnswer, CliError>>;

fn unfit(why: &NotAnAnswer) -> CliError {
    CliError::usage(why.to_string()).hint("see what is asked: qd prompts")
}

fn allow(info: &PromptInfo, always: bool, input: Option<&str>) -> Result<PromptAnswer, CliError> {
    let kind = if always { OptionKind::AllowAlways } else { OptionKind::AllowOnce };
    let answer = question::allow(&info.prompt, kind).map_err(|why| unfit(&why))?;
    match (answer, input) {
        (PromptAnswer::Option { option_id }, Some(input)) => {
            let input = serde_json::from_str(input)
                .map_err(|error| CliError::usage("--input is not JSON").caused_by(&error))?;
            Ok(PromptAnswer::EditedInput { option_id, input })
        }
        (answer, _) => Ok(answer),
    }
}

async fn list(
    settings: &Settings,
    connection: &Connection,
    session: Option<String>,
) -> Result<Exit, CliError> {
    let name = session.clone();
    let params = PromptListParams { session };
    let found = connection.call::<PromptList>(&params, name.as_deref()).await?;
    settings.output.result(&found, |styles| text(&found, styles))?;
    if found.prompts.is_empty() {
        settings.output.note("nobody is asked anything");
    }
    Ok(Exit::OK)
}

fn text(found: &PromptListResult, styles: Styles) -> String {
    let one = |info: &PromptInfo| {
        let label = paint(styles.good, &plain(info.label.as_str()));
        let answered = match info.prompt.state.answered() {
            Some(answered) => format!("  answered by {}\n", plain(answered.by.name())),
            None => String::new(),
        };
        format!("{label}\n{}{answered}", question::text(&info.prompt, styles))
    };
    found.prompts.iter().map(one).collect()
}

/// What became of a prompt that is not open any more.
async fn why_not_open(connection: &Connection, name: &str) -> CliError {
    let unknown = || {
        let message = format!("prompt {name:?} is not open");
        CliError::new(Kind::NotFound, message).hint("see what is open: qd prompts")
    };
    let session = name.split_once('.').map_or(name, |(session, _)| session);
    let Ok(prompt) = name.parse() else { return unknown() };
    // no prompt offers this: whoever has the prompt says what became of it, and nothing is done
    let answer = PromptAnswer::Option { option_id: String::new() };
    let params = PromptAnswerParams { prompt, answer, answer_id: None };
    match connection.call::<PromptAnswerMethod>(&params, Some(session)).await {
        Err(error) if error.kind == Kind::Ended => error,
        Ok(_) | Err(_) => unknown(),
    }
}

/// The prompt of this id, or the only open one of the session of this name.
async fn find(connection: &Connection, name: &str) -> Result<PromptInfo, CliError> {
    let session = name.split_once('.').map_or(name, |(session, _)| session);
    let params = PromptListParams { session: Some(session.to_owned()) };
    let found = connection.call::<PromptList>(&params, Some(session)).await?.prompts;
    if let Some(info) = found.iter().find(|info| info.prompt.id.to_string() == name) {
        return Ok(info.clone());
    }
    if name.contains('.') {
        return Err(why_not_open(connection, name).await);
    }
    let mut open = found.into_iter().filter(|info| info.prompt.state == PromptState::Open);
    match (open.next(), open.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(CliError::new(Kind::NotFound, format!("{name} asks nothing"))
            .hint("see what is open: qd prompts")),
        (Some(_), Some(_)) => {
            Err(CliError::new(Kind::Ambiguous, format!("{name} asks more than one thing"))
                .hint(format!("name one by its id: qd prompts ls {name}")))
        }
    }
}
