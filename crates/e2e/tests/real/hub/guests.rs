//! People of different owners: each has a hub and a relay, and lets the other's hub carry mail and do
//! nothing else.

use quarterdeck_e2e::harness::{
    client::Way,
    hub::{Hub, machines, until_machine},
    instance::{Instance, Relay},
    look_again,
    mail::{introduce, person},
    within,
};
use quarterdeck_protocol::{
    error::ErrorCode,
    method::{
        CreateParams, Empty, MachineInfo, MachineState, MailContacts, MailIdentities,
        MailIdentityParams, MailSend, MailSendParams, MailWait, MailWaitParams,
        PairingInviteResult, SessionCreate, SessionList,
    },
};

/// What one owner has.
struct Owner {
    instance: Instance,
    relay: Relay,
    hub: Hub,
}

impl Owner {
    async fn new() -> Self {
        let instance = Instance::new();
        let relay = instance.start_relay(&[]).await;
        let hub = instance.start_hub(&["--tls"]).await;
        let owner = Self { instance, relay, hub };
        owner.until_home(&owner.hub).await;
        owner
    }

    /// Until the identity lives at this hub.
    async fn until_home(&self, hub: &Hub) {
        let peer = person(&self.instance).await;
        let home = hub.status.hub.to_string();
        within("the identity has its home", async {
            loop {
                let found = peer.call::<MailIdentities>(&Empty {}).await;
                if found.identities[0].home.as_ref() == Some(&home) {
                    return;
                }
                look_again().await;
            }
        })
        .await;
    }

    /// Lets another owner's hub carry mail.
    async fn visits(&self, other: &Self, label: &str) {
        let words = ["machine", "invite", "--label", label, "--json"];
        let invited = other.instance.qd(words).await.ok();
        let line = invited.json::<PairingInviteResult>().line;
        self.instance.qd_reading(["join", "--mail-only", "--name", "theirs"], &line).await.ok();
        let way = Way::hub(&other.instance);
        let connected = |it: &MachineInfo| it.state == MachineState::Connected;
        until_machine(&way, label, "the guest is linked", connected).await;
    }
}

async fn says(from: &Instance, to: &str, text: &str) {
    let params = MailSendParams {
        to: Some(to.to_owned()),
        to_session: Some("person".parse().expect("a label")),
        body: text.to_owned(),
        ..MailSendParams::default()
    };
    person(from).await.call::<MailSend>(&params).await;
}

async fn hears(at: &Instance, text: &str) {
    let params = MailWaitParams { wait_ms: 20_000, ..MailWaitParams::default() };
    let came = person(at).await.call::<MailWait>(&params).await.message.expect("a message");
    assert_eq!(came.text, text);
}

/// The name by which the one that asked is known.
async fn name_of_other(at: &Instance) -> String {
    let known = person(at).await.call::<MailContacts>(&MailIdentityParams::default()).await;
    known.contacts[0].name.clone()
}

#[tokio::test]
async fn another_owners_hub_carries_mail_and_sees_and_does_nothing_else() {
    let (ours, theirs) = (Owner::new().await, Owner::new().await);
    ours.visits(&theirs, "guest").await;
    theirs.visits(&ours, "guest").await;
    introduce(&ours.instance, &theirs.instance, None).await;
    let us = name_of_other(&theirs.instance).await;
    says(&ours.instance, "far", "from us").await;
    hears(&theirs.instance, "from us").await;
    says(&theirs.instance, &us, "from them").await;
    hears(&ours.instance, "from them").await;

    person(&theirs.instance).await.create(["sleep", "1000"]).await;
    let guest = Way::hub(&ours.instance).on("guest").connect("curious").await;
    assert_eq!(guest.call::<SessionList>(&Empty {}).await.sessions, []);
    let refused = guest.try_call::<SessionCreate>(&CreateParams::default()).await;
    assert_eq!(refused.err().map(|error| error.code()), Some(ErrorCode::Forbidden));
    let seen = machines(&Way::hub(&ours.instance).connect("admin").await).await;
    let guest = seen.iter().find(|it| it.label.as_str() == "guest").expect("is there");
    assert_eq!(guest.state, MachineState::Connected);
    let shown = ours.instance.qd(["machine", "ls"]).await.ok().text();
    assert!(shown.contains("connected, for mail only"), "{shown}");
    let shown = theirs.instance.qd(["relay", "hubs"]).await.ok().text();
    assert!(shown.contains("mail only"), "{shown}");
}

#[tokio::test]
async fn an_identity_moves_to_another_hub_and_its_contacts_find_it_there() {
    let (ours, theirs) = (Owner::new().await, Owner::new().await);
    theirs.visits(&ours, "guest").await;
    let other = theirs.instance.qd(["msg", "identity", "home", "nobody"]).await;
    assert!(other.stderr.contains("qd relay hubs"), "{other:?}");
    theirs.instance.qd(["msg", "identity", "home", "theirs"]).await.ok();
    theirs.until_home(&ours.hub).await;
    introduce(&ours.instance, &theirs.instance, None).await;
    let us = name_of_other(&theirs.instance).await;
    says(&ours.instance, "far", "one").await;
    hears(&theirs.instance, "one").await;

    // home again: who does not know that yet writes to where it was, and both ways go on
    ours.visits(&theirs, "guest").await;
    let own = theirs.hub.status.hub.to_string();
    theirs.instance.qd(["msg", "identity", "home", &own]).await.ok();
    theirs.until_home(&theirs.hub).await;
    says(&ours.instance, "far", "two").await;
    hears(&theirs.instance, "two").await;
    says(&theirs.instance, &us, "three").await;
    hears(&ours.instance, "three").await;
    let Owner { hub, instance: here, relay } = ours;
    // the hub that was left is not needed any more
    let Owner { hub: kept, instance: there, relay: their_relay } = theirs;
    there.qd(["relay", "forget", "theirs"]).await.ok();
    says(&here, "far", "four").await;
    hears(&there, "four").await;
    drop((hub, relay, kept, their_relay));
}
