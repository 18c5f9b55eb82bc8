//! Who may write, over the wire, with two people and their devices.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use quarterdeck_e2e::{
    harness::{
        canary::Canary,
        client::{Attachment, Peer, Way, recording, watching},
        files::{WholeLog, until_file},
        instance::{Instance, Relay, program_binary},
        ordinary_or_long,
    },
    proxy::{Cut, FaultProxy, Gate, Shape},
    streams::mix,
};
use quarterdeck_protocol::{
    error::{ErrorCode, ErrorDetail, RpcError},
    frame::InputState,
    ids::Epoch,
    method::{
        AttachRole, CreateParams, LeaseOffer, LeaseRelease, LeaseRequest, LeaseTake, OfferParams,
        Role, SessionCreate, SessionParams, TakeParams,
    },
    record::{Fact, LeaseState, RecordKind},
    scope::{Scope, Scopes},
};
use tokio::task::JoinSet;

/// A relay with a session that records what is typed, and tokens for two people.
struct Stage {
    session: String,
    ada: Way,
    bob: Way,
    relay: Relay,
    instance: Instance,
}

impl Stage {
    async fn set() -> Self {
        Self::set_with("").await
    }
    async fn set_with(configuration: &str) -> Self {
        let instance = Instance::new();
        instance.configure(configuration);
        let relay = instance.start_relay(&["--listen", "127.0.0.1:0", "--insecure"]).await;
        let peer = Way::unix(&instance).connect("starter").await;
        let record = format!("record:{}", instance.path("typed").display());
        let program = program_binary().display().to_string();
        let words =
            [program, "raw".to_owned(), record, "print:ready".to_owned(), "wait".to_owned()];
        let params =
            CreateParams { argv: words.to_vec(), record_input: true, ..CreateParams::default() };
        let session = peer.call::<SessionCreate>(&params).await.session.session.to_string();
        let scopes: Scopes = [Scope::Read, Scope::Drive].into_iter().collect();
        let ada = Way::ws(relay.address(), &peer.token("ada", scopes).await);
        let bob = Way::ws(relay.address(), &peer.token("bob", scopes).await);
        Self { session, ada, bob, relay, instance }
    }
    async fn joins(&self, way: &Way, name: &str, role: AttachRole) -> Attachment {
        way.connect(name).await.attach(&watching(&self.session, role)).await
    }
    fn named(&self) -> SessionParams {
        SessionParams { session: self.session.clone() }
    }
    fn taken(&self, reason: Option<&str>) -> TakeParams {
        TakeParams { session: self.session.clone(), reason: reason.map(str::to_owned) }
    }
    async fn typed(&self, text: &str) {
        let file = self.instance.path("typed");
        let seen = until_file(&file, |bytes| bytes.len() >= text.len()).await;
        assert_eq!(String::from_utf8_lossy(&seen), text);
    }
}

/// The owner's name that an error tells, and the epoch.
fn owner_in(error: &RpcError) -> (Option<String>, Epoch) {
    match error.detail() {
        Some(ErrorDetail::Owner { owner, epoch }) => {
            (owner.as_ref().map(|owner| owner.name.clone()), *epoch)
        }
        other => panic!("no owner in {other:?}"),
    }
}

#[tokio::test]
async fn the_first_who_may_drive_owns_and_others_follow() {
    let stage = Stage::set().await;
    let admin = Way::unix(&stage.instance).connect("admin").await;
    let only_read: Scopes = [Scope::Read].into_iter().collect();
    let eve = Way::ws(stage.relay.address(), &admin.token("eve", only_read).await);
    assert!(!stage.joins(&eve, "eve", AttachRole::Auto).await.owns(), "reading is not driving");
    let mut ada = stage.joins(&stage.ada, "laptop", AttachRole::Auto).await;
    assert!(ada.owns());
    let mut bob = stage.joins(&stage.bob, "desk", AttachRole::Auto).await;
    assert!(!bob.owns());
    ada.type_applied(b"a").await;
    let n = bob.try_type(b"b").await.expect("sends");
    bob.until("a rejection", |it| it.inputs.get(&n) == Some(&InputState::Rejected)).await;
    let refused = &bob.rejected[0];
    assert_eq!((refused.n, refused.error.code()), (n, ErrorCode::NotOwner));
    assert_eq!(owner_in(&refused.error), (Some("laptop".to_owned()), ada.epoch));
    stage.typed("a").await;
}

#[tokio::test]
async fn devices_of_one_person_take_turns_at_once_and_old_epochs_are_refused() {
    let stage = Stage::set().await;
    let mut laptop = stage.joins(&stage.ada, "laptop", AttachRole::Auto).await;
    let mut phone = stage.joins(&stage.ada, "phone", AttachRole::Auto).await;
    assert!(laptop.owns() && !phone.owns());
    let mut typed = String::new();
    for turn in 0..20_u32 {
        let (taker, loser) =
            if turn % 2 == 0 { (&mut phone, &mut laptop) } else { (&mut laptop, &mut phone) };
        let old = loser.epoch;
        let taken = taker.peer.call::<LeaseTake>(&stage.taken(None)).await;
        assert_eq!((taken.role, taken.lease.epoch), (Role::Owner, old.next()));
        taker.epoch = taken.lease.epoch;
        taker.type_applied(turn.to_string().as_bytes()).await;
        typed.push_str(&turn.to_string());
        // the loser did not hear of it yet, or did: under the old epoch nothing reaches the program
        loser.epoch = old;
        let n = loser.try_type(b"late").await.expect("sends");
        loser.until("a rejection", |it| it.inputs.get(&n) == Some(&InputState::Rejected)).await;
        let refused = loser.rejected.last().expect("says why");
        assert_eq!(refused.error.code(), ErrorCode::NotOwner);
        assert_eq!(owner_in(&refused.error).1, taken.lease.epoch);
        loser.epoch = taken.lease.epoch;
    }
    stage.typed(&typed).await;
}

#[tokio::test]
async fn another_person_asks_is_offered_and_everyone_sees_it() {
    let stage = Stage::set().await;
    let mut ada = stage.joins(&stage.ada, "laptop", AttachRole::Auto).await;
    let mut bob = stage.joins(&stage.bob, "desk", AttachRole::Auto).await;
    let refused = bob.peer.try_call::<LeaseTake>(&stage.taken(Some("mine"))).await;
    let refused = refused.expect_err("taking from another person needs admin");
    assert!(matches!(refused.code(), ErrorCode::LeaseHeld | ErrorCode::Forbidden), "{refused:?}");
    let refused = bob.peer.try_call::<LeaseRelease>(&stage.named()).await;
    assert_eq!(refused.expect_err("is not his").code(), ErrorCode::NotOwner);
    let asked = bob.peer.call::<LeaseRequest>(&stage.named()).await;
    assert_eq!((asked.role, asked.lease.requested_by.len()), (Role::Follower, 1));
    assert_eq!(asked.lease.requested_by[0].name, "desk");
    let offer = OfferParams { session: stage.session.clone(), to: None };
    let offered = ada.peer.call::<LeaseOffer>(&offer).await;
    assert_eq!(offered.role, Role::Follower);
    let epoch = offered.lease.epoch;
    for attachment in [&mut ada, &mut bob] {
        attachment.until("the new lease", |it| it.epoch == epoch).await;
    }
    bob.type_applied(b"b").await;
    let n = ada.try_type(b"a").await.expect("sends");
    ada.until("a rejection", |it| it.inputs.get(&n) == Some(&InputState::Rejected)).await;
    let released = bob.peer.call::<LeaseRelease>(&stage.named()).await;
    assert_eq!(released.lease.state, LeaseState::Free);
    // whoever was there is not new: a follower is not promoted, and may take what is free
    let again = ada.peer.attach(&watching(&stage.session, AttachRole::Auto)).await;
    assert!(!again.owns());
    assert_eq!(again.peer.call::<LeaseTake>(&stage.taken(None)).await.role, Role::Owner);
    stage.typed("b").await;
}

#[tokio::test]
async fn an_admin_takes_with_a_reason_that_everyone_sees() {
    let stage = Stage::set().await;
    let mut ada = stage.joins(&stage.ada, "laptop", AttachRole::Auto).await;
    let admin = stage.joins(&Way::unix(&stage.instance), "admin", AttachRole::Follow).await;
    let refused = admin.peer.try_call::<LeaseTake>(&stage.taken(None)).await;
    refused.expect_err("without a reason it is not taken");
    let taken = admin.peer.call::<LeaseTake>(&stage.taken(Some("fire drill"))).await;
    assert_eq!(taken.role, Role::Owner);
    ada.until("the new lease", |it| it.epoch == taken.lease.epoch).await;
    let event = ada.events.iter().rfind(|event| event.event == "lease").expect("was told");
    assert!(event.body.get().contains("fire drill"), "{event:?}");
    let journal = std::fs::read_to_string(stage.instance.directory().join("journal.jsonl"));
    assert!(journal.expect("is there").contains("fire drill"));
}

#[tokio::test]
async fn an_owner_returns_within_the_grace_and_after_it_the_next_new_client_owns() {
    let stage = Stage::set_with("[network]\nlease_grace_s = 2\n").await;
    let ada = stage.joins(&stage.ada, "laptop", AttachRole::Auto).await;
    let (ticket, epoch) = (ada.peer.hello.ticket.clone(), ada.epoch);
    let mut bob = stage.joins(&stage.bob, "desk", AttachRole::Auto).await;
    drop(ada);
    let event = |state: &'static str| {
        move |it: &Attachment| {
            let last = it.events.iter().rfind(|event| event.event == "lease");
            last.is_some_and(|event| event.body.get().contains(state))
        }
    };
    bob.until("the owner's grace", event("\"grace\"")).await;
    let peer = stage.ada.connect_again("laptop", &ticket).await;
    let ada = peer.attach(&watching(&stage.session, AttachRole::Auto)).await;
    assert!(ada.owns());
    assert_eq!(ada.epoch, epoch, "the same epoch: nothing that was typed is void");
    bob.until("the owner's return", event("\"held\"")).await;
    drop(ada);
    bob.until("the end of the grace", event("\"free\"")).await;
    let bob = bob.peer.attach(&watching(&stage.session, AttachRole::Auto)).await;
    assert!(!bob.owns(), "who followed is not promoted by itself");
    let late = stage.ada.connect_again("laptop", &ticket).await;
    let new = stage.joins(&stage.bob, "another desk", AttachRole::Auto).await;
    assert!(new.owns(), "the next new client owns");
    let late = late.attach(&watching(&stage.session, AttachRole::Auto)).await;
    assert!(!late.owns());
}

/// One of two who want the same session: takes it, types a little, loses it, over a link that breaks.
struct Fighter {
    way: Way,
    proxy: FaultProxy,
    session: String,
    mark: u8,
    made: u32,
    /// What became of each input, by its text; `None` = the link broke before it was known.
    fates: BTreeMap<String, Option<InputState>>,
    refusals: Vec<ErrorCode>,
}

impl Fighter {
    async fn fight(mut self, until: Instant) -> Self {
        while Instant::now() < until {
            let peer = self.way.connect("fighter").await;
            if self.hold(peer, until).await.is_none() {
                // the link broke
                self.proxy.shape_both(Shape::default());
                self.proxy.set_gate(Gate::Open).await.expect("keeps its port");
            }
        }
        self
    }
    /// Types until the link breaks.
    async fn hold(&mut self, peer: Peer, until: Instant) -> Option<()> {
        let take = TakeParams { session: self.session.clone(), reason: Some("fight".to_owned()) };
        let follow = watching(&self.session, AttachRole::Follow);
        let mut attachment = peer.try_attach(&follow).await.ok()?;
        while Instant::now() < until {
            let taken = attachment.peer.client.call::<LeaseTake>(&take).await.ok()?;
            attachment.epoch = taken.lease.epoch;
            let mut open = BTreeMap::new();
            for _ in 0..5 {
                self.made += 1;
                let text = format!("{}{:07};", char::from(self.mark), self.made);
                self.fates.insert(text.clone(), None);
                let n = attachment.try_type(text.as_bytes()).await.ok()?;
                open.insert(n, text);
            }
            self.spoil();
            while let Some((&n, _)) = open.first_key_value() {
                let applied = attachment.is_applied(n);
                let state = attachment.inputs.get(&n).copied();
                if applied || state == Some(InputState::Rejected) {
                    let text = open.remove(&n).unwrap_or_default();
                    let state = if applied { InputState::Applied } else { InputState::Rejected };
                    self.fates.insert(text, Some(state));
                } else {
                    attachment.step().await.ok()?;
                }
            }
            let codes = attachment.rejected.drain(..).map(|rejected| rejected.error.code());
            self.refusals.extend(codes);
            attachment.inputs.clear();
        }
        Some(())
    }
    /// Now and then something happens to the link.
    fn spoil(&self) {
        match mix(u64::from(self.made) ^ u64::from(self.mark) << 32) % 12 {
            0 => self.proxy.cut(Cut::Reset),
            1 => self.proxy.cut(Cut::Finish),
            2 => self.proxy.shape_both(Shape::delayed(Duration::from_millis(5), Duration::ZERO)),
            3 => self.proxy.shape_both(Shape::default()),
            _ => {}
        }
    }
}

#[tokio::test]
async fn two_people_who_fight_over_partitions_never_both_write() {
    let stage = Stage::set().await;
    let local = Way::unix(&stage.instance);
    let admin = local.connect("admin").await;
    let mut canary = Canary::start(&local).await;
    let until = Instant::now() + Duration::from_secs(ordinary_or_long(5, 60));
    let mut fight = JoinSet::new();
    for (principal, mark) in [("ada", b'A'), ("bob", b'B')] {
        let proxy = FaultProxy::start(stage.relay.address()).expect("starts");
        let way = Way::ws(proxy.address(), &admin.token(principal, Scopes::ALL).await);
        let (fates, refusals, session) = (BTreeMap::new(), Vec::new(), stage.session.clone());
        let fighter = Fighter { way, proxy, session, mark, made: 0, fates, refusals };
        fight.spawn(fighter.fight(until));
    }
    while Instant::now() < until {
        canary.sings().await;
    }
    let fighters = fight.join_all().await;
    let file = stage.instance.path("typed");
    let applied = |fighter: &Fighter| {
        let known = |fate: &&Option<InputState>| **fate == Some(InputState::Applied);
        fighter.fates.values().filter(known).count()
    };
    let least: usize = fighters.iter().map(applied).sum();
    let seen = until_file(&file, |bytes| bytes.len() >= least * 9).await;
    let seen = String::from_utf8(seen).expect("is text");
    let mut counts = BTreeMap::new();
    seen.split_inclusive(';').for_each(|text| *counts.entry(text).or_insert(0) += 1);
    for fighter in &fighters {
        for (text, fate) in &fighter.fates {
            let count = counts.remove(text.as_str()).unwrap_or(0);
            match fate {
                Some(InputState::Applied) => assert_eq!(count, 1, "{text} was applied"),
                Some(_) => assert_eq!(count, 0, "{text} was refused"),
                None => assert!(count <= 1, "{text} is there {count} times"),
            }
        }
        assert!(applied(fighter) > 20, "both got their turns: {}", applied(fighter));
        assert!(!fighter.refusals.is_empty(), "both lost at times");
        assert!(fighter.refusals.iter().all(|code| *code == ErrorCode::NotOwner));
    }
    assert_eq!(counts, BTreeMap::new(), "nothing but whole inputs is there");
    every_input_is_of_the_lease_it_came_under(&stage);
}

fn every_input_is_of_the_lease_it_came_under(stage: &Stage) {
    let log = WholeLog::read(&stage.instance.session_directory(&stage.session));
    let mut lease = (Epoch(0), LeaseState::Free);
    for record in &log.records {
        let fact = Fact::decode(record).expect("is of this version");
        if let Fact::Lease(changed) = fact {
            assert!(changed.epoch >= lease.0, "epochs only rise");
            lease = (changed.epoch, changed.state);
        } else if let Fact::Input(input) = fact {
            assert_eq!(input.epoch, lease.0);
            let (LeaseState::Held { owner } | LeaseState::Grace { owner }) = &lease.1 else {
                panic!("{input:?} under {lease:?}");
            };
            assert_eq!(input.client, owner.client);
        }
    }
    assert!(log.count(RecordKind::Input) > 40);
}

#[tokio::test]
async fn after_a_restart_the_owner_is_in_its_grace() {
    let Stage { session, instance, relay, .. } = Stage::set().await;
    let local = Way::unix(&instance);
    let owner = local.connect("owner").await.attach(&watching(&session, AttachRole::Auto)).await;
    let (ticket, epoch) = (owner.peer.hello.ticket.clone(), owner.epoch);
    relay.kill().await;
    let _relay = instance.start_relay(&[]).await;
    let other = local.connect("other").await.attach(&recording(&session, None)).await;
    assert!(!other.owns(), "the lease is in its grace");
    assert!(matches!(other.answer.session.lease.state, LeaseState::Grace { .. }));
    let peer = local.connect_again("owner", &ticket).await;
    let mut owner = peer.attach(&watching(&session, AttachRole::Auto)).await;
    assert!(owner.owns());
    assert_eq!(owner.epoch, epoch);
    owner.type_applied(b"still me").await;
}
