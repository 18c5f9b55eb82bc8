//! Agents of two relays write to each other through one hub, whatever dies on the way.

use std::fs;

use quarterdeck_e2e::{
    harness::{
        agent::{self, Watcher},
        client::{Peer, Way},
        hub::Fleet,
        look_again,
        mail::{introduce, person},
        news::News,
        ordinary_or_long, within,
    },
    streams::mix,
};
use quarterdeck_protocol::{
    method::{
        MailChanged, MailContacts, MailIdentityParams, MailJob, MailSend, MailSendParams,
        MailStatus, MailStatusParams, MailWait, MailWaitParams,
    },
    scope::Scope,
    session::notify,
};
use quarterdeck_transport::CallError;

async fn until_state(peer: &Peer, sent: &MailJob, states: &[&str]) {
    let params = MailStatusParams { id: Some(sent.id.clone()), identity: None };
    within("the sender is told", async {
        loop {
            let found = peer.call::<MailStatus>(&params).await;
            if found.jobs.iter().any(|job| states.contains(&job.state.state.as_str())) {
                return;
            }
            look_again().await;
        }
    })
    .await;
}

fn to(contact: &str, session: &str, body: &str) -> MailSendParams {
    MailSendParams {
        to: Some(contact.to_owned()),
        to_session: Some(session.parse().expect("a label")),
        body: body.to_owned(),
        ..MailSendParams::default()
    }
}

async fn fleet() -> Fleet {
    let fleet = Fleet::start_with(|it| it.configure(&agent::configuration(it))).await;
    introduce(&fleet.here, &fleet.there, None).await;
    fleet
}

#[tokio::test]
async fn an_agent_of_another_machine_gets_a_message_that_the_hub_cannot_read() {
    let fleet = fleet().await;
    let (near, far) = (person(&fleet.here).await, person(&fleet.there).await);
    let first = agent::start(&far).await;
    let second = agent::start(&far).await;
    let mut watcher = Watcher::start(&Way::unix(&fleet.there), &second).await;
    let text = "say the-key-is-under-the-mat";
    let sent = near.call::<MailSend>(&to("far", "claude:2", text)).await;
    watcher.turns(1).await;
    assert_eq!(agent::times(&fleet.there, text), 1);
    assert_eq!(agent::view(&far, &first).await.turns, 0, "it is for claude:2 only");
    until_state(&near, &sent, &["delivered", "read"]).await;
    let reply = MailSendParams {
        in_reply_to: Some("#1".into()),
        body: "found it".into(),
        ..MailSendParams::default()
    };
    far.call::<MailSend>(&reply).await;
    let wait = MailWaitParams {
        from: Some("far".into()),
        in_reply_to: Some(sent.id.clone()),
        wait_ms: 20_000,
        ..MailWaitParams::default()
    };
    let came = near.call::<MailWait>(&wait).await.message.expect("an answer");
    assert_eq!((came.text.as_str(), came.in_reply_to), ("found it", Some(sent.id.clone())));
    until_state(&near, &sent, &["read"]).await;
    for file in ["hub.db", "hub.db-wal"] {
        let Ok(bytes) = fs::read(fleet.here.directory().join(file)) else { continue };
        for word in ["under-the-mat", "found it", "claude:2"] {
            let found = bytes.windows(word.len()).any(|it| it == word.as_bytes());
            assert!(!found, "{word} stands in {file}");
        }
    }
}

#[tokio::test]
async fn who_may_drive_is_told_how_much_mail_there_is_on_each_machine_and_nobody_else_is() {
    let fleet = fleet().await;
    let near = person(&fleet.here).await;
    let admin = Way::hub(&fleet.here).connect("admin").await;
    let token = admin.token("watcher", [Scope::Read].into_iter().collect()).await;
    let address = fleet.hub.address().parse().expect("an address");
    let mut news = News::watch(&Way::hub(&fleet.here)).await;
    let mut reader = News::watch(&Way::ws(address, &token)).await;
    near.call::<MailSend>(&to("far", "person", "for-people-there")).await;
    let unread = |told: &MailChanged| told.identities.iter().map(|it| it.unread).sum::<u32>();
    let mut told = news.mail().await;
    while unread(&told) == 0 {
        told = news.mail().await;
    }
    assert!(told.machine.is_some(), "a hub says whose it is");
    let text = serde_json::to_string(&told).expect("is JSON");
    assert!(!text.contains("people-there"), "numbers and no word: {text}");
    // what is told later than that, the reader is told too
    near.create(["sleep", "60"]).await;
    for (method, text) in reader.until_session_changed().await {
        assert!(method != notify::MAIL_CHANGED && !text.contains("unread"), "{method}: {text}");
    }
}

#[tokio::test]
async fn whoever_dies_between_two_agents_nothing_is_lost_repeated_or_disordered() {
    let mut fleet = fleet().await;
    let session = agent::start(&person(&fleet.there).await).await;
    let way = Way::unix(&fleet.there);
    let mut watcher = Watcher::start(&way, &session).await;
    let rounds = ordinary_or_long(6, 100);
    for round in 0..rounds {
        let params = MailSendParams {
            request_id: Some(format!("request-{round}")),
            ..to("far", "claude:1", &format!("say round-{round}"))
        };
        let peer = person(&fleet.here).await;
        {
            let sending = peer.client.call::<MailSend>(&params);
            let dying = async {
                for _ in 0..mix(round) % 200 {
                    tokio::task::yield_now().await;
                }
                fleet.strike(round);
            };
            if let (Err(CallError::Rpc(error)), ()) = tokio::join!(sending, dying) {
                panic!("round {round}: {error:?}");
            }
        }
        fleet = fleet.struck(round).await;
        person(&fleet.here).await.call::<MailSend>(&params).await;
        watcher.again(&way).await;
        watcher.turns(usize::try_from(round).expect("small") + 1).await;
    }
    let journal = agent::journal(&fleet.there);
    let bodies: Vec<&String> =
        journal.iter().filter(|line| line.starts_with("say round-")).collect();
    let expected: Vec<String> = (0..rounds).map(|round| format!("say round-{round}")).collect();
    assert_eq!(bodies, expected.iter().collect::<Vec<_>>());
}

#[tokio::test]
async fn messages_that_cross_each_other_all_arrive_in_order() {
    let fleet = fleet().await;
    let (near, far) = (person(&fleet.here).await, person(&fleet.there).await);
    let known = far.call::<MailContacts>(&MailIdentityParams::default()).await.contacts;
    let count = 100;
    let exchange = async |peer: &Peer, name: &str| {
        let texts: Vec<MailSendParams> =
            (0..count).map(|n| to(name, "person", &n.to_string())).collect();
        let receiving = async {
            let params = MailWaitParams { wait_ms: 20_000, ..MailWaitParams::default() };
            let mut texts = Vec::new();
            while texts.len() < count {
                texts.push(peer.call::<MailWait>(&params).await.message.expect("comes").text);
            }
            texts
        };
        let sending = async {
            for params in &texts {
                peer.call::<MailSend>(params).await;
            }
        };
        tokio::join!(sending, receiving).1
    };
    let crossed = tokio::join!(exchange(&near, "far"), exchange(&far, &known[0].name));
    let expected: Vec<String> = (0..count).map(|n| n.to_string()).collect();
    assert_eq!(crossed, (expected.clone(), expected));
}

/// How fast they pass is measured by `qd-bench --parts mail`.
#[tokio::test]
async fn many_messages_pass_in_order() {
    let fleet = fleet().await;
    let (near, far) = (person(&fleet.here).await, person(&fleet.there).await);
    let count: usize = ordinary_or_long(300, 5_000);
    let sending = async {
        let texts = (0..count).map(|n| to("far", "person", &n.to_string()));
        for some in texts.collect::<Vec<_>>().chunks(30) {
            let calls = some.iter().map(|params| near.call::<MailSend>(params));
            futures_util::future::join_all(calls).await;
        }
    };
    let receiving = async {
        let params = MailWaitParams { wait_ms: 20_000, ..MailWaitParams::default() };
        let mut texts = Vec::with_capacity(count);
        while texts.len() < count {
            let came = far.call::<MailWait>(&params).await.message.expect("a message");
            texts.push(came.text);
        }
        texts
    };
    let ((), texts) = tokio::join!(sending, receiving);
    let expected: Vec<String> = (0..count).map(|n| n.to_string()).collect();
    assert_eq!(texts, expected);
}
