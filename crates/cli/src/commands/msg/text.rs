//! Mail as people read it. Everything that a peer wrote is shown without control characters.

use quarterdeck_protocol::{
    ids::SessionId,
    method::{
        MailAutorespondResult, MailContactsResult, MailIdentitiesResult, MailJob, MailMessage,
        MailPolicyResult, MailStatusResult, MailWhoamiResult, SpeakerKind, Unaddressed,
    },
    session::SessionInfo,
};
use std::time::Duration;

use crate::output::{
    escape::{plain, shortened},
    style::{Styles, paint},
    table::Table,
    time::{ago, now_micros, span},
};

/// Characters of an id that a peer chose.
const MAX_ID_CHARS: usize = 40;

pub(super) fn whoami(found: &MailWhoamiResult, styles: Styles) -> String {
    let MailWhoamiResult { identity, address, fingerprint, label, sessions } = found;
    let label = label.as_ref().map_or_else(String::new, |label| format!("/{label}"));
    let mut text = format!("{}{label}  {address}\n{fingerprint}\n", plain(identity));
    if !sessions.is_empty() {
        let mut table = Table::new(["SESSION", "IDENTITY", "KIND"]);
        for session in sessions {
            let own = if session.own { " (this one)" } else { "" };
            let kind = match session.kind {
                SpeakerKind::Agent => "agent",
                SpeakerKind::Terminal => "terminal",
                SpeakerKind::Outside => "outside",
            };
            table.push([
                format!("{}{own}", session.label).into(),
                plain(&session.identity).into(),
                kind.into(),
            ]);
        }
        text.push_str(&table.render(None, styles));
    }
    text
}

pub(super) fn autorespond(found: &MailAutorespondResult) -> String {
    let state = match (found.on, found.configured) {
        (true, _) => "on",
        (false, true) => "off",
        (false, false) => "off: no program is named in config.toml, [mail.responder]",
    };
    format!("{state}\n")
}

pub(super) fn policy(found: &MailPolicyResult) -> String {
    let unaddressed = match (found.unaddressed, &found.primary) {
        (Unaddressed::Primary, Some(label)) => {
            format!("goes to {label}, or to the first session while that does not live")
        }
        (Unaddressed::Primary, None) => "goes to the first session".to_owned(),
        (Unaddressed::Broadcast, _) => "goes to all sessions".to_owned(),
        (Unaddressed::Hold, _) => "waits until you decide".to_owned(),
        (Unaddressed::Drop, _) => "goes nowhere".to_owned(),
    };
    let hold = span(Duration::from_secs(found.hold_s));
    format!("mail that names no session {unaddressed}\nmail waits for its session up to {hold}\n")
}

pub(super) fn sent(sent: &MailJob) -> String {
    match &sent.state.why {
        Some(why) => format!("{}: {} ({why})\n", sent.id, sent.state.state),
        None => format!("{}: {}\n", sent.id, sent.state.state),
    }
}

pub(super) fn message(message: &MailMessage, styles: Styles) -> String {
    let name = message.name.as_deref().unwrap_or(&message.from);
    let session = message.from_session.as_deref().map(|it| format!("/{it}")).unwrap_or_default();
    let to = message.to_session.as_deref().map(|it| format!(" to {it}")).unwrap_or_default();
    let answers = message
        .in_reply_to
        .as_deref()
        .map(|id| format!(", answers {}", shortened(&plain(id), MAX_ID_CHARS)));
    let state = match (message.state.as_str(), &message.why) {
        ("delivered", _) => String::new(),
        (state, Some(why)) => format!(", {state}: {why}"),
        (state, None) => format!(", {state}"),
    };
    let when = ago(message.at.saturating_mul(1000), now_micros());
    let head = paint(styles.good, &plain(&format!("{name}{session}")));
    let rest = format!("{to}, {when}{}{state}", answers.unwrap_or_default());
    let text: Vec<String> =
        message.text.lines().map(|line| format!("  {}\n", plain(line))).collect();
    format!("#{} {head}{rest}\n{}", message.number, text.concat())
}

pub(super) fn status(found: &MailStatusResult, styles: Styles) -> String {
    let mut text = String::new();
    if !found.jobs.is_empty() {
        let mut table = Table::new(["MESSAGE", "FROM", "TO", "WHEN", "STATE"]);
        let now = now_micros();
        for job in &found.jobs {
            let to = match &job.to_session {
                Some(label) => label.to_string(),
                None => shortened(&job.to, 12),
            };
            let why = job.state.why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
            table.push([
                job.id.clone().into(),
                job.from_session.to_string().into(),
                to.into(),
                ago(job.at.saturating_mul(1000), now).into(),
                format!("{}{why}", job.state.state).into(),
            ]);
        }
        text.push_str(&table.render(None, styles));
    }
    if found.held > 0 {
        text.push_str(&format!("{} held: qd msg inbox --peek\n", found.held));
    }
    text
}

pub(super) fn contacts(found: &MailContactsResult, styles: Styles) -> String {
    if found.contacts.is_empty() {
        return String::new();
    }
    let mut table = Table::new(["NAME", "STANDING", "MAIL", "FINGERPRINT"]);
    for contact in &found.contacts {
        let changed = contact.changed.as_ref().map(|new| format!(" CHANGED to {new}"));
        table.push([
            plain(&contact.name).into(),
            contact.standing.clone().into(),
            contact.inbound.clone().into(),
            format!("{}{}", contact.fingerprint, changed.unwrap_or_default()).into(),
        ]);
    }
    let mut text = table.render(None, styles);
    for contact in &found.contacts {
        if contact.standing == "asking" {
            let name = plain(&contact.name);
            let said = contact.note.as_deref().map(|note| format!(": {}", plain(note)));
            text.push_str(&format!("{name} asks to be a contact{}\n", said.unwrap_or_default()));
            text.push_str(&format!(
                "  compare the fingerprint with theirs, then: qd msg accept {name}\n"
            ));
        }
    }
    text
}

pub(super) fn identities(
    found: &MailIdentitiesResult,
    sessions: &[SessionInfo],
    styles: Styles,
) -> String {
    let label = |id: &SessionId| {
        let session = sessions.iter().find(|session| session.session == *id);
        session.map_or_else(|| id.to_string(), |session| session.label.to_string())
    };
    let mut table = Table::new(["NAME", "ADDRESS", "USED BY"]);
    for identity in &found.identities {
        let mut uses: Vec<String> = identity.projects.iter().map(|path| plain(path)).collect();
        uses.extend(identity.sessions.iter().map(label));
        if identity.default {
            uses.push("all others".to_owned());
        }
        let name = plain(&identity.name);
        table.push([name.into(), identity.address.clone().into(), uses.join(", ").into()]);
    }
    table.render(None, styles)
}
