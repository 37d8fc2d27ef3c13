//! The identity that a connection gets, by the name it asks for (SNI, RFC 6066 §3). Shell.
//!
//! A name of ours gets a certificate of its own, because RFC 5922 §7.2 forbids wildcards for SIP. It is
//! issued when it is first asked for. Anyone can ask for names, so the issuing has a budget and the cache
//! a size; past either a peer gets the default certificate.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::ServerConfig;
use shared::Instant;
use store::DomainSuffix;

use super::minter::{Minted, Minter};

/// The server side of TLS. Only the transport thread has it, so it needs no lock.
pub struct ServerTls {
    default: Arc<ServerConfig>,
    minted: Option<MintedNames>,
    #[cfg(feature = "legacy-tls")]
    pub(crate) legacy: Option<super::legacy::LegacyTls>,
}

/// Our names that have a certificate of their own.
struct MintedNames {
    suffix: DomainSuffix,
    minter: Minter,
    known: HashMap<String, Known>,
    /// Certificates that may be issued now; refilled with time.
    budget: u32,
    refilled: Instant,
}

/// A name that was asked for before.
struct Known {
    /// `None`: no certificate can carry this name, so it gets the default.
    config: Option<Arc<ServerConfig>>,
    minted: Instant,
    used: Instant,
}

/// The certificate for a connection.
pub enum Choice {
    /// At hand.
    Now(Arc<ServerConfig>),
    /// Being issued for this name: [`ServerTls::minted`] follows.
    Soon(String),
}

impl ServerTls {
    /// `default` serves peers that ask for none of our names; without a minter, all peers.
    pub fn new(default: Arc<ServerConfig>, minting: Option<(DomainSuffix, Minter)>) -> Self {
        let minted = minting.map(|(suffix, minter)| MintedNames {
            suffix,
            minter,
            known: HashMap::new(),
            budget: MINTS_AT_ONCE,
            refilled: Instant::default(),
        });
        Self {
            default,
            minted,
            #[cfg(feature = "legacy-tls")]
            legacy: None,
        }
    }

    /// Adds the older suites, for peers that have no other.
    #[cfg(feature = "legacy-tls")]
    #[must_use]
    pub fn with_legacy(mut self, legacy: super::legacy::LegacyTls) -> Self {
        self.legacy = Some(legacy);
        self
    }

    /// The certificate for a peer that asks for `name`.
    pub fn choose(&mut self, now: Instant, name: Option<&str>) -> Choice {
        let default = || Choice::Now(Arc::clone(&self.default));
        let (Some(minted), Some(name)) = (&mut self.minted, name) else { return default() };
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if name.len() > NAME_BYTES_MAX || minted.suffix.host(&name).is_none() {
            return default();
        }
        if let Some(known) = minted.known.get_mut(&name) {
            known.used = now;
            let is_old = now.since(known.minted).as_secs() > RENEW_AFTER_S;
            if is_old && minted.minter.ask(&name) {
                known.minted = now; // the old one serves until the new one is issued
            }
            return known.config.as_ref().map_or_else(default, |it| Choice::Now(Arc::clone(it)));
        }
        if minted.take_budget(now) && minted.minter.ask(&name) {
            return Choice::Soon(name);
        }
        default()
    }

    /// The certificate for peers that ask for none of our names.
    pub fn default_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.default)
    }

    /// Keeps a certificate that was issued, and returns the settings for the connections that wait for
    /// it.
    pub fn minted(&mut self, now: Instant, minted: Minted) -> Arc<ServerConfig> {
        let Some(names) = &mut self.minted else { return self.default_config() };
        let config = minted.config.clone().unwrap_or_else(|| Arc::clone(&self.default));
        if names.known.len() >= NAMES_MAX {
            names.forget_one();
        }
        names.known.insert(minted.name, Known { config: minted.config, minted: now, used: now });
        config
    }
}

impl MintedNames {
    fn take_budget(&mut self, now: Instant) -> bool {
        let refill = now.since(self.refilled).as_millis() / REFILL_MS;
        if refill > 0 {
            let refill = u32::try_from(refill).unwrap_or(u32::MAX);
            self.budget = self.budget.saturating_add(refill).min(MINTS_AT_ONCE);
            self.refilled = now;
        }
        let has_some = self.budget > 0;
        self.budget = self.budget.saturating_sub(1);
        has_some
    }

    /// Drops the name that was asked for the longest ago; the first by name where several were.
    fn forget_one(&mut self) {
        let oldest = self.known.iter().min_by_key(|(name, known)| (known.used, (*name).clone()));
        if let Some(name) = oldest.map(|(name, _)| name.clone()) {
            self.known.remove(&name);
        }
    }
}

/// Names whose certificates are kept. Past it the least recently used goes.
pub const NAMES_MAX: usize = 1_024;
/// Certificates issued at once; then one in `REFILL_MS`.
const MINTS_AT_ONCE: u32 = 50;
const REFILL_MS: u128 = 50;
/// The longest name in DNS (RFC 1035 §2.3.4).
const NAME_BYTES_MAX: usize = 253;
/// A certificate is valid for longer; a process that runs for a year must not serve an expired one.
const RENEW_AFTER_S: u64 = 30 * 24 * 3_600;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::authority::{Authority, CertifiedName};
    use super::super::maker::ServerMaker;
    use super::*;
    use crate::tls::minter::Renewal;

    struct World {
        tls: ServerTls,
        results: std::sync::mpsc::Receiver<Minted>,
        _folder: tempfile::TempDir,
    }

    fn world() -> World {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let authority = Arc::new(Authority::open(folder.path(), 1_790_000_000_000).expect("made"));
        let maker = ServerMaker::new(&[]).expect("random numbers");
        let names = [CertifiedName::Dns("*.sip.sidetone.test".to_owned())];
        let identity = authority.issue(&names, 1_790_000_000_000).expect("issued");
        let (sender, results) = std::sync::mpsc::channel();
        let tell = move |minted| sender.send(minted).expect("the test listens");
        let suffix = DomainSuffix::new("sidetone.test");
        let minter = Minter::start(authority, maker.clone(), suffix.clone(), never(), tell)
            .expect("a thread");
        let tls = ServerTls::new(maker.config(&identity), Some((suffix, minter)));
        World { tls, results, _folder: folder }
    }

    fn never() -> Renewal {
        Renewal { due_ms: i64::MAX, renew: Box::new(|| true) }
    }

    fn at(seconds: u64) -> Instant {
        Instant::default() + Duration::from_secs(seconds)
    }

    fn is_default(world: &mut World, now: Instant, name: Option<&str>) -> bool {
        match world.tls.choose(now, name) {
            Choice::Now(config) => Arc::ptr_eq(&config, &world.tls.default),
            Choice::Soon(_) => false,
        }
    }

    #[test]
    fn one_of_our_names_is_issued_once_and_then_at_hand() {
        let mut world = world();
        let name = "Desk.sip.sidetone.test";
        assert!(matches!(world.tls.choose(at(1), Some(name)), Choice::Soon(_)));
        let minted = world.results.recv_timeout(Duration::from_secs(10)).expect("minted");
        assert_eq!(minted.name, "desk.sip.sidetone.test");
        let config = world.tls.minted(at(1), minted);
        match world.tls.choose(at(2), Some(name)) {
            Choice::Now(again) => assert!(Arc::ptr_eq(&config, &again)),
            Choice::Soon(_) => panic!("it was issued"),
        }
    }

    #[test]
    fn no_name_and_foreign_names_get_the_default() {
        let mut world = world();
        assert!(is_default(&mut world, at(1), None));
        assert!(is_default(&mut world, at(1), Some("www.example.com")));
        let long = format!("{}.sip.sidetone.test", "a".repeat(300));
        assert!(is_default(&mut world, at(1), Some(&long)));
    }

    #[test]
    fn a_flood_of_names_gets_the_default_and_the_cache_is_bounded() {
        let mut world = world();
        let flood = (0..200).map(|n| format!("n{n}.sip.sidetone.test"));
        let asked =
            flood.filter(|name| matches!(world.tls.choose(at(1), Some(name)), Choice::Soon(_)));
        let asked = asked.count();
        assert!((1..=50).contains(&asked), "{asked}");
        for n in 0..NAMES_MAX + 10 {
            let name = format!("m{n}.sip.sidetone.test");
            world.tls.minted(at(2), Minted { name, config: None });
        }
        assert_eq!(world.tls.minted.as_ref().map(|names| names.known.len()), Some(NAMES_MAX));
    }
}
