//! The pure state machines of Quarterdeck: they decide, other crates act.
