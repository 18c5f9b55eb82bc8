//! What Remote Control has said so far: its state, its address as text and as a QR code.

use std::time::Duration;

use quarterdeck_protocol::{
    method::SessionResult,
    remote_control::{
        RemoteFinding, RemoteInfo, RemoteLevel, RemotePreflightResult, RemoteReport, RemoteState,
    },
    session::SessionInfo,
};
use tokio::time::timeout;

use crate::{
    Exit,
    config::Settings,
    error::{CliError, Kind},
    output::{escape::plain, qr, style::Styles},
    watch::{Seen, SessionWatch},
};

/// Waits until it can be said where the session is reached, or why not.
pub(super) async fn when_known(
    settings: &Settings,
    session: &str,
    patience: Duration,
) -> Result<Exit, CliError> {
    let mut watch = SessionWatch::start(settings, Some(session)).await?;
    let mut last = None;
    let known = async {
        loop {
            match watch.next().await? {
                Seen::Gone => return Err(CliError::new(Kind::NotFound, "the session was removed")),
                Seen::Now(info) => {
                    let done = is_known(&info)?;
                    last = Some(info);
                    if done {
                        return Ok(());
                    }
                }
            }
        }
    };
    // when time is up: an address that nobody has printed yet may still come
    if let Ok(Err(error)) = timeout(patience, known).await {
        return Err(error);
    }
    let Some(info) = last else {
        return Err(CliError::new(Kind::Timeout, "the relay says nothing of the session"));
    };
    say(settings, *info)
}

/// Whether there is something to show.
fn is_known(info: &SessionInfo) -> Result<bool, CliError> {
    let Some(remote) = &info.remote_control else {
        let message = format!("session {} is no Remote Control", info.label);
        return Err(CliError::new(Kind::Usage, message).hint("qd rc starts one"));
    };
    Ok(match remote.state {
        RemoteState::Failed { .. } | RemoteState::Ended | RemoteState::Asking { .. } => true,
        RemoteState::Starting | RemoteState::Reconnecting => false,
        RemoteState::Running
        | RemoteState::WaitingForPairing
        | RemoteState::Connected
        | RemoteState::Unknown => remote.url.is_some() || remote.code.is_some(),
    })
}

fn say(settings: &Settings, info: SessionInfo) -> Result<Exit, CliError> {
    let label = info.label.clone();
    let Some(remote) = info.remote_control.clone() else { return Ok(Exit::OK) };
    let name = where_is(settings, label.as_str());
    if let RemoteState::Failed { reason, advice, .. } = &remote.state {
        let error = CliError::new(Kind::Failed, plain(reason));
        let error = advice
            .iter()
            .fold(error, |error, advice| error.hint(to_type(settings, &format!("type: {advice}"))));
        return Err(error.hint(format!("all that it said: qd logs {name}")));
    }
    let output = settings.output;
    output.result(&SessionResult { session: info }, |styles| {
        format!("{label} {}\n{}", state_words(&remote), address(&remote, styles))
    })?;
    let next = if let RemoteState::Asking { question } = &remote.state {
        format!("it asks: {}\nanswer on its terminal: qd attach {name}", plain(question))
    } else if remote.url.is_none() && remote.code.is_none() {
        format!("no address yet; look again: qd rc --show {name}, or: qd attach {name}")
    } else {
        format!("its terminal: qd attach {name}; end it: qd stop {name}")
    };
    output.note(&next);
    Ok(Exit::OK)
}

/// The name by which the next command finds the session.
fn where_is(settings: &Settings, label: &str) -> String {
    match &settings.machine {
        Some(machine) => format!("{machine}/{label}"),
        None => label.to_owned(),
    }
}

/// Advice with the machine whose program and login it is about, where that is another one.
pub(super) fn to_type(settings: &Settings, advice: &str) -> String {
    match &settings.machine {
        Some(machine) => format!("on {machine}, {advice}"),
        None => advice.to_owned(),
    }
}

/// The address with its QR code.
fn address(remote: &RemoteInfo, styles: Styles) -> String {
    let code = remote.code.iter().map(|code| format!("pairing code: {}\n", plain(code)));
    let url = remote.url.iter().map(|url| {
        // an address that fits into no code can still be typed
        format!("{url}\n{}", qr::text(url, styles).unwrap_or_default())
    });
    url.chain(code).collect()
}

/// A state in a few words.
pub(crate) fn state_words(remote: &RemoteInfo) -> String {
    match &remote.state {
        RemoteState::Starting => "starting".to_owned(),
        RemoteState::Running => "running; whether an app has joined cannot be told".to_owned(),
        RemoteState::Asking { .. } => "asks on its terminal".to_owned(),
        RemoteState::WaitingForPairing => "waiting for an app".to_owned(),
        RemoteState::Connected => "connected".to_owned(),
        RemoteState::Reconnecting => "reconnecting".to_owned(),
        RemoteState::Failed { reason, .. } => format!("failed: {}", plain(reason)),
        RemoteState::Ended => "ended".to_owned(),
        RemoteState::Unknown => "in a state that this version does not know".to_owned(),
    }
}

/// Prints what a preflight found. The exit code says whether it can work.
pub(super) fn reports(
    settings: &Settings,
    result: &RemotePreflightResult,
) -> Result<Exit, CliError> {
    settings.output.result(result, |styles| {
        result.reports.iter().map(|report| report_text(settings, report, styles)).collect()
    })?;
    let ready = result.reports.iter().all(|report| report.ready);
    Ok(if ready { Exit::OK } else { Exit::code(1) })
}

fn report_text(settings: &Settings, report: &RemoteReport, styles: Styles) -> String {
    let mut text = format!("{} ({})\n", plain(&report.profile), report.vendor.word());
    for RemoteFinding { level, message, advice, .. } in &report.findings {
        let (mark, style) = match level {
            RemoteLevel::Fine => ("ok", styles.good),
            RemoteLevel::Doubtful | RemoteLevel::Unknown => ("?", styles.warn),
            RemoteLevel::Blocked => ("no", styles.error),
        };
        text += &format!("  {style}{mark:>2}{style:#} {}\n", plain(message));
        if let Some(advice) = advice
            && *level != RemoteLevel::Fine
        {
            let advice = format!("type: {}", plain(advice));
            text += &format!("     {}\n", to_type(settings, &advice));
        }
    }
    text
}
