//! The daemon of an instance: its sessions, leases, tokens and wire.
