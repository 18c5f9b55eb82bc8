//! The bearer tokens of an instance: who may come in without pairing.
//!
//! Only hashes are stored. A change is on the disk before it is in force, so what a caller was told
//! holds after a crash. `last used` is the exception: it is written at most once a minute and may lag.
//!
//! Times are seconds since 1970. A wall clock that jumps back does not make an expired token valid
//! again while the relay runs: the latest time seen counts.

mod error;
mod file;
mod grant;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use quarterdeck_crypto::{Token, TokenHash};
use quarterdeck_protocol::{
    dialect::Dialect,
    ids::{ParseIdError, Principal},
    method::{TokenCreateParams, TokenInfo, TokenRotateParams, TokenSecret},
    scope::Scopes,
};

pub use error::{AuthFailure, TokenError};
pub use grant::{Grant, SessionLimit};

use file::{Secret, StoredToken, TokenFile};

/// Tokens of one instance: far more than one person keeps in order; every login compares all of them.
pub const MAX_TOKENS: usize = 256;
/// Sessions to which one token is limited.
pub const MAX_SESSIONS_PER_TOKEN: usize = 64;
/// Characters of a token's name.
pub const MAX_TOKEN_NAME_CHARS: usize = 64;
/// How long the secret before a rotation works on, unless the caller says.
pub const DEFAULT_OVERLAP_S: u64 = 60 * 60;
/// The longest that two secrets of one token work side by side: a week is time to reach every script.
pub const MAX_OVERLAP_S: u64 = 7 * 24 * 60 * 60;
/// The longest life of a token that has an end; a longer one is a mistake in units.
pub const MAX_LIFE_S: u64 = 100 * 366 * 24 * 60 * 60;
/// How often `last used` is written at most.
pub const LAST_USED_INTERVAL_S: u64 = 60;

/// The tokens of an instance. All calls are short but `create`, `rotate`, `revoke` and
/// [`TokenStore::save_last_used`], which wait for the disk; none of them holds up `authenticate`.
#[derive(Debug)]
pub struct TokenStore {
    path: PathBuf,
    /// Who vouches for the principals of new tokens: the id of the relay or hub.
    issuer: String,
    /// Held while the file is changed, so that changes follow each other.
    changing: Mutex<()>,
    live: Mutex<Live>,
}

#[derive(Debug)]
struct Live {
    file: TokenFile,
    /// When each token was last used, where that is later than in `file`.
    used: BTreeMap<String, u64>,
    /// The latest time any call was given.
    latest: u64,
    last_used_saved_at: u64,
}

impl Live {
    /// The time that counts: never earlier than one that was seen before.
    fn observe(&mut self, now: u64) -> u64 {
        self.latest = self.latest.max(now);
        self.latest
    }
}

impl TokenStore {
    /// Reads the tokens of the file at `path`, which need not exist. `issuer` vouches for new ones.
    ///
    /// # Errors
    /// When the file is of a newer version, is not understood, or cannot be read. It is not changed.
    pub fn open(path: &Path, issuer: impl fmt::Display) -> Result<Self, TokenError> {
        let file = TokenFile::load(path)?;
        let live = Live { file, used: BTreeMap::new(), latest: 0, last_used_saved_at: 0 };
        let (changing, live) = (Mutex::new(()), Mutex::new(live));
        Ok(Self { path: path.to_owned(), issuer: issuer.to_string(), changing, live })
    }

    /// Checks a secret that was presented on the wire `quarterdeck.v1`. Every stored hash is compared,
    /// whatever the first ones say.
    ///
    /// # Errors
    /// When it is no token, or none that is valid at `now` on this wire.
    pub fn authenticate(&self, secret: &str, now: u64) -> Result<Grant, AuthFailure> {
        self.authenticate_on(None, secret, now)
    }

    /// Checks a secret that was presented on a wire; none = `quarterdeck.v1`.
    ///
    /// # Errors
    /// As [`Self::authenticate`].
    pub fn authenticate_on(
        &self,
        wire: Option<Dialect>,
        secret: &str,
        now: u64,
    ) -> Result<Grant, AuthFailure> {
        let hash = Token::parse(secret).map_err(|_| AuthFailure::Malformed)?.hash();
        let mut live = self.live();
        let now = live.observe(now);
        let Some((token, stored)) = live.file.find(&hash) else { return Err(AuthFailure::Wrong) };
        if token.is_over(now) || stored.is_over(now) {
            return Err(AuthFailure::Expired { name: token.name.clone() });
        }
        let grant = token.grant(hash);
        if grant.dialect != wire {
            return Err(AuthFailure::OtherWire);
        }
        live.used.insert(grant.name.clone(), now);
        Ok(grant)
    }

    /// For how many more seconds a grant holds: none when its token is revoked, or when it or the secret
    /// that was presented has ended. A grant that no token gave holds for ever.
    #[must_use]
    pub fn remaining_s(&self, grant: &Grant, now: u64) -> Option<u64> {
        let Some(hash) = &grant.secret else { return Some(u64::MAX) };
        let mut live = self.live();
        let now = live.observe(now);
        let (token, secret) = live.file.find(hash)?;
        let ends = [token.expires_at, secret.until].into_iter().flatten().min();
        let left = ends.map_or(u64::MAX, |end| end.saturating_sub(now));
        (left > 0).then_some(left)
    }

    /// Makes a token. Nobody can give scopes or sessions that they do not have.
    ///
    /// # Errors
    /// When the parameters cannot be, or the file cannot be written; then there is no such token.
    pub fn create(
        &self,
        params: &TokenCreateParams,
        by: &Grant,
        now: u64,
    ) -> Result<TokenSecret, TokenError> {
        self.change(now, |file, now| {
            let token = draw_token()?;
            let stored = self.new_token(params, by, token.hash(), now)?;
            check_gift(&stored, by)?;
            if file.tokens.iter().any(|other| other.name == stored.name) {
                return Err(TokenError::Exists(stored.name));
            }
            if file.tokens.len() >= MAX_TOKENS {
                return Err(TokenError::TooMany { what: "tokens", limit: MAX_TOKENS as u64 });
            }
            let secret = stored.to_secret(&token);
            file.tokens.push(stored);
            Ok(secret)
        })
    }

    /// Gives a token a new secret; the one before works on for the overlap, any older one ends now.
    ///
    /// # Errors
    /// When there is no such token, it gives more than the caller has, or the file cannot be written.
    pub fn rotate(
        &self,
        params: &TokenRotateParams,
        by: &Grant,
        now: u64,
    ) -> Result<TokenSecret, TokenError> {
        let overlap = params.overlap_s.unwrap_or(DEFAULT_OVERLAP_S);
        if overlap > MAX_OVERLAP_S {
            return Err(TokenError::TooMany {
                what: "an overlap in seconds",
                limit: MAX_OVERLAP_S,
            });
        }
        self.change(now, |file, now| {
            let stored = file.named(&params.name)?;
            check_gift(stored, by)?;
            if stored.is_over(now) {
                return Err(TokenError::Expired(stored.name.clone()));
            }
            let token = draw_token()?;
            stored.secrets.retain(|secret| secret.until.is_none());
            for before in &mut stored.secrets {
                before.until = Some(now.saturating_add(overlap));
            }
            stored.secrets.push(Secret::new(token.hash()));
            Ok(stored.to_secret(&token))
        })
    }

    /// Ends a token at once. Connections that it opened end when the relay asks [`Self::holds`].
    ///
    /// # Errors
    /// When there is no such token, or the file cannot be written; then the token works on.
    pub fn revoke(&self, name: &str, now: u64) -> Result<(), TokenError> {
        self.change(now, |file, _| {
            file.named(name)?;
            file.tokens.retain(|token| token.name != name);
            Ok(())
        })
    }

    /// The tokens, by name, without their secrets.
    #[must_use]
    pub fn list(&self, now: u64) -> Vec<TokenInfo> {
        let mut live = self.live();
        let now = live.observe(now);
        let mut tokens: Vec<TokenInfo> = live
            .file
            .tokens
            .iter()
            .map(|token| token.info(live.used.get(&token.name).copied(), now))
            .collect();
        tokens.sort_by(|a, b| a.name.cmp(&b.name));
        tokens
    }

    /// Writes when tokens were last used, if that changed and a minute has passed. Whether it wrote.
    ///
    /// # Errors
    /// When the file cannot be written; it is tried again after another minute.
    pub fn save_last_used(&self, now: u64) -> Result<bool, TokenError> {
        let due = {
            let mut live = self.live();
            let now = live.observe(now);
            let due = now.saturating_sub(live.last_used_saved_at) >= LAST_USED_INTERVAL_S;
            if due {
                live.last_used_saved_at = now;
            }
            due && !live.used.is_empty()
        };
        if due {
            self.change(now, |_, _| Ok(()))?;
        }
        Ok(due)
    }

    /// Applies `edit` to a copy, writes it, and only then lets it be seen.
    fn change<T>(
        &self,
        now: u64,
        edit: impl FnOnce(&mut TokenFile, u64) -> Result<T, TokenError>,
    ) -> Result<T, TokenError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut file, used, now) = {
            let mut live = self.live();
            let now = live.observe(now);
            (live.file.clone(), live.used.clone(), now)
        };
        let result = edit(&mut file, now)?;
        for token in &mut file.tokens {
            token.last_used_at = token.last_used_at.max(used.get(&token.name).copied());
        }
        file.save(&self.path)?;
        let mut live = self.live();
        // what was used while the file was written is for the next time
        live.used.retain(|name, at| used.get(name) != Some(at));
        live.file = file;
        Ok(result)
    }

    fn new_token(
        &self,
        params: &TokenCreateParams,
        by: &Grant,
        hash: TokenHash,
        now: u64,
    ) -> Result<StoredToken, TokenError> {
        check_name(&params.name)?;
        let principal = match &params.principal {
            Some(name) if name.contains('/') => Err(ParseIdError::Principal),
            Some(name) => Principal::new(&self.issuer.to_string(), name),
            None => Ok(by.principal.clone()),
        }?;
        let limit = MAX_SESSIONS_PER_TOKEN as u64;
        if params.sessions.len() > MAX_SESSIONS_PER_TOKEN {
            return Err(TokenError::TooMany { what: "sessions of a token", limit });
        }
        if params.expires_in_s.is_some_and(|life| life > MAX_LIFE_S) {
            return Err(TokenError::TooMany { what: "a life in seconds", limit: MAX_LIFE_S });
        }
        // a token of a caller that ends does not outlive it
        let asked = params.expires_in_s.map(|life| now.saturating_add(life));
        let expires_at = [asked, by.expires_at].into_iter().flatten().min();
        Ok(StoredToken {
            name: params.name.clone(),
            principal,
            scopes: params.scopes,
            sessions: params.sessions.clone(),
            dialect: params.dialect,
            created_at: now,
            expires_at,
            last_used_at: None,
            secrets: vec![Secret::new(hash)],
            unknown: serde_json::Map::new(),
        })
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        // every change of `Live` is one assignment, so a panic elsewhere leaves it whole
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Renames a file that cannot be read, so that the next start makes a new one. Only on the explicit word
/// of a person: the tokens in it stop working. Where it is now.
///
/// # Errors
/// When it cannot be renamed.
pub fn set_aside(path: &Path) -> Result<PathBuf, TokenError> {
    Ok(file::set_aside(path)?)
}

fn check_name(name: &str) -> Result<(), TokenError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let fits = (1..=MAX_TOKEN_NAME_CHARS).contains(&name.len()) && name.chars().all(allowed);
    if fits { Ok(()) } else { Err(TokenError::Name) }
}

fn check_gift(token: &StoredToken, by: &Grant) -> Result<(), TokenError> {
    if token.scopes == Scopes::NONE {
        return Err(TokenError::NoScope);
    }
    if let Some(missing) = token.scopes.iter().find(|scope| !by.scopes.has(*scope)) {
        return Err(TokenError::ScopeNotHeld(missing));
    }
    if !by.sessions.covers(&SessionLimit::from_list(&token.sessions)) {
        return Err(TokenError::SessionsNotHeld);
    }
    Ok(())
}

fn draw_token() -> Result<Token, TokenError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(TokenError::Random)?;
    Ok(Token::from_bytes(bytes))
}
