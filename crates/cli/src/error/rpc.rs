//! The relay's answers as the command line's errors: which kind, and what to type next.

use quarterdeck_protocol::{
    agent::{Answered, PromptAnswer, PromptState},
    error::{ErrorCode, ErrorDetail, RpcError},
    record::Owner,
};

use super::{CliError, Kind};
use crate::output::{escape::plain, time::utc};

/// The error of a request about a session, or about nothing in particular.
pub(crate) fn from_rpc(error: RpcError, session: Option<&str>) -> CliError {
    let name = session.map_or_else(|| "SESSION".to_owned(), plain);
    let mut failure = CliError::new(kind(error.code()), plain(&error.message));
    failure.hints = hints(&error, &name);
    failure.wire = Some(error);
    failure
}

const fn kind(code: ErrorCode) -> Kind {
    match code {
        ErrorCode::ParseError
        | ErrorCode::InvalidRequest
        | ErrorCode::Internal
        | ErrorCode::HelloRequired
        | ErrorCode::StartFailed
        | ErrorCode::PairingFailed
        | ErrorCode::Storage
        | ErrorCode::Unknown(_) => Kind::Failed,
        ErrorCode::InvalidParams
        | ErrorCode::OwnSession
        | ErrorCode::NotOffered
        | ErrorCode::WrongKind => Kind::Usage,
        ErrorCode::MethodNotFound => Kind::Unsupported,
        ErrorCode::Overloaded | ErrorCode::InputFull | ErrorCode::AgentNotReady => Kind::Busy,
        ErrorCode::Forbidden | ErrorCode::Unauthenticated | ErrorCode::Ceiling => Kind::Forbidden,
        ErrorCode::NotFound => Kind::NotFound,
        ErrorCode::Ambiguous => Kind::Ambiguous,
        ErrorCode::LabelTaken
        | ErrorCode::StillRunning
        | ErrorCode::MachineExists
        | ErrorCode::InstanceExists => Kind::AlreadyRunning,
        ErrorCode::NotOwner | ErrorCode::LeaseHeld => Kind::NotOwner,
        ErrorCode::Ended | ErrorCode::PromptAnswered | ErrorCode::PromptSettled => Kind::Ended,
        ErrorCode::HolderSilent => Kind::Timeout,
        ErrorCode::ShuttingDown | ErrorCode::Unreachable => Kind::Unreachable,
    }
}

/// The relay's own hint, and what this command line can do about the code.
fn hints(error: &RpcError, name: &str) -> Vec<String> {
    let mut hints = Vec::new();
    match error.detail() {
        Some(ErrorDetail::Answered { answered }) => hints.push(answered_by(answered)),
        Some(ErrorDetail::Prompt { state }) if matches!(**state, PromptState::Lost { .. }) => {
            hints.push(format!("start it again and let it ask again: qd resume {name}"));
        }
        Some(ErrorDetail::Owner { owner: Some(owner), .. }) => hints.push(owned_by(owner)),
        Some(ErrorDetail::Matches { matches }) => {
            let matches: Vec<String> = matches.iter().map(|text| plain(text)).collect();
            hints.push(format!("it fits {}", matches.join(", ")));
        }
        Some(ErrorDetail::Scope { needed }) => hints.push(format!(
            "the credential lacks the scope {needed}; whoever has admin can type: \
             qd token create NAME --scope {needed}"
        )),
        Some(ErrorDetail::Hint { hint }) => hints.push(plain(hint)),
        Some(ErrorDetail::Prompt { .. } | ErrorDetail::Owner { owner: None, .. }) | None => {}
    }
    // what the relay says to do about it is better than what can be said here
    if !matches!(error.detail(), Some(ErrorDetail::Hint { .. })) {
        hints.extend(next_step(error.code(), name));
    }
    hints
}

/// Who was first, from where, and what they said.
fn answered_by(answered: &Answered) -> String {
    let Answered { by, from, from_name, at_micros, answer_id: _, answer } = answered;
    let from = from_name.clone().or_else(|| from.map(|client| client.to_string()));
    let from = from.map_or_else(String::new, |from| format!(" from {}", plain(&from)));
    let what = match answer {
        PromptAnswer::Option { option_id } => plain(option_id),
        PromptAnswer::EditedInput { .. } => "allowed with another input".to_owned(),
        PromptAnswer::Deny { message } => format!("denied: {}", plain(message)),
        PromptAnswer::Form { .. } => "the form".to_owned(),
        PromptAnswer::Decline => "declined".to_owned(),
    };
    format!("{by} answered{from} at {}: {what}", utc(at_micros / 1_000_000))
}

fn owned_by(owner: &Owner) -> String {
    format!("{} owns it ({})", plain(&owner.name), plain(&owner.principal.to_string()))
}

fn next_step(code: ErrorCode, name: &str) -> Option<String> {
    Some(match code {
        ErrorCode::NotFound => "see what there is: qd ls".to_owned(),
        ErrorCode::Ambiguous => "type more of the id, or the label: qd ls".to_owned(),
        ErrorCode::LabelTaken => "choose another label, or rename the other session".to_owned(),
        ErrorCode::NotOwner | ErrorCode::LeaseHeld => {
            format!("ask for it: qd lease request {name}; or take it: qd lease take {name}")
        }
        ErrorCode::Ended => format!("start it again: qd resume {name}"),
        ErrorCode::StillRunning => format!("end it first: qd stop {name}"),
        ErrorCode::OwnSession => {
            "this terminal runs inside that session; attach from another terminal".to_owned()
        }
        ErrorCode::InputFull => "the program does not read its input; try again later".to_owned(),
        ErrorCode::Overloaded => "try again in a moment".to_owned(),
        ErrorCode::HolderSilent | ErrorCode::Storage | ErrorCode::Internal => {
            "see what is wrong: qd doctor".to_owned()
        }
        ErrorCode::MethodNotFound => {
            "the relay is older than this command; restart it: qd down, then qd relay --background"
                .to_owned()
        }
        ErrorCode::ShuttingDown => "try again; qd run starts a new relay".to_owned(),
        ErrorCode::Ceiling => {
            "the relay's owner sets what may run, in config.toml of the instance".to_owned()
        }
        ErrorCode::PromptAnswered | ErrorCode::PromptSettled | ErrorCode::NotOffered => {
            "see what is open: qd prompts".to_owned()
        }
        ErrorCode::AgentNotReady => "see where it is: qd ls".to_owned(),
        ErrorCode::Unreachable => "see the machines: qd machine ls".to_owned(),
        ErrorCode::ParseError
        | ErrorCode::MachineExists
        | ErrorCode::InstanceExists
        | ErrorCode::PairingFailed
        | ErrorCode::InvalidRequest
        | ErrorCode::InvalidParams
        | ErrorCode::WrongKind
        | ErrorCode::HelloRequired
        | ErrorCode::Forbidden
        | ErrorCode::Unauthenticated
        | ErrorCode::StartFailed
        | ErrorCode::Unknown(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarterdeck_protocol::ids::{ClientId, Epoch, Principal};

    fn lines(error: RpcError) -> String {
        let error = from_rpc(error, Some("build"));
        format!("{} {}\n{}", error.kind.exit_code(), error.message, error.hints.join("\n"))
    }

    #[test]
    fn an_owned_session_names_its_owner_and_both_ways_on() {
        let owner = Owner {
            client: ClientId::from_bytes([1; 16]),
            principal: Principal::new("r_00", "ada").expect("valid"),
            name: "qd on \u{1b}[31mlaptop".to_owned(),
        };
        let detail = ErrorDetail::Owner { owner: Some(owner), epoch: Epoch(3) };
        let error = RpcError::new(ErrorCode::LeaseHeld, "session build is owned").with(detail);
        insta::assert_snapshot!(lines(error), @r"
        5 session build is owned
        qd on \u{1b}[31mlaptop owns it (r_00/ada)
        ask for it: qd lease request build; or take it: qd lease take build
        ");
    }

    #[test]
    fn who_answers_second_is_told_who_was_first_from_where_and_what() {
        let answered = Answered {
            by: Principal::new("r_00", "ada").expect("valid"),
            from: Some(ClientId::from_bytes([1; 16])),
            from_name: Some("qd on \u{1b}[31mphone".to_owned()),
            at_micros: 1_700_000_000_000_000,
            answer_id: "a".to_owned(),
            answer: PromptAnswer::Deny { message: "use trash".to_owned() },
        };
        let detail = ErrorDetail::Answered { answered: Box::new(answered) };
        let error = RpcError::new(ErrorCode::PromptAnswered, "ada has answered already");
        insta::assert_snapshot!(lines(error.with(detail)), @r"
        10 ada has answered already
        r_00/ada answered from qd on \u{1b}[31mphone at 2023-11-14 22:13:20Z: denied: use trash
        see what is open: qd prompts
        ");
    }

    #[test]
    fn a_lost_prompt_says_how_it_is_asked_again() {
        let state = Box::new(PromptState::Lost { answered: None });
        let error = RpcError::new(ErrorCode::PromptSettled, "the prompt was lost with its agent");
        insta::assert_snapshot!(lines(error.with(ErrorDetail::Prompt { state })), @r"
        10 the prompt was lost with its agent
        start it again and let it ask again: qd resume build
        see what is open: qd prompts
        ");
    }

    #[test]
    fn an_ambiguous_name_lists_what_fits() {
        let matches = vec!["s_01".to_owned(), "s_02".to_owned()];
        let error = RpcError::new(ErrorCode::Ambiguous, "\"s_0\" fits 2 sessions")
            .with(ErrorDetail::Matches { matches });
        insta::assert_snapshot!(lines(error), @r#"
        4 "s_0" fits 2 sessions
        it fits s_01, s_02
        type more of the id, or the label: qd ls
        "#);
    }

    #[test]
    fn every_code_has_a_kind_of_its_own_choice_and_never_success() {
        for code in ErrorCode::ALL {
            assert!(kind(*code).exit_code() > 0, "{}", code.word());
        }
    }
}
