//! Machines and sessions for this crate's tests.
#![cfg(test)]

use quarterdeck_protocol::{
    ids::{MachineId, RelayId},
    session::SessionInfo,
};

use crate::store::{Access, MachineRow};

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
