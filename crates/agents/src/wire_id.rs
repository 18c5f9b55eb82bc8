//! A message's id in vendors' lines.

use alloc::{format, string::String};

use quarterdeck_protocol::ids::SessionId;

/// A UUID that is a function of the session and a command's key: vendors that drop a message whose id
/// they know then drop a resend, whichever relay sent it. They remember ids for as long as their
/// conversation lives, and another session may go on with it: so the session is a part of it.
pub(crate) fn wire_id(session: SessionId, key: &str) -> String {
    // FNV-1a; nobody gains from a collision but the one who chose both keys
    let hash = session.as_bytes().iter().copied().chain(key.bytes()).fold(
        0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128,
        |hash, byte| {
            (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
        },
    );
    let hex = format!("{hash:032x}");
    // version 4 and its variant: some vendors take no other
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wire_id_is_a_uuid_of_its_own_and_always_the_same() {
        let session = SessionId::from_bytes([1; 10]);
        let id = wire_id(session, "c_1:7");
        let lengths: alloc::vec::Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{id}");
        assert_eq!(&id[14..15], "4", "{id}");
        assert_eq!(id, wire_id(session, "c_1:7"));
        assert_ne!(id, wire_id(session, "c_1:8"));
        assert_ne!(id, wire_id(SessionId::from_bytes([2; 10]), "c_1:7"));
    }
}
