//! A relay's orders: checked, carried out in one transaction, and told.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use quarterdeck_access::clock;
use quarterdeck_protocol::method::{CarryNews, CarryOrder, CarryRest, MailCard, MailKey};
use quarterdeck_seal::{Card, IdentityKey, Sealed, SignedKey, carried::Statement, key::Purpose};

use super::{Bell, CarryError};
use crate::{
    context::Context,
    limits::MAX_CARRY_LETTERS,
    store::{MailOrder, MailOutcome, Mailbox},
};

/// What is to be told once the order is carried out.
#[derive(Debug)]
enum Told {
    Registered(IdentityKey),
    Claimed { by: String, peer: String },
    Taken { from: String, to: String, mailbox: Mailbox },
    Nothing,
}

/// A checked order, or what is told of one that is none.
enum Checked {
    Order(MailOrder, Told),
    Refused(CarryNews),
    /// Nothing that anybody waits for.
    Dropped,
}

/// Carries orders out, and says what is to be told of them.
pub(super) async fn carry_out(
    context: &Arc<Context>,
    bell: &Arc<Bell>,
    link: &str,
    orders: Vec<CarryOrder>,
) -> Result<Vec<CarryNews>, CarryError> {
    let mut news = Vec::new();
    let (mut checked, mut tellings) = (Vec::new(), Vec::new());
    let hub = context.hub.to_string();
    for order in orders {
        // whoever registers in these orders may use that in the next one
        match check(order, |identity| context.post.is_home(identity, bell), &hub, link) {
            Checked::Order(order, told) => {
                if let MailOrder::Register { identity, .. } | MailOrder::Visit { identity, .. } =
                    &order
                {
                    context.post.set_home(*identity, bell);
                }
                checked.push(order);
                tellings.push(told);
            }
            Checked::Refused(refused) => news.push(refused),
            Checked::Dropped => tracing::debug!("an order of a relay is not understood"),
        }
    }
    let now = Duration::from_micros(clock::wall_micros()).as_secs();
    let outcomes = context.store.carry(checked, now).await?;
    for (told, outcome) in tellings.into_iter().zip(outcomes) {
        news.extend(tell(context, told, outcome));
    }
    Ok(news)
}

fn check(order: CarryOrder, is_home: impl Fn(&Mailbox) -> bool, hub: &str, link: &str) -> Checked {
    match order {
        CarryOrder::Register { card, signature } => check_register(&card, &signature, hub, link),
        CarryOrder::Publish { identity, one_time, fallback } => {
            check_publish(&identity, one_time, fallback, is_home)
        }
        CarryOrder::Claim { by, peer } => match peer.parse::<IdentityKey>() {
            Ok(key) => {
                let order = MailOrder::Claim { peer: *key.as_bytes() };
                Checked::Order(order, Told::Claimed { by, peer })
            }
            Err(_) => Checked::Dropped,
        },
        CarryOrder::Send { from, to, letters } => check_send(from, to, &letters, is_home),
        CarryOrder::Done { identity, item, signature } => {
            let Ok(key) = identity.parse::<IdentityKey>() else { return Checked::Dropped };
            let own = Statement::Done { item }.is_of(&key, hub, link, &signature);
            if own && is_home(key.as_bytes()) {
                let order = MailOrder::Done { identity: *key.as_bytes(), item };
                Checked::Order(order, Told::Nothing)
            } else {
                Checked::Dropped
            }
        }
    }
}

fn check_register(card: &MailCard, signature: &str, hub: &str, link: &str) -> Checked {
    let refused = || CarryNews::NotRegistered { identity: card.identity.clone() };
    let Ok(own) = Card::try_from(card) else { return Checked::Refused(refused()) };
    let statement = Statement::Register { generation: own.generation };
    let said = own.verify().is_ok() && statement.is_of(&own.identity, hub, link, signature);
    if !said {
        return Checked::Refused(refused());
    }
    let card = serde_json::to_string(card).expect("cards serialise");
    let (identity, generation) = (*own.identity.as_bytes(), own.generation);
    if own.home == hub {
        let order = MailOrder::Register { identity, generation, card };
        Checked::Order(order, Told::Registered(own.identity))
    } else {
        // a guest: it may write from here, and gets what is left of when it lived here
        Checked::Order(MailOrder::Visit { identity, generation, card }, Told::Nothing)
    }
}

fn check_publish(
    identity: &str,
    one_time: Vec<MailKey>,
    fallback: Option<MailKey>,
    is_home: impl Fn(&Mailbox) -> bool,
) -> Checked {
    let Ok(key) = identity.parse::<IdentityKey>() else { return Checked::Dropped };
    if !is_home(key.as_bytes()) {
        return Checked::Dropped;
    }
    let own = |signed: &MailKey, purpose| {
        SignedKey::try_from(signed).is_ok_and(|signed| signed.is_of(&key, purpose))
    };
    let one_time = one_time.into_iter().filter(|it| own(it, Purpose::OneTimeKey)).collect();
    let fallback = fallback.filter(|it| own(it, Purpose::FallbackKey));
    let order = MailOrder::Publish { identity: *key.as_bytes(), one_time, fallback };
    Checked::Order(order, Told::Nothing)
}

fn check_send(
    from: String,
    to: String,
    letters: &[String],
    is_home: impl Fn(&Mailbox) -> bool,
) -> Checked {
    let keys = (from.parse::<IdentityKey>(), to.parse::<IdentityKey>());
    let (Ok(sender), Ok(recipient)) = keys else { return Checked::Dropped };
    if !is_home(sender.as_bytes()) {
        let (taken, rest) = (0, CarryRest::Later);
        return Checked::Refused(CarryNews::Taken { from, to, taken, rest });
    }
    let mut decoded = Vec::new();
    for letter in letters.iter().take(MAX_CARRY_LETTERS) {
        let sealed = URL_SAFE_NO_PAD.decode(letter).ok();
        let own = |bytes: &Vec<u8>| Sealed::decode(bytes).is_ok_and(|it| it.from == sender);
        let Some(sealed) = sealed.filter(own) else { break };
        decoded.push(sealed);
    }
    if decoded.is_empty() {
        let (taken, rest) = (0, CarryRest::Invalid);
        return Checked::Refused(CarryNews::Taken { from, to, taken, rest });
    }
    let mailbox = *recipient.as_bytes();
    let order = MailOrder::Send { from: *sender.as_bytes(), to: mailbox, letters: decoded };
    Checked::Order(order, Told::Taken { from, to, mailbox })
}

fn tell(context: &Context, told: Told, outcome: MailOutcome) -> Option<CarryNews> {
    match (told, outcome) {
        (Told::Registered(identity), MailOutcome::Registered(keys)) => {
            Some(CarryNews::Registered { identity: identity.to_string(), keys })
        }
        (Told::Registered(identity), _) => {
            context.post.leave(identity.as_bytes());
            Some(CarryNews::NotRegistered { identity: identity.to_string() })
        }
        (Told::Claimed { by, peer }, MailOutcome::Claimed { card, one_time, fallback }) => {
            let card = card.and_then(|text| serde_json::from_str(&text).ok());
            Some(CarryNews::Claimed { by, peer, card, one_time, fallback })
        }
        (Told::Taken { from, to, mailbox }, MailOutcome::Taken(taken, rest)) => {
            context.post.ring(mailbox);
            let taken = u32::try_from(taken).unwrap_or(u32::MAX);
            Some(CarryNews::Taken { from, to, taken, rest })
        }
        (Told::Nothing | Told::Claimed { .. } | Told::Taken { .. }, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarterdeck_seal::{
        Identity, Letter, LetterKind, Ratchets, letter::Stream, ratchets::ClaimedKey,
    };

    const HUB: &str = "h_1";
    const LINK: &str = "link";

    fn register(identity: &Identity, home: &str, link: &str) -> CarryOrder {
        let card = identity.card(home, 1);
        let statement = Statement::Register { generation: 1 }.bytes(HUB, link);
        let signature = identity.sign(Purpose::Mailbox, &statement).to_string();
        CarryOrder::Register { card: MailCard::from(&card), signature }
    }

    fn is_taken(order: CarryOrder, home: Option<&Identity>) -> bool {
        let home = home.map(Identity::key);
        let is_home = |mailbox: &Mailbox| home.is_some_and(|key| key.as_bytes() == mailbox);
        matches!(check(order, is_home, HUB, LINK), Checked::Order(..))
    }

    fn sealed(from: &Identity, to: &mut Identity) -> String {
        let mut ratchets = Ratchets::default();
        let key = to.bundle(49, quarterdeck_seal::identity::NewFallback::Keep).one_time[0];
        let claimed = ClaimedKey { key, purpose: Purpose::OneTimeKey };
        ratchets.begin(from, &to.key(), to.ratchet_key(), &claimed).expect("begins");
        let letter = Letter {
            kind: LetterKind::Mail,
            stream: Stream([1; 8]),
            number: 1,
            body: b"hi".to_vec(),
        };
        let sealed = ratchets.seal(&from.card(HUB, 1), &letter).expect("seals");
        URL_SAFE_NO_PAD.encode(sealed.encode())
    }

    #[test]
    fn an_identity_registers_by_its_own_word_for_this_hub_and_this_link() {
        let (ada, eve) = (Identity::generate(), Identity::generate());
        assert!(is_taken(register(&ada, HUB, LINK), None));
        assert!(matches!(
            check(register(&ada, "h_2", LINK), |_| false, HUB, LINK),
            Checked::Order(MailOrder::Visit { .. }, Told::Nothing)
        ));
        assert!(!is_taken(register(&ada, HUB, "another link"), None));
        let CarryOrder::Register { card, .. } = register(&ada, HUB, LINK) else { panic!("is one") };
        let CarryOrder::Register { signature, .. } = register(&eve, HUB, LINK) else {
            panic!("is one")
        };
        assert!(!is_taken(CarryOrder::Register { card, signature }, None));
    }

    #[test]
    fn nobody_sends_in_anothers_name() {
        let (ada, mut bob) = (Identity::generate(), Identity::generate());
        let eve = Identity::generate();
        let letter = sealed(&ada, &mut bob);
        let send = |from: &Identity| CarryOrder::Send {
            from: from.key().to_string(),
            to: bob.key().to_string(),
            letters: vec![letter.clone()],
        };
        assert!(is_taken(send(&ada), Some(&ada)));
        assert!(!is_taken(send(&ada), Some(&eve)), "it is not registered here");
        assert!(!is_taken(send(&eve), Some(&eve)), "another one sealed it");
    }

    #[test]
    fn nobody_empties_anothers_mailbox() {
        let (ada, eve) = (Identity::generate(), Identity::generate());
        let done = |by: &Identity, link: &str| {
            let statement = Statement::Done { item: 4 }.bytes(HUB, link);
            let signature = by.sign(Purpose::Mailbox, &statement).to_string();
            CarryOrder::Done { identity: ada.key().to_string(), item: 4, signature }
        };
        assert!(is_taken(done(&ada, LINK), Some(&ada)));
        assert!(!is_taken(done(&eve, LINK), Some(&ada)));
        assert!(!is_taken(done(&ada, "another link"), Some(&ada)));
        assert!(!is_taken(done(&ada, LINK), Some(&eve)));
    }

    #[test]
    fn keys_that_the_identity_did_not_sign_are_not_kept() {
        let (mut ada, mut eve) = (Identity::generate(), Identity::generate());
        let keep = quarterdeck_seal::identity::NewFallback::Keep;
        let own = MailKey::from(&ada.bundle(49, keep).one_time[0]);
        let foreign = MailKey::from(&eve.bundle(49, keep).one_time[0]);
        let one_time = vec![foreign, own.clone()];
        let order =
            CarryOrder::Publish { identity: ada.key().to_string(), one_time, fallback: None };
        let key = ada.key();
        let Checked::Order(MailOrder::Publish { one_time, .. }, _) =
            check(order, |mailbox| mailbox == key.as_bytes(), HUB, LINK)
        else {
            panic!("is one")
        };
        assert_eq!(one_time, [own]);
    }
}
