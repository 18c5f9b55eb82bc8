//! Which machine a request means, and what the request looks like there.

use std::sync::Arc;

use quarterdeck_protocol::{
    agent::PromptId,
    error::{ErrorCode, RpcError},
    ids::MachineId,
    method::MethodName,
    rpc::RequestId,
};

use quarterdeck_access::tokens::SessionLimit;

use crate::{
    client::Asker,
    fleet::{Fleet, Place},
    json::Members,
    switch::{Call, Then},
};

/// Passes a request on to the machine that it means. Its answer finds its way by itself.
///
/// # Errors
/// When no machine is meant, or the one that is cannot be reached.
pub(crate) async fn forward(
    asker: &Arc<Asker>,
    method: MethodName,
    id: &RequestId,
    mut params: Members,
) -> Result<(), RpcError> {
    let limit = &asker.grant.sessions;
    let machine = place(&asker.context.fleet, method, &mut params, asker.bound(), limit)?;
    let gives_session = matches!(
        method,
        MethodName::SessionCreate | MethodName::SessionRename | MethodName::SessionResume
    );
    let then = if method == MethodName::HttpOpen {
        asker.require_place()?;
        Then::Attach { window: None }
    } else if method == MethodName::SessionAttach {
        asker.require_place()?;
        Then::Attach { window: params.read("window") }
    } else if gives_session {
        Then::NameMachine
    } else {
        Then::PassOn
    };
    let link = asker.context.fleet.link(machine)?;
    let names_session = params.raw("session").is_some() || params.raw("prompt").is_some();
    if asker.is_limited() && !link.delegate && !names_session {
        let message =
            "this machine knows the hub only, and would not know of the limit to sessions";
        return Err(RpcError::new(ErrorCode::Forbidden, message));
    }
    asker.context.metrics.forwarded.increment();
    let call = Call { asker: Arc::clone(asker), id: id.clone(), then };
    link.forward(method, &params.to_raw(), call).await
}

/// The machine that a request means; its parameters afterwards are as its relay wants them.
fn place(
    fleet: &Fleet,
    method: MethodName,
    params: &mut Members,
    bound: Option<MachineId>,
    limit: &SessionLimit,
) -> Result<MachineId, RpcError> {
    let named = params.text("machine").or_else(|| bound.map(|machine| machine.to_string()));
    params.remove("machine");
    if let Some(word) = params.text("session") {
        let Place { machine, session } = fleet.resolve(named.as_deref(), &word, limit)?;
        params.set("session", &session);
        return Ok(machine);
    }
    let prompt = params.read::<PromptId>("prompt");
    if let (Some(named), None) = (&named, prompt) {
        return fleet.resolve_machine(named);
    }
    // one's own mail is on one's own machine
    let starts = matches!(method, MethodName::SessionCreate | MethodName::RelayDirectories);
    if starts || method.word().starts_with("mail.") {
        return fleet.default_machine();
    }
    if let Some(prompt) = prompt {
        if !limit.allows(prompt.session) {
            return Err(RpcError::new(ErrorCode::NotFound, format!("prompt {prompt} not found")));
        }
        return fleet.machine_of(prompt.session);
    }
    let message = format!("{} needs \"session\" or \"machine\"", method.word());
    Err(RpcError::new(ErrorCode::InvalidParams, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::testing::{machine_row, session};
    use serde_json::value::RawValue;

    fn check(method: MethodName, params: &str) -> Result<(MachineId, String), ErrorCode> {
        check_within(&SessionLimit::All, method, params)
    }

    fn check_within(
        limit: &SessionLimit,
        method: MethodName,
        params: &str,
    ) -> Result<(MachineId, String), ErrorCode> {
        let fleet = Fleet::default();
        fleet.add(machine_row(1, "desk"), vec![session(1, "sh:1")]).expect("adds");
        fleet.add(machine_row(2, "dev"), vec![session(2, "build")]).expect("adds");
        let raw: Box<RawValue> = serde_json::from_str(params).expect("is JSON");
        let mut members = Members::parse(Some(&raw)).expect("is an object");
        let machine =
            place(&fleet, method, &mut members, None, limit).map_err(|error| error.code())?;
        Ok((machine, members.to_raw().get().to_owned()))
    }

    #[test]
    fn the_relay_gets_its_own_names_and_nothing_of_machines() {
        let dev = machine_row(2, "dev").machine;
        let text = r#"{"session":"dev/x","text":"hi"}"#;
        let expected = r#"{"session":"x","text":"hi"}"#.to_owned();
        assert_eq!(check(MethodName::SessionInput, text), Ok((dev, expected.clone())));
        let text = r#"{"machine":"dev","session":"x","text":"hi"}"#;
        assert_eq!(check(MethodName::SessionInput, text), Ok((dev, expected)));
        let text = r#"{"machine":"dev","argv":["sh"]}"#;
        let expected = r#"{"argv":["sh"]}"#.to_owned();
        assert_eq!(check(MethodName::SessionCreate, text), Ok((dev, expected)));
    }

    #[test]
    fn a_prompt_leads_to_the_machine_of_its_session() {
        let prompt = format!("{}.7", session(2, "x").session);
        let text = format!(r#"{{"prompt":"{prompt}"}}"#);
        let found = check(MethodName::PromptAnswerMethod, &text).map(|(machine, _)| machine);
        assert_eq!(found, Ok(machine_row(2, "dev").machine));
    }

    #[test]
    fn for_who_is_limited_other_sessions_do_not_exist_and_names_become_ids() {
        let (own, other) = (session(2, "x").session, session(1, "x").session);
        let limit = SessionLimit::from_list(&[own]);
        let check = |params: &str| {
            check_within(&limit, MethodName::SessionInput, params).map(|(_, params)| params)
        };
        let expected = format!(r#"{{"session":"{own}"}}"#);
        for word in ["build", "dev/build", &own.to_string(), &format!("dev/{own}")] {
            assert_eq!(
                check(&format!(r#"{{"session":"{word}"}}"#)),
                Ok(expected.clone()),
                "{word}"
            );
        }
        for word in ["sh:1", "desk/sh:1", &other.to_string(), "desk/build", "dev/other"] {
            let refused = check(&format!(r#"{{"session":"{word}"}}"#));
            assert_eq!(refused, Err(ErrorCode::NotFound), "{word}");
        }
        let prompt = check(&format!(r#"{{"prompt":"{other}.7"}}"#));
        assert_eq!(prompt, Err(ErrorCode::NotFound));
        let named = check(&format!(r#"{{"machine":"dev","prompt":"{other}.7"}}"#));
        assert_eq!(named, Err(ErrorCode::NotFound));
    }

    #[test]
    fn a_request_that_means_no_machine_is_refused() {
        assert_eq!(check(MethodName::RelayGc, "{}"), Err(ErrorCode::InvalidParams));
        assert_eq!(check(MethodName::SessionCreate, "{}"), Err(ErrorCode::InvalidParams));
        let mars = r#"{"machine":"mars"}"#;
        assert_eq!(check(MethodName::RelayGc, mars), Err(ErrorCode::NotFound));
    }
}
