//! Messages that wait, join a turn, or go before others.

use quarterdeck_agents::CommandRefusal;
use quarterdeck_protocol::agent::{
    AgentCommand, AgentState, Delivery, MessageState, StopReason, Update, Vendor,
};
use serde_json::json;

use crate::harness::{Session, person, say};

use super::{init, ready, response, result};

#[test]
fn a_queued_message_waits_and_begins_the_next_turn() {
    let mut session = ready();
    session.prompt("first");
    assert!(session.prompt("second").is_empty());
    assert_eq!(session.view().queue.len(), 1);
    assert!(session.settle().is_empty(), "the first turn still runs");
    session.out(result());
    let lines = session.settle();
    assert_eq!(lines[0]["message"]["content"][0]["text"], "second");
    assert_eq!(session.view().queue.len(), 0);
    session.out(result());
    assert_eq!(session.endings().len(), 2);
    let origins = session
        .count(|it| matches!(it, Update::TurnStarted { origin, .. } if *origin == person("ada")));
    assert_eq!(origins, 2);
    session.check();
}

#[test]
fn a_queued_message_can_be_taken_back() {
    let mut session = ready();
    session.prompt("first");
    session.prompt("second");
    let withdraw = AgentCommand::Withdraw { message_id: "k2".into() };
    assert_eq!(session.command(&withdraw), Ok(Vec::new()));
    assert_eq!(session.view().queue.len(), 0);
    assert_eq!(session.command(&withdraw), Err(CommandRefusal::NoSuchMessage));
    session.check();
}

#[test]
fn a_steered_message_joins_the_turn_or_begins_the_next_one() {
    let mut session = ready();
    session.prompt("first");
    let lines = session.command(&say("also this", Delivery::Steer)).expect("is taken");
    assert_eq!(lines[0]["priority"], "next");
    let uuid = lines[0]["uuid"].clone();
    let life = |state| json!({ "type": "command_lifecycle", "command_uuid": uuid, "state": state });
    session.out(life("queued"));
    session.out(life("started"));
    session.out(life("completed"));
    session.out(result());
    assert_eq!(session.endings().len(), 1);
    assert_eq!(session.state(), AgentState::Idle);

    session.prompt("third");
    let lines = session.command(&say("too late", Delivery::Steer)).expect("is taken");
    session.out(result());
    let uuid = lines[0]["uuid"].clone();
    session.out(json!({ "type": "command_lifecycle", "command_uuid": uuid, "state": "started" }));
    session.out(init());
    assert_eq!(session.state(), AgentState::Running);
    session.out(result());
    assert_eq!(session.endings().len(), 3);
    let started =
        |it: &Update| matches!(it, Update::TurnStarted { message_id: Some(id), .. } if id == "k4");
    assert_eq!(session.count(started), 1);
    session.check();
}

#[test]
fn a_steered_message_that_was_not_taken_in_goes_before_those_that_wait() {
    let mut session = ready();
    session.prompt("first");
    session.prompt("waits");
    let lines = session.command(&say("steered", Delivery::Steer)).expect("is taken");
    let uuid = lines[0]["uuid"].clone();
    let life = |state| json!({ "type": "command_lifecycle", "command_uuid": uuid, "state": state });
    session.out(life("queued"));
    session
        .out(json!({ "type": "result", "is_error": true, "terminal_reason": "aborted_streaming" }));
    assert!(session.settle().is_empty(), "the agent begins the steered one by itself");
    session.out(life("started"));
    session.out(result());
    assert_eq!(session.settle()[0]["message"]["content"][0]["text"], "waits");
    session.check();
}

#[test]
fn an_interrupting_message_goes_before_those_that_wait() {
    let mut session = ready();
    session.prompt("first");
    session.prompt("second");
    let lines = session.command(&say("stop, do this", Delivery::Interrupt)).expect("is taken");
    assert_eq!(lines[0]["request"]["subtype"], "interrupt");
    session
        .out(json!({ "type": "result", "is_error": true, "terminal_reason": "aborted_streaming" }));
    let lines = session.settle();
    assert_eq!(lines[0]["message"]["content"][0]["text"], "stop, do this");
    assert_eq!(session.endings(), [StopReason::Cancelled]);
    session.check();
}

#[test]
fn a_message_is_taken_once_and_its_line_is_recognised_by_its_id() {
    let mut session = ready();
    let command = say("hello", Delivery::Queue);
    let first = session.fold.command("k", &command, &person("ada")).expect("is taken");
    let again = session.fold.command("k", &command, &person("ada")).expect("is computed");
    assert_eq!(first, again, "the same key gives the same line");
    assert_eq!(session.perform(&first).len(), 1);
    assert!(session.perform(&again).is_empty());
    let repeated = session.fold.command("k", &command, &person("ada"));
    assert_eq!(repeated.err(), Some(CommandRefusal::Repeated));
    let delivered = |it: &Update| matches!(it, Update::MessageUpdate { message_id, state: MessageState::Delivered } if message_id == "k");
    assert_eq!(session.count(delivered), 1);
    session.check();
}

#[test]
fn a_message_that_comes_before_the_agent_is_ready_waits_whatever_its_delivery() {
    let mut session = Session::started(Vendor::Claude);
    let lines = session.settle();
    for delivery in [Delivery::Steer, Delivery::Interrupt, Delivery::Queue] {
        assert_eq!(session.command(&say("early", delivery)), Ok(Vec::new()));
    }
    assert_eq!(session.view().queue.len(), 3);
    session.out(response(&lines[0]["request_id"], json!({})));
    assert_eq!(session.settle().len(), 1);
    assert_eq!(session.message_state("k1"), Some(MessageState::Delivered));
    session.check();
}

#[test]
fn a_steered_message_that_the_agent_died_with_is_indeterminate() {
    let mut session = ready();
    session.prompt("first");
    session.command(&say("steered", Delivery::Steer)).expect("is taken");
    session.lost();
    assert_eq!(session.message_state("k1"), Some(MessageState::Delivered));
    assert_eq!(session.message_state("k2"), Some(MessageState::Indeterminate));
    session.check();
}
