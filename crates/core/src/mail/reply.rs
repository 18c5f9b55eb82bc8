//! Which message answers which.
//!
//! The sender's key is certain, the id that it answers is a claim of that sender, and the session that it
//! names is a hint: some peers answer under another session's label than the one that was asked.

use alloc::string::String;

use quarterdeck_protocol::mail::PeerLabel;

use super::PeerKey;

/// A reply that somebody waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Awaited {
    /// Whose; none = anybody's.
    pub from: Option<PeerKey>,
    /// The session that was asked, for peers that name no id.
    pub session: Option<PeerLabel>,
    /// The id of the message that it answers; none = any message will do.
    pub in_reply_to: Option<String>,
}

/// What came, as far as it matters to who waits.
#[derive(Debug, Clone, Copy)]
pub struct Came<'a> {
    /// Whose.
    pub from: PeerKey,
    /// The session that it names as its sender.
    pub session: Option<&'a PeerLabel>,
    /// The id that it claims to answer.
    pub in_reply_to: Option<&'a str>,
}

impl Awaited {
    /// Whether this is what is waited for.
    #[must_use]
    pub fn is_met_by(&self, came: &Came<'_>) -> bool {
        if self.from.is_some_and(|from| from != came.from) {
            return false;
        }
        match (&self.in_reply_to, came.in_reply_to) {
            (Some(asked), Some(answered)) => asked == answered,
            // plain text and old peers name nothing: the session decides, where both are known
            (Some(_), None) => match (&self.session, came.session) {
                (Some(asked), Some(speaks)) => asked == speaks,
                (Some(_), None) => false,
                (None, _) => self.from.is_some(),
            },
            (None, _) => self.session.as_ref().is_none_or(|asked| came.session == Some(asked)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned as _;

    const ADA: PeerKey = PeerKey([1; 32]);
    const EVE: PeerKey = PeerKey([2; 32]);

    fn label(text: &str) -> PeerLabel {
        PeerLabel::parse(text).expect("is a label")
    }

    fn awaited(in_reply_to: Option<&str>, session: Option<&str>) -> Awaited {
        let in_reply_to = in_reply_to.map(str::to_owned);
        Awaited { from: Some(ADA), session: session.map(label), in_reply_to }
    }

    fn check(awaited: &Awaited, from: PeerKey, session: Option<&str>, id: Option<&str>) -> bool {
        let session = session.map(label);
        awaited.is_met_by(&Came { from, session: session.as_ref(), in_reply_to: id })
    }

    #[test]
    fn a_reply_is_matched_by_the_senders_key_and_not_only_by_the_id() {
        let awaited = awaited(Some("m1"), None);
        assert!(check(&awaited, ADA, None, Some("m1")));
        assert!(!check(&awaited, EVE, None, Some("m1")), "who knows the id cannot answer for her");
        assert!(!check(&awaited, ADA, None, Some("m2")));
    }

    #[test]
    fn a_reply_under_another_sessions_label_still_matches_by_its_id() {
        assert!(check(&awaited(Some("m1"), Some("claude:2")), ADA, Some("claude:1"), Some("m1")));
    }

    #[test]
    fn a_waiter_that_asked_a_session_takes_no_unrelated_word_of_another() {
        let asked = awaited(Some("m1"), Some("claude:2"));
        assert!(!check(&asked, ADA, Some("claude:1"), None));
        assert!(!check(&asked, ADA, None, None));
        assert!(check(&asked, ADA, Some("claude:2"), None));
        let any = awaited(None, Some("claude:2"));
        assert!(!check(&any, ADA, Some("claude:1"), None));
        assert!(check(&any, ADA, Some("claude:2"), Some("whatever")));
    }
}
