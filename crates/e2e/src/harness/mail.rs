//! Two relays whose people know each other.

use quarterdeck_protocol::method::{
    ContactDecision, MailContactAdd, MailContactAddParams, MailContactDecide, MailContactParams,
    MailContacts, MailIdentityParams, MailWhoami,
};

use super::{
    client::{Peer, Way},
    instance::Instance,
    look_again, within,
};

/// A person at a relay.
pub async fn person(instance: &Instance) -> Peer {
    Way::unix(instance).connect("person").await
}

/// An identity of `here` (the default one without a name) asks the default one of `there`, which
/// accepts. It knows it as `far`.
///
/// # Panics
/// When they do not come to know each other.
pub async fn introduce(here: &Instance, there: &Instance, identity: Option<&str>) {
    let (near, far) = (person(here).await, person(there).await);
    let of_near = MailIdentityParams { identity: identity.map(str::to_owned) };
    let address = far.call::<MailWhoami>(&MailIdentityParams::default()).await.address;
    let ask = MailContactAddParams {
        identity: of_near.identity.clone(),
        contact: address,
        name: Some("far".into()),
        ..MailContactAddParams::default()
    };
    within("the hub knows the address", async {
        while near.try_call::<MailContactAdd>(&ask).await.is_err() {
            look_again().await;
        }
    })
    .await;
    let own = near.call::<MailWhoami>(&of_near).await;
    let of_far = MailIdentityParams::default();
    until_standing(&far, &of_far, &own.address, "asking").await;
    let known = far.call::<MailContacts>(&of_far).await.contacts;
    let asking = known.iter().find(|it| it.address == own.address).expect("is known");
    assert_eq!(asking.fingerprint, own.fingerprint, "what people compare is the same");
    let (contact, decision) = (own.address, ContactDecision::Accept);
    let accept = MailContactParams { identity: None, contact, decision };
    far.call::<MailContactDecide>(&accept).await;
    until_standing(&near, &of_near, &ask.contact, "accepted").await;
}

async fn until_standing(peer: &Peer, of: &MailIdentityParams, address: &str, standing: &str) {
    within(standing, async {
        loop {
            let contacts = peer.call::<MailContacts>(of).await.contacts;
            if contacts.iter().any(|it| it.address == address && it.standing == standing) {
                return;
            }
            look_again().await;
        }
    })
    .await;
}
