//! Typing without attaching borrows the lease: nothing of the owner's own typing is lost, doubled or reordered.

use std::cell::Cell;

use quarterdeck_e2e::{
    harness::{
        canary::Canary,
        client::{Attachment, Peer, Way, recording},
        files::until_file,
        instance::{Instance, Relay, program_binary},
        ordinary_or_long,
        overview::Overview,
        terminal::Terminal,
    },
    processes,
};
use quarterdeck_protocol::{
    error::ErrorCode,
    frame::InputState,
    ids::InputNumber,
    method::{InputParams, SessionInput},
    record::{LeaseCause, LeaseRecord, LeaseState},
    session::SessionInfo,
};

/// Lines that an owner types before it looks which of them arrived.
const LINES_AT_A_TIME: usize = 8;

/// A session whose program writes down what it gets, and shows it.
struct Stage {
    session: SessionInfo,
    script: Peer,
    canary: Canary,
    way: Way,
    instance: Instance,
    _relay: Relay,
}

impl Stage {
    async fn set() -> Self {
        let instance = Instance::new();
        let relay = instance.start_relay(&[]).await;
        let way = Way::unix(&instance);
        let canary = Canary::start(&way).await;
        let script = way.connect("script").await;
        let record = format!("record:{}", instance.path("typed").display());
        let program = program_binary().display().to_string();
        let session = script.create([program.as_str(), &record, "print:ready", "wait"]).await;
        Self { session, script, canary, way, instance, _relay: relay }
    }
    fn name(&self) -> String {
        self.session.session.to_string()
    }
    /// Types lines without attaching, each when the one before has arrived; gives them.
    async fn sends(&self, is_over: &Cell<bool>) -> Vec<String> {
        let mut sent = Vec::new();
        for number in 0..ordinary_or_long(200, 2_000) {
            let line = format!("script-{number:05}");
            let text = format!("{line}\n");
            let params = InputParams { session: self.name(), text, n: None };
            self.script.call::<SessionInput>(&params).await;
            sent.push(line);
        }
        for number in 0..5 {
            let line = format!("script-by-command-{number}");
            self.instance.qd(["send", "--enter", &self.name(), &line]).await.ok();
            sent.push(line);
        }
        is_over.set(true);
        sent
    }
    /// Checks that both have typed exactly this.
    async fn check_typed(&self, own: &[String], sent: &[String]) {
        let lines = own.len() + sent.len();
        let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
        let complete = |seen: &[u8]| seen.iter().filter(|byte| is_end(byte)).count() >= lines;
        let typed = until_file(&self.instance.path("typed"), complete).await;
        let typed = String::from_utf8(typed).expect("only text is typed");
        let all: Vec<&str> = typed.split_terminator(['\n', '\r']).collect();
        let (scripts, owners): (Vec<&str>, Vec<&str>) =
            all.iter().partition(|line| line.starts_with("script-"));
        assert_eq!(owners, own, "each line of the owner once and in order");
        assert_eq!(scripts, sent, "each line of the script once and in order");
    }
    /// Checks that a client of this name owns the session.
    async fn check_owner(&self, name: &str) {
        let mut overview = Overview::start(&self.way).await;
        let owned = |info: &SessionInfo| matches!(&info.lease.state, LeaseState::Held { owner } if owner.name.contains(name));
        overview.until(self.session.session, "the owner owns it still", owned).await;
    }
}

fn is_rejected(attachment: &Attachment, n: InputNumber) -> bool {
    attachment.inputs.get(&n) == Some(&InputState::Rejected)
}

fn is_lent(attachment: &Attachment) -> bool {
    let last = attachment.events.iter().rfind(|event| event.event == "lease");
    let last = last.map(|event| serde_json::from_str::<LeaseRecord>(event.body.get()));
    last.is_some_and(|lease| lease.expect("is a lease").why == LeaseCause::Borrow)
}

/// Types lines as an owner does whose lease is lent now and then: what crossed a loan is sent again, under
/// a new number and the epoch with which the lease came back. Gives how many crossed one.
async fn type_through_loans(owner: &mut Attachment, lines: &[String]) -> usize {
    let mut open = Vec::new();
    for line in lines {
        let bytes = format!("{line}\n").into_bytes();
        open.push((owner.try_type(&bytes).await.expect("is connected"), bytes));
    }
    let mut crossed = 0;
    loop {
        let is_settled =
            |it: &Attachment| open.iter().all(|(n, _)| is_rejected(it, *n) || it.is_applied(*n));
        owner.until("all is settled", is_settled).await;
        for rejected in std::mem::take(&mut owner.rejected) {
            assert_eq!(rejected.error.code(), ErrorCode::NotOwner, "{rejected:?}");
        }
        open.retain(|(n, _)| is_rejected(owner, *n));
        crossed += open.len();
        if open.is_empty() {
            owner.inputs.clear();
            return crossed;
        }
        // a loan that has not been heard of yet is met again at the next rejection
        owner.until("the lease comes back", |it| !is_lent(it)).await;
        for (n, bytes) in &mut open {
            *n = owner.try_type(bytes).await.expect("is connected");
        }
    }
}

fn owners_lines(from: usize) -> Vec<String> {
    (from..from + LINES_AT_A_TIME).map(|number| format!("owner-{number:06}")).collect()
}

#[tokio::test]
async fn an_owner_types_on_while_a_script_borrows_the_lease_again_and_again() {
    let mut stage = Stage::set().await;
    let peer = stage.way.connect("writer").await;
    let mut owner = peer.attach(&recording(&stage.name(), None)).await;
    assert!(owner.owns());
    owner.until_text("ready").await;
    let is_over = Cell::new(false);
    let typing = async {
        let (mut own, mut crossed) = (Vec::new(), 0);
        while !is_over.get() {
            let lines = owners_lines(own.len());
            crossed += type_through_loans(&mut owner, &lines).await;
            own.extend(lines);
        }
        (own, crossed)
    };
    let (sent, (own, crossed)) = tokio::join!(stage.sends(&is_over), typing);
    assert!(crossed > 0, "the two got into each other's way");
    stage.check_typed(&own, &sent).await;
    stage.check_owner("writer").await;
    type_through_loans(&mut owner, &["and on".to_owned()]).await;
    stage.canary.sings().await;
}

#[tokio::test]
async fn a_person_types_on_in_a_terminal_while_a_script_sends() {
    let mut stage = Stage::set().await;
    let mut terminal = Terminal::qd(&stage.instance, &["attach", &stage.name()]);
    terminal.until_text("ready").await;
    let is_over = Cell::new(false);
    let typing = async {
        let mut own = Vec::new();
        while !is_over.get() {
            let lines = owners_lines(own.len());
            terminal.type_keys(format!("{}\r", lines.join("\r")).as_bytes()).await;
            own.extend(lines);
            let last = own.last().expect("there are some").as_bytes();
            terminal.until("its echo", |it| processes::contains(&it.raw, last)).await;
        }
        own
    };
    let (sent, own) = tokio::join!(stage.sends(&is_over), typing);
    stage.check_typed(&own, &sent).await;
    stage.check_owner("qd").await;
    terminal.type_keys(b"\x1dd").await;
    assert!(terminal.until_ended().await.success());
    stage.canary.sings().await;
}
