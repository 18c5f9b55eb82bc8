//! What a person does with `qd`, from the first run to the last line of a script.

mod commands;
mod environment;
mod terminals;
