//! Which identity a connection gets by the name it asks for (SNI, RFC 6066 §3). Shell.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::ServerConfig;
use shared::Instant;
use store::DomainSuffix;

use super::minter::{Minted, Minter};

/// The server side of TLS of the transport thread, which alone has it: no lock.
pub struct ServerTls {
    default: Arc<ServerConfig>,
    minted: Option<MintedNames>,
    #[cfg(feature = "legacy-tls")]
    pub(crate) legacy: Option<super::legacy::LegacyTls>,
}

/// Names of ours with a leaf of their own.
struct MintedNames {
    suffix: DomainSuffix,
    minter: Minter,
    known: HashMap<String, Known>,
    /// Leaves that may be asked for now; filled up again with time.
    budget: u32,
    refilled: Instant,
}

struct Known {
    config: Option<Arc<ServerConfig>>,
    minted: Instant,
    used: Instant,
}

/// What a connection is served with.
pub enum Choice {
    /// This.
    Now(Arc<ServerConfig>),
    /// A leaf for this name is on its way: see [`ServerTls::minted`].
    Soon(String),
}

impl ServerTls {
    /// `default` for peers that ask for no name of ours; without a minter, for all.
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

    /// The same, with the older suites for peers that have nothing else.
    #[cfg(feature = "legacy-tls")]
    #[must_use]
    pub fn with_legacy(mut self, legacy: super::legacy::LegacyTls) -> Self {
        self.legacy = Some(legacy);
        self
    }

    /// What a peer is served with that asks for `name`.
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
                known.minted = now; // the old one serves until the new one is here
            }
            return known.config.as_ref().map_or_else(default, |it| Choice::Now(Arc::clone(it)));
        }
        if minted.take_budget(now) && minted.minter.ask(&name) {
            return Choice::Soon(name);
        }
        default()
    }

    /// For a connection whose name could not be waited for.
    pub fn default_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.default)
    }

    /// A leaf has come; what waits for its name is served with the answer.
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

    /// The one that was not asked for the longest; by name where several were.
    fn forget_one(&mut self) {
        let oldest = self.known.iter().min_by_key(|(name, known)| (known.used, (*name).clone()));
        if let Some(name) = oldest.map(|(name, _)| name.clone()) {
            self.known.remove(&name);
        }
    }
}

/// Names with a leaf of their own that are kept.
pub const NAMES_MAX: usize = 1_024;
/// Leaves issued at once, and then one in so many milliseconds.
const MINTS_AT_ONCE: u32 = 50;
const REFILL_MS: u128 = 50;
/// DNS has no longer names.
const NAME_BYTES_MAX: usize = 253;
/// A process that runs for a year does not end up with leaves that are over.
const RENEW_AFTER_S: u64 = 30 * 24 * 3_600;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::authority::{Authority, CertifiedName};
    use super::super::maker::ServerMaker;
    use super::*;

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
        let minter =
            Minter::start(authority, maker.clone(), suffix.clone(), tell).expect("a thread");
        let tls = ServerTls::new(maker.config(&identity), Some((suffix, minter)));
        World { tls, results, _folder: folder }
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
    fn a_name_of_ours_is_minted_once_and_then_at_hand() {
        let mut world = world();
        let name = "Desk.sip.sidetone.test";
        assert!(matches!(world.tls.choose(at(1), Some(name)), Choice::Soon(_)));
        let minted = world.results.recv_timeout(Duration::from_secs(10)).expect("minted");
        assert_eq!(minted.name, "desk.sip.sidetone.test");
        let config = world.tls.minted(at(1), minted);
        match world.tls.choose(at(2), Some(name)) {
            Choice::Now(again) => assert!(Arc::ptr_eq(&config, &again)),
            Choice::Soon(_) => panic!("it is there"),
        }
    }

    #[test]
    fn no_name_and_names_of_others_get_the_default() {
        let mut world = world();
        assert!(is_default(&mut world, at(1), None));
        assert!(is_default(&mut world, at(1), Some("www.example.com")));
        let long = format!("{}.sip.sidetone.test", "a".repeat(300));
        assert!(is_default(&mut world, at(1), Some(&long)));
    }

    #[test]
    fn a_flood_of_names_gets_the_default_and_the_cache_has_an_end() {
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
