//! The known defects of the program that mail between sessions is taken from, the tests that it has, and the test
//! here that holds the right behaviour of each.

use super::is_there;

/// Number, test, file below `crates`, defect.
type Row = (u8, &'static str, &'static str, &'static str);

const BODY: &str = "protocol/src/mail/tests.rs";
const MAIL: &str = "relay/src/mail/tests.rs";
const HUB: &str = "relay/src/mail/tests/hub.rs";
const RESPONDER: &str = "relay/src/mail/tests/responder.rs";
const DRAFTING: &str = "relay/src/mail/drafting/tests.rs";
const ROUTING: &str = "core/src/mail/routing/tests.rs";
const OUTBOX: &str = "core/src/mail/outbox/tests.rs";
const REPLY: &str = "core/src/mail/reply.rs";
const NAMES: &str = "core/src/names.rs";
const REGISTRY: &str = "relay/src/registry/labels.rs";
const CATALOGUE: &str = "relay/src/catalogue.rs";
const RATCHETS: &str = "seal/src/ratchets/tests.rs";
const TOOLS: &str = "mcp/src/tools/tests.rs";
const LOCK: &str = "access/src/lock.rs";
const INSTANCES: &str = "e2e/tests/real/instances.rs";
const BETWEEN: &str = "e2e/tests/real/hub/mail.rs";
const INSIDE: &str = "e2e/tests/real/agents/mail.rs";

const LOCKED: &str = "of_fifty_that_start_one_instance_one_wins_and_the_others_say_who";
const LABELS: &str = "labels_claimed_at_once_are_all_distinct_and_the_lowest_there_are";
const SAME_KEY: &str = "what_was_being_delivered_when_the_relay_died_is_tried_under_the_same_key";
const CORRELATES: &str = "a_message_to_a_label_reaches_that_session_only_and_its_reply_correlates";
const AS_ASKED: &str =
    "a_message_is_answered_as_the_session_that_was_asked_and_who_waits_for_it_gets_that";
const SEND_AND_WAIT: &str = "send_and_wait_takes_all_that_send_takes_and_waits_for_its_own_reply";
const UNSAFE_LABELS: &str = "labels_that_could_break_out_of_a_prompt_are_nulled_at_decode";
const HELD_WITHOUT_NAME: &str = "held_mail_that_names_no_session_is_looked_at_again_when_one_lives";
const HELD_BROADCAST: &str = "broadcast_mail_that_was_held_goes_to_all_who_live_later";
const SAME_LABEL: &str = "who_comes_back_has_its_label_again_unless_somebody_else_has_it";
const HOSTILE: &str = "hostile_ids_are_data_and_the_same_id_of_two_senders_is_two_messages";
const SURVIVES: &str = "what_was_sent_survives_the_relays_that_die_with_it";
const WAITS_FOR_CONTACT: &str =
    "a_message_that_waits_for_a_contact_is_not_sent_twice_however_long_it_waits";
const REUSED_PID: &str = "a_reused_pid_does_not_make_a_dead_instance_live";
const FREE_AGAIN: &str = "a_label_is_free_again_when_its_claim_is_dropped";

/// Found by its reviewers, and mended there.
const MENDED: [Row; 20] = [
    (1, CORRELATES, MAIL, "replies are matched by the carrier's id"),
    (2, HELD_WITHOUT_NAME, ROUTING, "held mail that names nobody is never looked at again"),
    (
        3,
        "a_contact_that_is_asked_by_its_name_and_by_its_address_is_one",
        HUB,
        "a contact is asked by whatever word was typed",
    ),
    (
        4,
        "no_reader_takes_the_ids_around_a_message_for_a_label",
        BODY,
        "another member is misused for the label",
    ),
    (5, AS_ASKED, RESPONDER, "the session that was asked is dropped on the way to the responder"),
    (6, UNSAFE_LABELS, BODY, "a label of a peer's stands in a prompt as it is"),
    (
        6,
        "a_message_says_whose_words_it_is_before_it_says_them",
        MAIL,
        "a label of a peer's stands in a prompt as it is",
    ),
    (7, UNSAFE_LABELS, BODY, "labels are not checked when they are read"),
    (8, "a_lock_that_stays_held_is_another_relays", LOCK, "a fresh lock is deleted as stale"),
    (9, SAME_KEY, MAIL, "what was claimed when a process died stays claimed"),
    (10, LABELS, REGISTRY, "a label is looked for and then taken"),
    (11, FREE_AGAIN, REGISTRY, "what is claimed late is never given back"),
    (
        12,
        "a_second_start_is_told_who_runs_and_a_client_is_connected_to_it",
        INSTANCES,
        "each client starts a daemon of its own again and again",
    ),
    (
        13,
        "a_waiter_that_asked_a_session_takes_no_unrelated_word_of_another",
        REPLY,
        "whoever waits takes any session's word",
    ),
    (14, SEND_AND_WAIT, TOOLS, "sending with a wait takes less than sending"),
    (15, "the_guide_to_messaging_is_true", "e2e/tests/real/guides.rs", "the guide is of before"),
    (
        16,
        "a_canary_sings_and_nothing_is_left_of_an_instance",
        "e2e/tests/real/basics.rs",
        "a test leaves a process behind",
    ),
    (17, LABELS, REGISTRY, "after enough tries a label is taken without asking"),
    (
        18,
        "a_terminal_that_ends_at_once_still_says_everything",
        "e2e/tests/real/agor/talk.rs",
        "a process is over before its output was read",
    ),
    (18, LOCKED, INSTANCES, "of many that start at once some are not waited for"),
];

/// Open there.
const OPEN: [Row; 53] = [
    (
        1,
        "whoever_asks_something_publishes_no_key_and_begins_no_ratchet",
        HUB,
        "every client publishes keys and writes the store",
    ),
    (
        2,
        "a_ratchet_is_begun_anew_by_its_owner_and_nothing_under_way_is_lost_by_it",
        HUB,
        "a client resets the ratchet past its owner",
    ),
    (3, LOCKED, INSTANCES, "who cannot wait for the owner becomes one"),
    (4, LOCKED, INSTANCES, "a setting of one session makes a second owner"),
    (
        5,
        "messages_that_cross_each_other_all_arrive_in_order",
        BETWEEN,
        "what is sent and received at the same time loses keys",
    ),
    (
        6,
        "who_is_suspended_keeps_its_lock_and_nobody_else_becomes_owner",
        INSTANCES,
        "who was suspended writes as owner",
    ),
    (
        7,
        "records_that_cannot_be_understood_are_shown_and_left_alone",
        CATALOGUE,
        "what cannot be read just now is deleted",
    ),
    (8, LABELS, REGISTRY, "a label that was just claimed is taken away"),
    (9, FREE_AGAIN, REGISTRY, "a label is given back by who does not have it"),
    (10, SAME_LABEL, NAMES, "another session's start costs one its label"),
    (11, SURVIVES, HUB, "mail is acknowledged before it is stored"),
    (
        11,
        "whoever_dies_between_two_agents_nothing_is_lost_repeated_or_disordered",
        BETWEEN,
        "mail is acknowledged before it is stored",
    ),
    (12, HOSTILE, MAIL, "a peer's id is a file's name"),
    (
        12,
        "a_key_has_one_length_whatever_the_id",
        "crypto/src/delivery.rs",
        "a peer's id is a file's name",
    ),
    (
        13,
        "the_same_id_from_two_senders_is_two_messages",
        "crypto/src/delivery.rs",
        "one sender's id replaces another's message",
    ),
    (14, "what_a_peer_repeats_under_one_id_is_delivered_once", MAIL, "one id is delivered twice"),
    (15, HELD_BROADCAST, ROUTING, "held mail for all is never looked at again"),
    (16, SAME_KEY, MAIL, "what was claimed is read twice, or lost"),
    (
        16,
        "a_message_that_is_read_in_the_inbox_is_not_delivered_as_well",
        MAIL,
        "what was claimed is read twice, or lost",
    ),
    (17, WAITS_FOR_CONTACT, OUTBOX, "what waited long is sent twice"),
    (
        18,
        "mail_of_a_session_that_ended_waits_for_the_next_one_of_its_label",
        ROUTING,
        "mail that a session did not read dies with it",
    ),
    (19, "a_side_that_lost_its_ratchets_is_heard_again", RATCHETS, "what does not open is dropped"),
    (
        19,
        "after_two_thousand_lost_letters_another_ratchet_carries_the_next_ones",
        HUB,
        "what does not open is dropped",
    ),
    (
        20,
        "many_letters_before_the_first_answer_need_no_order",
        RATCHETS,
        "without the first letter none opens",
    ),
    (
        20,
        "a_one_time_key_is_used_up_only_by_a_letter_that_opens",
        RATCHETS,
        "a key is used up by what does not open",
    ),
    (
        21,
        "a_repeated_letter_is_known_as_one_and_starts_no_reset",
        RATCHETS,
        "what comes again starts a reset",
    ),
    (
        22,
        "the_primary_is_the_one_that_was_chosen_or_the_first_in_natural_order",
        ROUTING,
        "the tenth session is before the second one",
    ),
    (
        23,
        "a_label_is_short_plain_and_not_an_id_or_a_reserved_word",
        "protocol/src/ids.rs",
        "a label may be anything",
    ),
    (
        24,
        "a_refusal_is_a_result_that_the_agent_can_read",
        TOOLS,
        "a label that is none leads to another session",
    ),
    (
        24,
        "a_label_that_no_session_can_have_is_a_dead_letter",
        ROUTING,
        "a label that is none leads to another session",
    ),
    (
        25,
        "held_mail_is_looked_at_again_when_the_policy_changes",
        ROUTING,
        "each process has a policy of its own",
    ),
    (26, "what_is_held_is_shown_with_why", MAIL, "nothing shows what is held"),
    (
        27,
        "a_session_that_lives_answers_for_itself_and_held_mail_waits_for_a_person",
        RESPONDER,
        "what a session has is answered as well",
    ),
    (
        27,
        "before_it_is_known_who_lives_nothing_is_answered",
        RESPONDER,
        "what a session has is answered as well",
    ),
    (
        27,
        "one_message_gets_one_answer_whatever_lives_or_dies_afterwards",
        RESPONDER,
        "a message gets two answers",
    ),
    (28, AS_ASKED, RESPONDER, "answers come from another session than was asked"),
    (
        29,
        "a_message_that_was_not_answered_goes_to_its_session_and_not_to_the_program_again",
        RESPONDER,
        "an exit code counts as an answer",
    ),
    (
        29,
        "what_takes_too_long_is_killed_with_all_that_it_has_started",
        DRAFTING,
        "the writing of an answer has no end",
    ),
    (
        30,
        "two_responders_end_by_themselves_when_both_mark_and_when_one_of_them_lies",
        RESPONDER,
        "only the peer's mark ends a loop",
    ),
    (
        30,
        "neither_a_restart_nor_another_identity_frees_the_budget_or_the_row",
        RESPONDER,
        "there is no budget",
    ),
    (
        31,
        "a_program_has_no_variable_but_what_it_is_named",
        DRAFTING,
        "foreign words have all means of their reader",
    ),
    (31, "a_contact_that_is_not_listed_is_not_answered", RESPONDER, "whoever writes is answered"),
    (
        32,
        "turned_off_by_an_agent_it_is_off_for_all_at_once_and_only_a_person_turns_it_on",
        RESPONDER,
        "what is turned off goes on elsewhere",
    ),
    (
        33,
        "a_relay_that_is_started_inside_a_session_outlives_it",
        "e2e/tests/real/journeys/environment.rs",
        "the owner is the child of some session",
    ),
    (34, "no_send_is_retried_for_ever", OUTBOX, "a send is tried for ever and nobody is told"),
    (
        34,
        "a_failed_send_is_tried_again_with_growing_pauses",
        OUTBOX,
        "a send is tried for ever and nobody is told",
    ),
    (
        34,
        "an_address_that_no_hub_knows_is_said_to_have_no_route",
        HUB,
        "a send is tried for ever and nobody is told",
    ),
    (
        35,
        "a_message_that_is_not_wanted_asks_nobody_to_be_a_contact",
        HUB,
        "any refusal asks to be a contact",
    ),
    (
        36,
        "a_reply_is_matched_by_the_senders_key_and_not_only_by_the_id",
        REPLY,
        "whoever knows an id may answer it",
    ),
    (37, REUSED_PID, INSTANCES, "another process with the same pid counts as alive"),
    (
        37,
        "an_instance_runs_while_its_lock_is_held_whatever_its_record_says",
        CATALOGUE,
        "another process with the same pid counts as alive",
    ),
    (
        37,
        "what_was_stored_without_a_key_is_sealed_with_the_first_one_and_nothing_is_left_behind",
        "relay/src/mail/tests/sealing.rs",
        "secrets lie about",
    ),
    (37, "debug_output_shows_no_secret", "crypto/src/relay_key.rs", "secrets lie about"),
];

/// What its tests test, and what it says that they do not.
const TESTED: [Row; 47] = [
    (1, "a_round_trip_keeps_the_tp_block", BODY, "envelope: round trip"),
    (1, "the_older_form_is_written_as_its_readers_expect", BODY, "envelope: legacy"),
    (
        1,
        "every_body_of_the_fixture_is_read_as_its_first_implementation_reads_it",
        BODY,
        "envelope: plain text and other JSON",
    ),
    (1, "a_body_of_a_wrapper_without_tp_is_read", BODY, "envelope: wrapper"),
    (1, UNSAFE_LABELS, BODY, "envelope: injected labels"),
    (2, REUSED_PID, INSTANCES, "registry: fresh, stale and dead"),
    (
        2,
        "labels_take_the_lowest_free_number_and_survive_odd_commands",
        NAMES,
        "registry: allocation",
    ),
    (2, SAME_LABEL, NAMES, "registry: the same label for the same conversation"),
    (2, FREE_AGAIN, REGISTRY, "registry: collection"),
    (2, LABELS, REGISTRY, "registry: claims at once"),
    (3, "an_agents_process_is_its_session_whatever_it_says", INSIDE, "sessions: two of them"),
    (3, SAME_LABEL, NAMES, "sessions: the same label after a restart"),
    (4, "mail_to_a_live_label_goes_to_that_session_only", ROUTING, "routing: live"),
    (4, "mail_to_a_dead_label_is_held_until_it_lives", ROUTING, "routing: dead"),
    (
        4,
        "the_primary_is_the_one_that_was_chosen_or_the_first_in_natural_order",
        ROUTING,
        "routing: unset",
    ),
    (4, "a_broadcast_is_not_given_again_to_who_has_it", ROUTING, "routing: broadcast"),
    (4, "dropped_mail_is_a_dead_letter_and_not_silence", ROUTING, "routing: drop"),
    (4, HELD_WITHOUT_NAME, ROUTING, "routing: redelivery without a name"),
    (4, HELD_BROADCAST, ROUTING, "routing: redelivery of a broadcast"),
    (4, "what_was_sealed_when_the_relay_died_arrives_once", MAIL, "routing: stale outbox"),
    (5, LOCKED, INSTANCES, "lock: one winner"),
    (5, "a_lock_that_stays_held_is_another_relays", LOCK, "lock: foreign release"),
    (
        5,
        "a_record_of_a_newer_version_or_a_damaged_one_is_shown_and_not_deleted",
        INSTANCES,
        "lock: stale",
    ),
    (
        6,
        "a_second_start_is_told_who_runs_and_a_client_is_connected_to_it",
        INSTANCES,
        "daemon: boot",
    ),
    (
        6,
        "after_down_sessions_live_on_and_are_found_again",
        "e2e/tests/real/journeys/commands.rs",
        "daemon: end, and its lock is free",
    ),
    (
        6,
        "an_agent_asks_another_one_and_its_answer_returns",
        INSIDE,
        "daemon: a thin client sends and reads",
    ),
    (6, "a_reply_finds_its_way_by_number_or_by_id", TOOLS, "daemon: a thin client answers"),
    (7, "the_tools_are_listed_with_their_inputs", TOOLS, "smoke"),
    (
        8,
        "a_session_has_the_identity_of_its_nearest_project_and_outside_of_all_the_default_one",
        MAIL,
        "assignment",
    ),
    (8, "a_session_may_have_an_identity_of_its_own", MAIL, "assignment to one session"),
    (
        9,
        "a_session_speaks_for_itself_and_sees_its_own_mail_only",
        MAIL,
        "adopting an identity: it is not a claim",
    ),
    (
        10,
        "an_agent_is_given_the_tools_to_write_to_others_in_its_own_way",
        "agents/src/launch.rs",
        "a wrapper's words: an agent is started with what it needs to write",
    ),
    (10, "strangers_ask_are_accepted_and_write_to_each_other", HUB, "a contact that is asked"),
    (10, WAITS_FOR_CONTACT, OUTBOX, "what waits for a contact is withheld"),
    (
        11,
        "claude_asks_codex_on_another_machine_while_the_hub_dies",
        "e2e/tests/agents/house/mail.rs",
        "not tested: two real agents",
    ),
    (12, SURVIVES, HUB, "not tested: a crash between acknowledging and routing"),
    (
        12,
        "a_message_whose_relay_is_killed_is_delivered_once_and_in_order",
        INSIDE,
        "not tested: a crash between acknowledging and routing",
    ),
    (13, HOSTILE, MAIL, "not tested: hostile ids"),
    (
        13,
        "any_text_is_read_without_a_panic_and_no_label_breaks_the_rule",
        BODY,
        "not tested: hostile ids",
    ),
    (14, "a_retried_request_sends_nothing_twice", MAIL, "not tested: double send"),
    (14, "a_link_that_breaks_costs_a_repetition_and_nothing_else", HUB, "not tested: double send"),
    (14, "a_hub_that_repeats_or_reorders_changes_nothing", HUB, "not tested: double send"),
    (15, AS_ASKED, RESPONDER, "not tested: the responder"),
    (
        15,
        "one_contact_is_answered_so_often_in_an_hour",
        RESPONDER,
        "not tested: the responder's rate",
    ),
    (
        15,
        "an_answer_after_its_deadline_is_not_sent_and_its_program_is_ended",
        RESPONDER,
        "not tested: the responder's deadline",
    ),
    (
        15,
        "a_relay_that_dies_while_an_answer_is_written_leaves_the_message_to_its_session",
        RESPONDER,
        "not tested: the responder's relay dies",
    ),
    (
        15,
        "a_row_ends_when_somebody_writes_and_that_outlives_the_relay",
        RESPONDER,
        "not tested: the responder's row",
    ),
];

#[test]
fn every_known_defect_of_mail_has_a_test_that_is_there() {
    for (rows, last) in [(MENDED.as_slice(), 18), (&OPEN, 37), (&TESTED, 15)] {
        for (number, test, file, defect) in rows {
            assert!(is_there(test, file), "{number}, {defect}: no {test} in {file}");
        }
        let numbers: std::collections::BTreeSet<u8> = rows.iter().map(|row| row.0).collect();
        assert_eq!(numbers.into_iter().collect::<Vec<_>>(), (1..=last).collect::<Vec<_>>());
    }
}
