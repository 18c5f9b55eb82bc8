//! The `qd` command.
fn main() {}
