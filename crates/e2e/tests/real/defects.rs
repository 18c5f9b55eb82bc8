//! The seventeen known defects of the program that instances and Remote Control are taken from, and the test that
//! holds the right behaviour of each. The table is checked: a test that is renamed must be renamed here.

mod mail;

use std::{fs, path::Path};

/// Number, defect, test, file below `crates`.
const TABLE: [(u8, &str, &str, &str); 21] = [
    (
        1,
        "a blank or odd name falls back to the shared root",
        "a_blank_name_never_falls_back_to_the_shared_root",
        "e2e/tests/real/instances.rs",
    ),
    (
        2,
        "two names lead to one directory",
        "names_that_look_alike_are_never_mapped_to_one_directory",
        "e2e/tests/real/instances.rs",
    ),
    (
        3,
        "a path with ~ or a relative one is passed on as it is",
        "rc_expands_paths_and_checks_them_before_it_starts",
        "e2e/tests/real/remote_control.rs",
    ),
    (
        4,
        "the docs name a flag that is not there",
        "the_reference_is_what_the_program_says",
        "cli/src/args/reference.rs",
    ),
    (
        4,
        "the docs name a flag that is not there",
        "rc_account_takes_a_profile_or_a_path",
        "cli/src/commands/rc.rs",
    ),
    (
        5,
        "the docs contradict themselves about the lock",
        "the_guide_to_instances_is_true",
        "e2e/tests/real/guides.rs",
    ),
    (
        6,
        "an unknown error of a pid's check counts as dead",
        "an_instance_runs_while_its_lock_is_held_whatever_its_record_says",
        "relay/src/catalogue.rs",
    ),
    (
        7,
        "a second start makes a second server",
        "a_second_start_is_told_who_runs_and_a_client_is_connected_to_it",
        "e2e/tests/real/instances.rs",
    ),
    (
        8,
        "no lock at all",
        "of_fifty_that_start_one_instance_one_wins_and_the_others_say_who",
        "e2e/tests/real/instances.rs",
    ),
    (
        9,
        "records that cannot be read are deleted",
        "a_record_of_a_newer_version_or_a_damaged_one_is_shown_and_not_deleted",
        "e2e/tests/real/instances.rs",
    ),
    (
        10,
        "a reused pid makes a dead instance live",
        "a_reused_pid_does_not_make_a_dead_instance_live",
        "e2e/tests/real/instances.rs",
    ),
    (
        11,
        "a port is looked for and then bound",
        "a_port_that_is_asked_for_is_bound_or_the_start_fails_and_a_free_one_is_told",
        "e2e/tests/real/instances.rs",
    ),
    (
        12,
        "a raw name reaches the terminal",
        "only_canonical_names_are_instances_and_the_hint_is_the_canonical_one",
        "access/src/instance.rs",
    ),
    (
        13,
        "Remote Control ignores its profile's program",
        "rc_uses_the_command_and_variables_of_its_profile",
        "relay/src/remote.rs",
    ),
    (
        13,
        "another account moves HOME, and git and ssh with it",
        "rc_expands_paths_and_checks_them_before_it_starts",
        "e2e/tests/real/remote_control.rs",
    ),
    (
        14,
        "a word that is passed on becomes the name",
        "rc_passthrough_words_cannot_become_the_sessions_name",
        "agents/src/remote/tests.rs",
    ),
    (
        14,
        "a word that is passed on becomes the name",
        "rc_refuses_flags_that_conflict_and_names_swallow_no_words",
        "e2e/tests/real/remote_control.rs",
    ),
    (
        15,
        "variables that make it refuse are inherited",
        "rc_names_each_variable_in_its_way_and_strips_it_only_when_asked",
        "e2e/tests/real/remote_control.rs",
    ),
    (
        16,
        "kept as it was right: registration can fail and nothing else does",
        "announcements_that_cannot_be_written_stop_no_relay",
        "e2e/tests/real/instances.rs",
    ),
    (
        16,
        "kept as it was right: what is gone is forgotten",
        "instances_of_other_base_directories_are_found_and_one_that_was_deleted_is_forgotten",
        "e2e/tests/real/instances.rs",
    ),
    (
        17,
        "no program with arguments and environment on a terminal",
        "its_address_and_code_are_shown_and_its_states_are_followed",
        "e2e/tests/real/remote_control.rs",
    ),
];

/// Whether a file below `crates` has this test.
fn is_there(test: &str, file: &str) -> bool {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = fs::read_to_string(crates.join(file)).unwrap_or_default();
    text.contains(&format!("fn {test}("))
}

#[test]
fn every_known_defect_has_a_test_that_is_there() {
    for (number, defect, test, file) in TABLE {
        assert!(is_there(test, file), "{number}, {defect}: no {test} in {file}");
    }
    let numbers: std::collections::BTreeSet<u8> = TABLE.iter().map(|row| row.0).collect();
    assert_eq!(numbers.into_iter().collect::<Vec<_>>(), (1..=17).collect::<Vec<_>>());
}
