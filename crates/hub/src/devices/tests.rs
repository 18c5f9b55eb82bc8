use quarterdeck_crypto::device::spki_of;
use quarterdeck_protocol::scope::Scope;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};

use super::*;
use crate::fleet::testing::device_row;

const START: Times = Times { boot: Duration::from_secs(1000), wall_s: 1_800_000_000 };

fn later(seconds: u64) -> Times {
    Times { boot: START.boot + Duration::from_secs(seconds), wall_s: START.wall_s + seconds }
}

fn secret(byte: u8) -> OnceSecret {
    OnceSecret::from_bytes([byte; 24])
}

fn link(name: Option<&str>) -> LoginLink {
    LoginLink {
        name: name.map(str::to_owned),
        principal: device_row(1, "any").principal,
        scopes: [Scope::Read].into_iter().collect(),
        device_expires_in_s: None,
    }
}

/// A browser's key, as the browser has it.
struct Browser(EcdsaKeyPair);

impl Browser {
    fn new() -> Self {
        let (kind, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let document = EcdsaKeyPair::generate_pkcs8(kind, &random).expect("makes a key");
        Self(EcdsaKeyPair::from_pkcs8(kind, document.as_ref(), &random).expect("is a key"))
    }
    fn row(&self, n: u8) -> DeviceRow {
        let point = self.0.public_key().as_ref().try_into().expect("a point");
        let key = DeviceKey::from_spki(&spki_of(&point)).expect("a key");
        DeviceRow { key, ..device_row(n, "phone") }
    }
    fn sign(&self, text: &str) -> String {
        use base64::Engine as _;
        let signature = self.0.sign(&SystemRandom::new(), text.as_bytes()).expect("signs");
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(signature.as_ref())
    }
}

/// One browser that is known.
fn known() -> (Devices, Browser, DeviceRow) {
    let browser = Browser::new();
    let row = browser.row(1);
    (Devices::new(vec![row.clone()]), browser, row)
}

#[test]
fn a_login_link_works_once_and_for_five_minutes_and_says_why_not() {
    let devices = Devices::new(Vec::new());
    for byte in [1, 2] {
        let code = secret(byte).hash(OncePurpose::LoginCode);
        devices.invite(code, link(Some("phone")), START.boot);
    }
    let redeem =
        |byte: u8, at: Times| devices.redeem_link(secret(byte).to_text().as_str(), at.boot);
    assert_eq!(redeem(1, later(299)), Ok(link(Some("phone"))));
    assert_eq!(redeem(1, later(299)), Err(LoginRefusal::UsedLink));
    assert_eq!(redeem(2, later(300)), Err(LoginRefusal::ExpiredLink));
    assert_eq!(redeem(3, START), Err(LoginRefusal::UnknownLink));
    assert_eq!(devices.redeem_link("no code", START.boot), Err(LoginRefusal::UnknownLink));
    let said = LoginRefusal::UsedLink.to_string();
    assert_eq!(said, "this login link was used already; make a new one: qd open");
}

#[test]
fn who_comes_late_or_twice_is_not_counted_as_one_who_guesses() {
    assert!(LoginRefusal::UnknownLink.is_guess() && LoginRefusal::WrongSignature.is_guess());
    assert!(!LoginRefusal::UsedLink.is_guess() && !LoginRefusal::ExpiredLink.is_guess());
}

#[test]
fn a_signed_challenge_lets_in_once() {
    let (devices, browser, row) = known();
    let challenge = devices.challenge(row.device, &secret(1), START.boot).expect("is known");
    let signature = browser.sign(&challenge);
    let (grant, write) =
        devices.prove(row.device, &challenge, &signature, START).expect("is its key");
    assert_eq!((grant.device, grant.scopes), (Some(row.device), row.scopes));
    assert!(write.is_some(), "its first use is written");
    let again = devices.prove(row.device, &challenge, &signature, START);
    assert_eq!(again.map(|_| ()), Err(LoginRefusal::StaleChallenge));
}

#[test]
fn a_challenge_is_its_devices_alone_and_not_for_long() {
    let (devices, browser, row) = known();
    let other = Browser::new();
    devices.add(other.row(2));
    let prove = |device: DeviceId, by: &Browser, challenge: &str, at: Times| {
        devices.prove(device, challenge, &by.sign(challenge), at).map(|_| ())
    };
    let mine =
        |byte: u8| devices.challenge(row.device, &secret(byte), START.boot).expect("is known");
    let second = DeviceId::from_bytes([2; 12]);
    assert_eq!(prove(second, &other, &mine(1), START), Err(LoginRefusal::StaleChallenge));
    assert_eq!(prove(row.device, &other, &mine(2), START), Err(LoginRefusal::WrongSignature));
    assert_eq!(prove(row.device, &browser, &mine(3), later(30)), Err(LoginRefusal::StaleChallenge));
    let unframed = secret(4).to_text().as_str().to_owned();
    assert_eq!(prove(row.device, &browser, &unframed, START), Err(LoginRefusal::StaleChallenge));
    let nobody = DeviceId::from_bytes([9; 12]);
    assert_eq!(prove(nobody, &browser, &mine(5), START), Err(LoginRefusal::UnknownDevice));
    let none = devices.challenge(nobody, &secret(6), START.boot);
    assert_eq!(none, Err(LoginRefusal::UnknownDevice));
}

#[test]
fn a_ticket_opens_one_connection_within_thirty_seconds() {
    let (devices, _, row) = known();
    let grant = Grant::of_device(&row.info(None));
    for byte in [1, 2] {
        devices.add_ticket(&secret(byte), grant.clone(), START.boot);
    }
    let redeem = |byte: u8, at: Times| {
        devices.redeem_ticket(secret(byte).to_text().as_str(), at.boot).map(|it| it.device)
    };
    assert_eq!(redeem(1, later(29)), Ok(Some(row.device)));
    assert_eq!(redeem(1, later(29)), Err(LoginRefusal::UsedTicket));
    assert_eq!(redeem(2, later(30)), Err(LoginRefusal::ExpiredTicket));
    assert_eq!(redeem(3, START), Err(LoginRefusal::UnknownTicket));
}

#[test]
fn what_a_revoked_browser_was_given_is_void() {
    let (devices, browser, row) = known();
    devices.add_ticket(&secret(1), Grant::of_device(&row.info(None)), START.boot);
    let challenge = devices.challenge(row.device, &secret(2), START.boot).expect("is known");
    assert_eq!(devices.remaining_s(row.device, START.wall_s), Some(u64::MAX));
    devices.remove(row.device);
    assert_eq!(devices.remaining_s(row.device, START.wall_s), None);
    let ticket = devices.redeem_ticket(secret(1).to_text().as_str(), START.boot);
    assert_eq!(ticket.map(|_| ()), Err(LoginRefusal::UnknownTicket));
    let proved = devices.prove(row.device, &challenge, &browser.sign(&challenge), START);
    assert_eq!(proved.map(|_| ()), Err(LoginRefusal::UnknownDevice));
}

#[test]
fn a_browser_with_an_end_is_refused_from_then_on_and_forgotten() {
    let (devices, browser, row) = known();
    devices.add(DeviceRow { expires_at: Some(START.wall_s + 60), ..row.clone() });
    assert_eq!(devices.remaining_s(row.device, START.wall_s), Some(60));
    let challenge = devices.challenge(row.device, &secret(1), later(60).boot).expect("is known");
    let proved = devices.prove(row.device, &challenge, &browser.sign(&challenge), later(60));
    assert_eq!(proved.map(|_| ()), Err(LoginRefusal::ExpiredDevice));
    assert_eq!(devices.remaining_s(row.device, later(60).wall_s), None);
    assert_eq!(devices.take_expired(later(59).wall_s), []);
    assert_eq!(devices.take_expired(later(60).wall_s), [row.device]);
}

#[test]
fn a_hub_knows_so_many_browsers_and_says_so_to_the_next() {
    let devices = Devices::new(Vec::new());
    for n in 0..MAX_DEVICES {
        let mut id = [0; 12];
        id[..8].copy_from_slice(&n.to_le_bytes());
        devices.add(DeviceRow { device: DeviceId::from_bytes(id), ..device_row(1, "x") });
    }
    devices.invite(secret(1).hash(OncePurpose::LoginCode), link(None), START.boot);
    let refused = devices.redeem_link(secret(1).to_text().as_str(), START.boot);
    assert_eq!(refused, Err(LoginRefusal::TooManyDevices));
    devices.remove(DeviceId::from_bytes([0; 12]));
    assert_eq!(devices.redeem_link(secret(1).to_text().as_str(), START.boot), Ok(link(None)));
}

#[test]
fn the_list_marks_the_reader_and_the_use_is_written_once_a_minute() {
    let (devices, browser, row) = known();
    devices.add(device_row(2, "old"));
    let come_in = |byte: u8, at: Times| {
        let challenge = devices.challenge(row.device, &secret(byte), at.boot).expect("is known");
        devices.prove(row.device, &challenge, &browser.sign(&challenge), at).expect("comes in").1
    };
    assert!(come_in(1, START).is_some());
    assert!(come_in(2, later(59)).is_none());
    assert!(come_in(3, later(120)).is_some());
    let listed = devices.list(Some(row.device));
    assert_eq!(listed.iter().map(|it| it.current).collect::<Vec<_>>(), [true, false]);
    assert_eq!(listed[0].last_used_at, Some(later(120).wall_s));
    assert_eq!(devices.named("old").len(), 1);
    assert_eq!(devices.named(&row.device.to_string()), devices.named("phone"));
    assert!(devices.named("nobody").is_empty());
}
