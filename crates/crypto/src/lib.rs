//! Keys, tokens, pins and tickets of Quarterdeck: pure functions over bytes.
