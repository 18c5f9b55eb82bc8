//! `hubs.json`: the hubs that are paired with a relay, and what each may do.
//!
//! ```json
//! {"version":1,"hubs":[{"hub":"h_…","name":"desk","scopes":["read"],"delegate":true,
//!  "created_at":1,"last_used_at":null,"dial":{"address":"host:7717","pin":"sha256:…"}}]}
//! ```
//!
//! A hub is named by its id, the hash of its key, so the file holds no secret and no key. A change is on
//! the disk before it is in force. Members that this version does not know are kept.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use quarterdeck_crypto::Pin;
use quarterdeck_protocol::{
    ids::HubId,
    method::{HubInfo, HubTerms},
    scope::Scopes,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::files::{self, FileError};

/// Newest version of the file that this program reads and writes.
const VERSION: u64 = 1;
/// Hubs of one relay: more than anybody looks at.
pub const MAX_HUBS: usize = 32;
/// Characters of a hub's name.
pub const MAX_NAME_CHARS: usize = 64;
/// Bytes of the file: all hubs, and room for members of newer versions.
const MAX_FILE_BYTES: u64 = 256 * 1024;
/// How often `last used` is written at most.
const LAST_USED_INTERVAL_S: u64 = 60;

/// Why a pairing could not be read, made or ended.
#[derive(Debug, thiserror::Error)]
pub enum PairingError {
    /// The file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is of a newer version of the program, which an older one must not touch.
    #[error("{path} has version {found}; this program knows {VERSION}. Use the newer program", path = path.display())]
    NewerVersion {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: u64,
    },
    /// It is not what this program writes. It is left alone.
    #[error("{path} cannot be read as a list of hubs; repair it, or move it away and pair again", path = path.display())]
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// The name cannot be one.
    #[error("a hub's name has 1 to {MAX_NAME_CHARS} characters of A-Z a-z 0-9 . _ -")]
    Name,
    /// Another hub has the name.
    #[error("another hub is called \"{0}\"")]
    Exists(String),
    /// There is no such hub.
    #[error("no hub \"{0}\" is paired")]
    NotFound(String),
    /// The bound of this module.
    #[error("at most {MAX_HUBS} hubs")]
    TooMany,
}

/// Where a relay dials a hub that cannot reach it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DialHub {
    /// `host:port`.
    pub address: String,
    /// Pin of the hub's certificate.
    pub pin: Pin,
}

/// A hub that is paired.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairedHub {
    /// The hub.
    pub hub: HubId,
    /// Its name on this relay.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// Whether it may act for its clients.
    pub delegate: bool,
    /// Seconds since 1970.
    pub created_at: u64,
    /// Seconds since 1970.
    pub last_used_at: Option<u64>,
    /// Where this relay dials it; none = the hub dials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dial: Option<DialHub>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

impl PairedHub {
    /// As it is shown.
    #[must_use]
    pub fn info(&self, links: u32, trouble: Option<String>) -> HubInfo {
        HubInfo {
            hub: self.hub,
            name: self.name.clone(),
            scopes: self.scopes,
            delegate: self.delegate,
            created_at: self.created_at,
            last_used_at: self.last_used_at,
            dial: self.dial.as_ref().map(|dial| dial.address.clone()),
            links,
            trouble,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct PairingFile {
    version: u64,
    hubs: Vec<PairedHub>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// Only what must be readable in every version.
#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

/// The paired hubs of a relay.
#[derive(Debug)]
pub struct Pairings {
    path: PathBuf,
    file: Mutex<PairingFile>,
}

impl Pairings {
    /// Reads the file at `path`, which need not exist.
    ///
    /// # Errors
    /// When it is of a newer version, is not understood, or cannot be read. It is not changed.
    pub fn open(path: &Path) -> Result<Self, PairingError> {
        let file = match files::read_private(path, MAX_FILE_BYTES)? {
            None => PairingFile { version: VERSION, hubs: Vec::new(), unknown: Map::new() },
            Some(bytes) => {
                let corrupt = |source| PairingError::Corrupt { path: path.to_owned(), source };
                let Versioned { version } = serde_json::from_slice(&bytes).map_err(corrupt)?;
                if version > VERSION {
                    let path = path.to_owned();
                    return Err(PairingError::NewerVersion { path, found: version });
                }
                serde_json::from_slice(&bytes).map_err(corrupt)?
            }
        };
        Ok(Self { path: path.to_owned(), file: Mutex::new(file) })
    }

    /// Pairs a hub; one that was paired before gets the new terms.
    ///
    /// # Errors
    /// When the terms cannot be, or the file cannot be written; then nothing has changed.
    pub fn pair(
        &self,
        hub: HubId,
        terms: &HubTerms,
        dial: Option<DialHub>,
        now: u64,
    ) -> Result<PairedHub, PairingError> {
        self.change(|file| {
            let name = match &terms.name {
                Some(name) => check_name(name).map(|()| name.clone())?,
                None => {
                    let before = file.hubs.iter().find(|it| it.hub == hub);
                    before.map_or_else(|| free_name(&file.hubs), |it| it.name.clone())
                }
            };
            if file.hubs.iter().any(|it| it.name == name && it.hub != hub) {
                return Err(PairingError::Exists(name));
            }
            let before = file.hubs.iter().position(|it| it.hub == hub);
            let before = before.map(|i| file.hubs.remove(i));
            if file.hubs.len() >= MAX_HUBS {
                return Err(PairingError::TooMany);
            }
            let paired = PairedHub {
                hub,
                name,
                scopes: terms.scopes,
                delegate: terms.delegate,
                created_at: now,
                last_used_at: None,
                dial,
                unknown: before.map(|it| it.unknown).unwrap_or_default(),
            };
            file.hubs.push(paired.clone());
            file.hubs.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(paired)
        })
    }

    /// The hub of this id.
    #[must_use]
    pub fn find(&self, hub: HubId) -> Option<PairedHub> {
        self.lock().hubs.iter().find(|it| it.hub == hub).cloned()
    }

    /// All hubs, by name.
    #[must_use]
    pub fn all(&self) -> Vec<PairedHub> {
        self.lock().hubs.clone()
    }

    /// Ends a pairing at once, by name or id.
    ///
    /// # Errors
    /// When there is no such hub, or the file cannot be written; then it stays paired.
    pub fn revoke(&self, name: &str) -> Result<PairedHub, PairingError> {
        self.change(|file| {
            let is_it = |it: &PairedHub| it.name == name || it.hub.to_string() == name;
            let found = file.hubs.iter().position(is_it);
            found
                .map(|i| file.hubs.remove(i))
                .ok_or_else(|| PairingError::NotFound(name.to_owned()))
        })
    }

    /// Notes that a hub has a link. Written at most once a minute; a failure is no reason to refuse it.
    pub fn touch(&self, hub: HubId, now: u64) {
        let due = self.find(hub).is_some_and(|it| {
            it.last_used_at.is_none_or(|at| now.saturating_sub(at) >= LAST_USED_INTERVAL_S)
        });
        if due {
            let _ = self.change(|file| {
                for it in file.hubs.iter_mut().filter(|it| it.hub == hub) {
                    it.last_used_at = Some(now);
                }
                Ok(())
            });
        }
    }

    /// Applies `edit` to a copy, writes it, and only then lets it be seen.
    fn change<T>(
        &self,
        edit: impl FnOnce(&mut PairingFile) -> Result<T, PairingError>,
    ) -> Result<T, PairingError> {
        let mut current = self.lock();
        let mut file = current.clone();
        let result = edit(&mut file)?;
        let corrupt = |source| PairingError::Corrupt { path: self.path.clone(), source };
        let mut bytes = serde_json::to_vec_pretty(&file).map_err(corrupt)?;
        bytes.push(b'\n');
        files::write_private(&self.path, &bytes)?;
        *current = file;
        Ok(result)
    }

    fn lock(&self) -> MutexGuard<'_, PairingFile> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check_name(name: &str) -> Result<(), PairingError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let fits = (1..=MAX_NAME_CHARS).contains(&name.len()) && name.chars().all(allowed);
    if fits { Ok(()) } else { Err(PairingError::Name) }
}

fn free_name(hubs: &[PairedHub]) -> String {
    let taken = |name: &String| hubs.iter().any(|it| it.name == *name);
    let mut numbered = (1..).map(|n| if n == 1 { "hub".to_owned() } else { format!("hub-{n}") });
    numbered.find(|name| !taken(name)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarterdeck_protocol::scope::Scope;

    const ONE: HubId = HubId::from_bytes([1; 16]);
    const TWO: HubId = HubId::from_bytes([2; 16]);

    fn terms(name: Option<&str>, scopes: Scopes) -> HubTerms {
        HubTerms { name: name.map(str::to_owned), scopes, delegate: true }
    }

    fn store() -> (tempfile::TempDir, Pairings) {
        let directory = tempfile::tempdir().expect("a directory");
        let pairings = Pairings::open(&directory.path().join("hubs.json")).expect("opens");
        (directory, pairings)
    }

    #[test]
    fn a_pairing_outlives_the_relay_and_ends_when_it_is_revoked() {
        let (directory, pairings) = store();
        pairings.pair(ONE, &terms(Some("desk"), Scopes::ALL), None, 7).expect("pairs");
        pairings.touch(ONE, 100);
        let again = Pairings::open(&directory.path().join("hubs.json")).expect("opens");
        let found = again.find(ONE).expect("is there");
        assert_eq!((found.name.as_str(), found.last_used_at), ("desk", Some(100)));
        again.revoke("desk").expect("revokes");
        assert!(again.find(ONE).is_none());
        assert!(matches!(again.revoke("desk"), Err(PairingError::NotFound(_))));
    }

    #[test]
    fn names_are_unique_and_a_hub_that_pairs_again_keeps_its_own() {
        let (_directory, pairings) = store();
        let read: Scopes = [Scope::Read].into_iter().collect();
        pairings.pair(ONE, &terms(None, Scopes::ALL), None, 1).expect("pairs");
        let second = pairings.pair(TWO, &terms(None, Scopes::ALL), None, 1).expect("pairs");
        assert_eq!(second.name, "hub-2");
        let again = pairings.pair(ONE, &terms(None, read), None, 2).expect("pairs again");
        assert_eq!((again.name.as_str(), again.scopes), ("hub", read));
        let taken = pairings.pair(TWO, &terms(Some("hub"), read), None, 3);
        assert!(matches!(taken, Err(PairingError::Exists(_))), "{taken:?}");
        let mail_only = pairings.pair(TWO, &terms(None, Scopes::NONE), None, 3).expect("pairs");
        assert_eq!(mail_only.scopes, Scopes::NONE);
    }

    #[test]
    fn a_newer_or_broken_list_of_hubs_is_refused_and_left_alone() {
        let (directory, _) = store();
        let path = directory.path().join("hubs.json");
        for text in ["{\"version\":9}", "not JSON"] {
            files::write_private(&path, text.as_bytes()).expect("writes");
            assert!(Pairings::open(&path).is_err());
            assert_eq!(std::fs::read(&path).expect("reads"), text.as_bytes());
        }
    }
}
