use std::{format, vec::Vec};

use proptest::prelude::*;

use super::*;

const T0: Duration = Duration::from_secs(1000);
const GRACE: Duration = DEFAULT_GRACE;

fn client(n: u8, principal: &str) -> Owner {
    Owner {
        client: ClientId::from_bytes([n; 16]),
        principal: format!("r_0/{principal}").parse().expect("valid principal"),
        name: format!("client {n}"),
    }
}

fn attach(lease: &mut OwnerLease, who: &Owner) -> Role {
    lease.handle_attach(who, AttachRole::Auto, Standing::Drive, None).expect("auto never fails")
}

/// Causes of the changes since the last call, with the epoch of each.
fn changes(lease: &mut OwnerLease) -> Vec<(u64, LeaseCause)> {
    core::iter::from_fn(|| lease.poll_change()).map(|c| (c.epoch.0, c.why)).collect()
}

#[test]
fn the_first_client_that_may_drive_owns_and_later_ones_follow() {
    let mut lease = OwnerLease::new(GRACE);
    let (watcher, ada, bob) = (client(1, "w"), client(2, "ada"), client(3, "bob"));
    let role = lease.handle_attach(&watcher, AttachRole::Auto, Standing::Watch, None);
    assert_eq!(role, Ok(Role::Follower));
    assert_eq!(attach(&mut lease, &ada), Role::Owner);
    assert_eq!(attach(&mut lease, &bob), Role::Follower);
    assert_eq!(changes(&mut lease), [(1, LeaseCause::Attach)]);
    assert_eq!(lease.check_input(ada.client, Epoch(1)), Ok(()));
    let refused = lease.check_input(bob.client, Epoch(1));
    assert_eq!(refused, Err(LeaseRefusal::NotOwner { owner: Some(ada), epoch: Epoch(1) }));
}

#[test]
fn an_owner_that_comes_back_within_its_grace_keeps_its_epoch() {
    let mut lease = OwnerLease::new(GRACE);
    let (ada, bob) = (client(1, "ada"), client(2, "bob"));
    attach(&mut lease, &ada);
    lease.handle_link_lost(ada.client, T0);
    assert_eq!(attach(&mut lease, &bob), Role::Follower);
    assert!(lease.check_input(ada.client, Epoch(1)).is_err(), "not while its link is gone");
    lease.handle_timeout(T0 + GRACE - Duration::from_nanos(1));
    assert_eq!(attach(&mut lease, &ada), Role::Owner);
    assert_eq!(lease.check_input(ada.client, Epoch(1)), Ok(()));
    assert_eq!(
        changes(&mut lease),
        [(1, LeaseCause::Attach), (1, LeaseCause::LinkLost), (1, LeaseCause::Return)]
    );
    assert_eq!(lease.poll_timeout(), None);
}

#[test]
fn after_the_grace_the_next_new_attach_takes_it_and_no_follower_is_promoted() {
    let mut lease = OwnerLease::new(GRACE);
    let (ada, bob, eve) = (client(1, "ada"), client(2, "bob"), client(3, "eve"));
    attach(&mut lease, &ada);
    attach(&mut lease, &bob);
    lease.handle_link_lost(ada.client, T0);
    lease.handle_timeout(T0 + GRACE);
    assert_eq!(lease.owner(), None);
    assert_eq!(attach(&mut lease, &bob), Role::Follower, "a re-attach is not new");
    assert_eq!(attach(&mut lease, &eve), Role::Owner);
    assert_eq!(lease.epoch(), Epoch(3), "freed and taken");
}

#[test]
fn a_former_owner_that_finds_the_session_free_owns_it_again() {
    let mut lease = OwnerLease::new(GRACE);
    let ada = client(1, "ada");
    attach(&mut lease, &ada);
    lease.handle_link_lost(ada.client, T0);
    lease.handle_timeout(T0 + GRACE);
    assert_eq!(attach(&mut lease, &ada), Role::Owner);
    assert!(lease.check_input(ada.client, Epoch(1)).is_err(), "the old epoch is gone");
}

#[test]
fn another_client_of_the_same_principal_takes_over_at_once() {
    let mut lease = OwnerLease::new(GRACE);
    let (laptop, phone) = (client(1, "ada"), client(2, "ada"));
    attach(&mut lease, &laptop);
    attach(&mut lease, &phone);
    assert_eq!(lease.handle_take(&phone, Standing::Drive, None), Ok(()));
    assert_eq!(lease.check_input(phone.client, Epoch(2)), Ok(()));
    assert!(lease.check_input(laptop.client, Epoch(1)).is_err());
    assert_eq!(lease.handle_take(&laptop, Standing::Drive, None), Ok(()));
    let causes = [(1, LeaseCause::Attach), (2, LeaseCause::Takeover), (3, LeaseCause::Takeover)];
    assert_eq!(changes(&mut lease), causes);
}

#[test]
fn another_principal_needs_admin_and_a_reason() {
    let mut lease = OwnerLease::new(GRACE);
    let (ada, bob) = (client(1, "ada"), client(2, "bob"));
    attach(&mut lease, &ada);
    let held = LeaseRefusal::Held { owner: ada, epoch: Epoch(1) };
    assert_eq!(lease.handle_take(&bob, Standing::Drive, Some("please")), Err(held));
    for reason in [None, Some(""), Some("  ")] {
        let refused = lease.handle_take(&bob, Standing::Admin, reason);
        assert_eq!(refused, Err(LeaseRefusal::ReasonMissing));
    }
    assert_eq!(lease.handle_take(&bob, Standing::Admin, Some("on call")), Ok(()));
    assert_eq!(lease.owner(), Some(&bob));
}

#[test]
fn a_request_waits_for_the_owner_who_offers_or_releases() {
    let mut lease = OwnerLease::new(GRACE);
    let (ada, bob, eve) = (client(1, "ada"), client(2, "bob"), client(3, "eve"));
    attach(&mut lease, &ada);
    assert_eq!(lease.handle_offer(ada.client, None), Err(LeaseRefusal::NobodyAsked));
    assert_eq!(lease.handle_request(&bob, Standing::Drive), Ok(Role::Follower));
    assert_eq!(lease.handle_request(&eve, Standing::Drive), Ok(Role::Follower));
    assert_eq!(lease.view().requested_by, [bob.clone(), eve.clone()]);
    assert!(matches!(lease.handle_offer(bob.client, None), Err(LeaseRefusal::NotOwner { .. })));
    assert_eq!(lease.handle_offer(ada.client, Some(eve.client)), Ok(()));
    assert_eq!(lease.owner(), Some(&eve));
    assert_eq!(lease.view().requested_by, core::slice::from_ref(&bob));
    assert_eq!(lease.handle_release(eve.client), Ok(()));
    assert_eq!(lease.owner(), None);
    assert_eq!(lease.handle_request(&bob, Standing::Drive), Ok(Role::Owner), "a free one is given");
}

#[test]
fn requests_are_bounded_and_the_newest_stay() {
    let mut lease = OwnerLease::new(GRACE);
    attach(&mut lease, &client(0, "ada"));
    for n in 1..=MAX_REQUESTS as u8 + 3 {
        let _ = lease.handle_request(&client(n, "bob"), Standing::Drive);
    }
    let requests = lease.view().requested_by;
    assert_eq!(requests.len(), MAX_REQUESTS);
    assert_eq!(requests[0].client, client(4, "bob").client);
}

#[test]
fn a_borrowed_lease_goes_back_to_where_it_was_under_a_new_epoch() {
    let mut lease = OwnerLease::new(GRACE);
    let (ada, script, bob) = (client(1, "ada"), client(2, "ada"), client(3, "bob"));
    attach(&mut lease, &ada);
    let borrowed = lease.borrow_for(&script, Standing::Drive).expect("same principal");
    assert_eq!(lease.check_input(script.client, Epoch(2)), Ok(()));
    lease.return_borrowed(borrowed);
    assert_eq!(lease.check_input(ada.client, Epoch(3)), Ok(()));
    assert!(matches!(lease.borrow_for(&bob, Standing::Admin), Err(LeaseRefusal::Held { .. })));

    lease.handle_link_lost(ada.client, T0);
    let borrowed = lease.borrow_for(&script, Standing::Drive).expect("same principal");
    assert_eq!(lease.poll_timeout(), None);
    lease.return_borrowed(borrowed);
    assert_eq!(lease.poll_timeout(), Some(T0 + GRACE), "the grace goes on");
}

#[test]
fn after_a_relay_restart_a_held_lease_is_in_its_grace() {
    let ada = client(1, "ada");
    let recorded = Lease { epoch: Epoch(5), state: LeaseState::Held { owner: ada.clone() } };
    let mut lease = OwnerLease::recover(recorded, GRACE, T0);
    assert_eq!(changes(&mut lease), [(5, LeaseCause::RelayRestart)]);
    assert_eq!(attach(&mut lease, &client(2, "ada")), Role::Follower);
    assert_eq!(attach(&mut lease, &ada), Role::Owner);
    assert_eq!(lease.check_input(ada.client, Epoch(5)), Ok(()));
}

#[derive(Debug, Clone)]
enum Step {
    Attach(u8, AttachRole),
    Lost(u8),
    Take(u8),
    Request(u8),
    Offer(u8),
    Release(u8),
    Borrow(u8),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let n = 0u8..5;
    let roles = [AttachRole::Auto, AttachRole::Follow, AttachRole::Take];
    prop_oneof![
        (n.clone(), proptest::sample::select(roles.to_vec())).prop_map(|(n, r)| Step::Attach(n, r)),
        n.clone().prop_map(Step::Lost),
        n.clone().prop_map(Step::Take),
        n.clone().prop_map(Step::Request),
        n.clone().prop_map(Step::Offer),
        n.clone().prop_map(Step::Release),
        n.prop_map(Step::Borrow),
        (0u64..200).prop_map(Step::Wait),
    ]
}

proptest! {
    /// Whatever happens: the epoch never falls, a change of owner raises it, and at most one client
    /// may write.
    #[test]
    fn one_owner_per_epoch(steps in proptest::collection::vec(step(), 1..80)) {
        let mut lease = OwnerLease::new(GRACE);
        let mut now = T0;
        let mut owner_of_epoch = BTreeMap::new();
        let who = |n: u8| client(n, if n.is_multiple_of(2) { "ada" } else { "bob" });
        for step in steps {
            let before = lease.epoch();
            match step {
                Step::Attach(n, role) => {
                    let _ = lease.handle_attach(&who(n), role, Standing::Admin, Some("why"));
                }
                Step::Lost(n) => lease.handle_link_lost(who(n).client, now),
                Step::Take(n) => { let _ = lease.handle_take(&who(n), Standing::Drive, None); }
                Step::Request(n) => { let _ = lease.handle_request(&who(n), Standing::Drive); }
                Step::Offer(n) => { let _ = lease.handle_offer(who(n).client, None); }
                Step::Release(n) => { let _ = lease.handle_release(who(n).client); }
                Step::Borrow(n) => if let Ok(b) = lease.borrow_for(&who(n), Standing::Drive) {
                    lease.return_borrowed(b);
                },
                Step::Wait(s) => {
                    now += Duration::from_secs(s);
                    lease.handle_timeout(now);
                }
            }
            prop_assert!(lease.epoch() >= before);
            let writers = (0..5).filter(|n| lease.check_input(who(*n).client, lease.epoch()).is_ok());
            prop_assert!(writers.count() <= 1);
            if let Some(owner) = lease.owner() {
                let first = owner_of_epoch.entry(lease.epoch()).or_insert(owner.client);
                prop_assert_eq!(*first, owner.client);
                prop_assert!(lease.view().requested_by.iter().all(|r| r.client != owner.client));
            }
            prop_assert_eq!(lease.poll_timeout().is_some(), matches!(lease.view().state, LeaseState::Grace { .. }));
        }
    }
}
