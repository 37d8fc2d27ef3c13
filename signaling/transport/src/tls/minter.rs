//! The thread that issues certificates on demand, and renews those of the gateway itself. Shell.
//!
//! A certificate costs two signatures, one of them RSA. On the transport thread they would delay every
//! connection. When its time has come, the thread has all settings of TLS made anew, with a thread of their own:
//! it serves on until the transport thread has taken them and so dropped the last [`Minter`] of this one.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use rustls::ServerConfig;
use shell::Clock;
use store::DomainSuffix;

use super::authority::{Authority, CertifiedName};
use super::maker::ServerMaker;

/// The certificate for a name that was asked for.
#[derive(Debug)]
pub struct Minted {
    /// The name that a peer asked for, lower case.
    pub name: String,
    /// The server settings with it; `None`: the name is not valid in a certificate.
    pub config: Option<Arc<ServerConfig>>,
}

/// When the gateway's own certificates are too old, and what to do then.
pub(super) struct Renewal {
    /// Milliseconds since 1970.
    pub due_ms: i64,
    /// Makes everything anew; false where that failed.
    pub renew: Box<dyn Fn() -> bool + Send>,
}

/// The way to the thread. The thread ends when the last of these is dropped.
#[derive(Clone, Debug)]
pub struct Minter {
    asked: SyncSender<String>,
}

impl Minter {
    /// Starts the thread; `tell` is called on it with every result, and so is `renewal`.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(
        authority: Arc<Authority>,
        maker: ServerMaker,
        suffix: DomainSuffix,
        renewal: Renewal,
        tell: impl Fn(Minted) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (asked, names) = sync_channel(ASKED_MAX);
        std::thread::Builder::new().name("tls-names".to_owned()).spawn(move || {
            let issue = |name: &str| authority.issue(&names_for(name, &suffix), Clock.unix_ms());
            run(&names, renewal, |name| {
                let config = match issue(&name) {
                    Ok(identity) => Some(maker.config(&identity)),
                    Err(error) => {
                        tracing::debug!(%error, "no certificate for a name that a peer asked for");
                        None
                    }
                };
                tell(Minted { name, config });
            });
        })?;
        Ok(Self { asked })
    }

    /// Asks for a name. Returns `false` when `ASKED_MAX` names wait already.
    pub fn ask(&self, name: &str) -> bool {
        self.asked.try_send(name.to_owned()).is_ok()
    }
}

/// Issues what is asked for until nobody can ask any more.
fn run(names: &Receiver<String>, renewal: Renewal, mut issue: impl FnMut(String)) {
    let mut due_ms = Some(renewal.due_ms);
    loop {
        // The wall clock decides, by which certificates expire; it may jump, so it is looked at now and then.
        let now_ms = Clock.unix_ms();
        if due_ms.is_some_and(|due_ms| due_ms <= now_ms) {
            due_ms = if (renewal.renew)() { None } else { Some(now_ms + RETRY_MS) };
        }
        let left_ms = due_ms.map_or(LOOK_MS, |due_ms| (due_ms - now_ms).clamp(1, LOOK_MS));
        let wait = Duration::from_millis(u64::try_from(left_ms).unwrap_or(0));
        match names.recv_timeout(wait) {
            Ok(name) => issue(name),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// The name itself, as SIP demands (RFC 5922 §7.2 forbids wildcards), and the wildcard of its zone for
/// peers that are not SIP.
fn names_for(name: &str, suffix: &DomainSuffix) -> Vec<CertifiedName> {
    let mut names = vec![CertifiedName::Dns(name.to_owned())];
    if let Some(zone) = zone_of(name, suffix) {
        names.push(CertifiedName::Dns(format!("*.{zone}")));
    }
    names
}

/// The zone of one of our names: `sip.<suffix>` or `sip.<edge>.<suffix>`.
fn zone_of(name: &str, suffix: &DomainSuffix) -> Option<String> {
    suffix.host(name)?;
    // Labels before it may be "sip", too: the last one counts.
    let at = name.rfind(".sip.")?;
    name.get(at + 1..).map(str::to_owned)
}

const ASKED_MAX: usize = 64;
/// Milliseconds between two looks at the wall clock: an hour.
const LOOK_MS: i64 = 3_600_000;
/// Milliseconds from a renewal that failed to the next try.
const RETRY_MS: i64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_names_the_domain_itself_and_all_of_its_zone() {
        let suffix = DomainSuffix::new("sidetone.test");
        let texts = |name: &str| -> Vec<String> {
            let text = |name: &CertifiedName| match name {
                CertifiedName::Dns(name) => name.clone(),
                CertifiedName::Address(address) => address.to_string(),
            };
            names_for(name, &suffix).iter().map(text).collect()
        };
        assert_eq!(
            texts("desk.sip.sydney.sidetone.test"),
            ["desk.sip.sydney.sidetone.test", "*.sip.sydney.sidetone.test"]
        );
        assert_eq!(
            texts("a.desk.sip.sidetone.test"),
            ["a.desk.sip.sidetone.test", "*.sip.sidetone.test"]
        );
    }
}
