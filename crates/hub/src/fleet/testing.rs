//! Machines and sessions for this crate's tests.
#![cfg(test)]

use quarterdeck_protocol::{
    ids::{DeviceId, MachineId, RelayId},
    scope::Scopes,
    session::SessionInfo,
};

use crate::{
    devices::DeviceRow,
    store::{Access, MachineRow},
};

/// Machine number `n`, with a relay of its own.
pub(crate) fn machine_row(n: u8, label: &str) -> MachineRow {
    MachineRow {
        machine: MachineId::from_bytes([n; 8]),
        label: label.parse().expect("a label"),
        access: Access::Ssh { url: format!("ssh://host-{n}") },
        relay_id: Some(RelayId::from_bytes([n; 16])),
        auto_connect: true,
        relay: None,
        ticket: None,
        last_seen_at: None,
        created_at: n.into(),
    }
}

/// Session number `n`, as a relay tells it.
pub(crate) fn session(n: u8, label: &str) -> SessionInfo {
    let json = serde_json::json!({
        "session": format!("s_{}", format!("{n:02x}").repeat(10)),
        "label": label, "kind": "terminal", "state": "running", "argv": ["sh"], "cwd": "/",
        "size": {"cols": 80, "rows": 24}, "lease": {"epoch": 0, "state": "free"},
        "attached": 0, "created_at": n, "last_activity_at": n, "incarnation": 1,
        "log_id": format!("l_{}", format!("{n:02x}").repeat(8)), "seq": 1, "out": 0, "base": 0,
    });
    serde_json::from_value(json).expect("a session")
}

/// Browser number `n`.
pub(crate) fn device_row(n: u8, name: &str) -> DeviceRow {
    let mut point = [n; 65];
    point[0] = 4;
    DeviceRow {
        device: DeviceId::from_bytes([n; 12]),
        name: name.to_owned(),
        key: quarterdeck_crypto::DeviceKey::from_point(&point).expect("has the form"),
        principal: "h_00000000000000000000000000000000/ada".parse().expect("a principal"),
        scopes: Scopes::ALL,
        created_at: n.into(),
        last_used_at: None,
        expires_at: None,
    }
}
