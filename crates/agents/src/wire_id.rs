//! A message's id in vendors' lines.

use alloc::{format, string::String};

/// A UUID that is a function of a command's key: vendors that drop a message whose id they know then
/// drop a resend, whichever relay sent it. A key that is a UUID stays itself.
pub(crate) fn wire_id(key: &str) -> String {
    if is_uuid(key) {
        return key.into();
    }
    // FNV-1a; nobody gains from a collision but the one who chose both keys
    let hash = key.bytes().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    });
    let hex = format!("{hash:032x}");
    // version 4 and its variant: some vendors take no other
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wire_id_is_a_uuid_and_always_the_same() {
        let id = wire_id("c_1:7");
        assert!(is_uuid(&id), "{id}");
        assert_eq!(id, wire_id("c_1:7"));
        assert_ne!(id, wire_id("c_1:8"));
        assert_eq!(wire_id(&id), id);
    }
}
