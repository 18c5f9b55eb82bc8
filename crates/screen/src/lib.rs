//! The terminal model of Quarterdeck: output bytes in, an exact snapshot out.
