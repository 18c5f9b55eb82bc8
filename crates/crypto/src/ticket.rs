//! Client tickets: with one a client comes back under the same id after a relay restart, although the
//! relay kept nothing. The ticket is bound to the principal: it is worthless to anybody else, so
//! losing it to a person of another principal costs nothing.

use alloc::{format, string::String};
use core::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::text;

const TICKET_DOMAIN: &[u8] = b"quarterdeck client ticket v1\0";
const FIXED_DOMAIN: &[u8] = b"quarterdeck fixed client v1\0";
/// Characters of a ticket: 32 of the client id, a dot, 43 of the MAC.
pub const TICKET_CHARS: usize = 32 + 1 + 43;

/// The secret with which a relay issues and checks tickets. See [`crate::RelayKey::ticket_key`].
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct TicketKey([u8; 32]);

impl TicketKey {
    /// A key of secret bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The ticket of a client of `principal` (its whole text, `issuer/name`).
    #[must_use]
    pub fn issue(&self, client_id: [u8; 16], principal: &str) -> ClientTicket {
        ClientTicket { client_id, mac: self.mac(client_id, principal) }
    }

    /// The client id that the ticket proves for `principal`, if it proves one.
    #[must_use]
    pub fn verify(&self, ticket: &ClientTicket, principal: &str) -> Option<[u8; 16]> {
        let right = self.mac(ticket.client_id, principal);
        bool::from(right.ct_eq(&ticket.mac)).then_some(ticket.client_id)
    }

    /// The id of a client that cannot keep a ticket: the same for the same `name` after every restart,
    /// and nobody else's, as nobody else has the key.
    #[must_use]
    pub fn fixed_client(&self, name: &str) -> [u8; 16] {
        let mac = Hmac::<Sha256>::new_from_slice(&self.0);
        let mac = mac.expect("HMAC takes keys of any length");
        let bytes: [u8; 32] =
            mac.chain_update(FIXED_DOMAIN).chain_update(name).finalize().into_bytes().into();
        core::array::from_fn(|i| bytes[i])
    }

    /// The id has a fixed length and the principal comes last, so no two inputs make the same bytes.
    fn mac(&self, client_id: [u8; 16], principal: &str) -> [u8; 32] {
        let mac = Hmac::<Sha256>::new_from_slice(&self.0);
        let mac = mac.expect("HMAC takes keys of any length");
        let mac = mac.chain_update(TICKET_DOMAIN).chain_update(client_id).chain_update(principal);
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketKey([redacted])")
    }
}

/// A ticket as a client shows it; [`TicketKey::verify`] says whether it is genuine.
/// Text: `<32 hex digits of the client id>.<MAC in base64url>`.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ClientTicket {
    client_id: [u8; 16],
    mac: [u8; 32],
}

/// A text that is no ticket. The text is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a ticket is 32 hex digits, a dot and 43 characters of base64url")]
pub struct ParseTicketError;

impl ClientTicket {
    /// Reads a ticket.
    ///
    /// # Errors
    /// When it has not the form of one; whether it is genuine is asked of the key.
    pub fn parse(text: &str) -> Result<Self, ParseTicketError> {
        let (id, mac) = text.split_once('.').ok_or(ParseTicketError)?;
        let lower = !id.bytes().any(|byte| byte.is_ascii_uppercase());
        let client_id = text::from_hex(id).filter(|_| lower).ok_or(ParseTicketError)?;
        let mac = text::from_base64url(mac).ok_or(ParseTicketError)?;
        Ok(Self { client_id, mac })
    }

    /// The text form. It is sent to its client only.
    #[must_use]
    pub fn to_text(&self) -> String {
        let id: String = self.client_id.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{id}.{}", text::to_base64url(&self.mac))
    }
}

impl fmt::Debug for ClientTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientTicket([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RelayKey, Seed};
    use proptest::prelude::*;

    // computed with Python's hmac and hashlib from the seed 0, 1, … 31
    const KNOWN: &str =
        "000102030405060708090a0b0c0d0e0f.PPdTN8zEUQlX-qt0KlytE8mP6WxocsLdyOZqfFWjKsg";

    fn known_key() -> TicketKey {
        let bytes = core::array::from_fn(|i| u8::try_from(i).expect("below 32"));
        RelayKey::from_seed(&Seed::from_bytes(bytes)).ticket_key()
    }
    fn known_id() -> [u8; 16] {
        core::array::from_fn(|i| u8::try_from(i).expect("below 16"))
    }

    #[test]
    fn a_known_client_has_its_ticket() {
        let ticket = known_key().issue(known_id(), "r_1/alice");
        assert_eq!(ticket.to_text(), KNOWN);
        assert_eq!(ticket.to_text().len(), TICKET_CHARS);
    }

    #[test]
    fn a_ticket_is_good_for_its_principal_and_relay_only() {
        let ticket = ClientTicket::parse(KNOWN).expect("parses");
        assert_eq!(known_key().verify(&ticket, "r_1/alice"), Some(known_id()));
        for other in ["r_1/bob", "r_1/alic", "r_1/alice2", "r_2/alice", ""] {
            assert_eq!(known_key().verify(&ticket, other), None, "{other}");
        }
        assert_eq!(TicketKey::from_bytes([7; 32]).verify(&ticket, "r_1/alice"), None);
    }

    #[test]
    fn a_ticket_with_another_client_id_is_not_genuine() {
        let forged = KNOWN.replacen("00", "01", 1);
        let forged = ClientTicket::parse(&forged).expect("parses");
        assert_eq!(known_key().verify(&forged, "r_1/alice"), None);
    }

    #[test]
    fn a_client_without_a_ticket_has_the_id_of_its_name_on_this_relay() {
        let other = RelayKey::from_seed(&Seed::from_bytes([9; 32])).ticket_key();
        let id = known_key().fixed_client("agor tower r_1/alice");
        assert_eq!(id, known_key().fixed_client("agor tower r_1/alice"));
        assert_ne!(id, known_key().fixed_client("agor tower r_1/bob"));
        assert_ne!(id, other.fixed_client("agor tower r_1/alice"));
    }

    #[test]
    fn a_text_that_is_no_ticket_is_refused() {
        let upper = KNOWN.to_uppercase();
        let long = format!("{KNOWN}A");
        for text in ["", ".", "00.AA", &KNOWN[1..], &KNOWN[..75], &upper, &long] {
            assert_eq!(ClientTicket::parse(text).map(|_| ()), Err(ParseTicketError), "{text}");
        }
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let shown = format!("{:?} {:?}", known_key(), ClientTicket::parse(KNOWN));
        assert_eq!(shown, "TicketKey([redacted]) Ok(ClientTicket([redacted]))");
    }

    proptest! {
        #[test]
        fn every_ticket_round_trips(key: [u8; 32], id: [u8; 16], principal in "\\PC{0,40}") {
            let key = TicketKey::from_bytes(key);
            let ticket = ClientTicket::parse(&key.issue(id, &principal).to_text()).expect("parses");
            prop_assert_eq!(key.verify(&ticket, &principal), Some(id));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,90}") {
            let _ = ClientTicket::parse(&text);
        }
    }
}
