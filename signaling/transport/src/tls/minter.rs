//! The thread that issues certificates on demand. Shell.
//!
//! A certificate costs two signatures, one of them RSA. On the transport thread they would delay every
//! connection.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

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

/// The way to the thread. The thread ends when the last of these is dropped.
#[derive(Clone, Debug)]
pub struct Minter {
    asked: SyncSender<String>,
}

impl Minter {
    /// Starts the thread; `tell` is called on it with every result.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(
        authority: Arc<Authority>,
        maker: ServerMaker,
        suffix: DomainSuffix,
        tell: impl Fn(Minted) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (asked, names) = sync_channel(ASKED_MAX);
        std::thread::Builder::new()
            .name("tls-names".to_owned())
            .spawn(move || mint(&names, &authority, &maker, &suffix, tell))?;
        Ok(Self { asked })
    }

    /// Asks for a name. Returns `false` when `ASKED_MAX` names wait already.
    pub fn ask(&self, name: &str) -> bool {
        self.asked.try_send(name.to_owned()).is_ok()
    }
}

fn mint(
    names: &Receiver<String>,
    authority: &Authority,
    maker: &ServerMaker,
    suffix: &DomainSuffix,
    tell: impl Fn(Minted),
) {
    while let Ok(name) = names.recv() {
        let config = match authority.issue(&names_for(&name, suffix), Clock.unix_ms()) {
            Ok(identity) => Some(maker.config(&identity)),
            Err(error) => {
                tracing::debug!(%error, "no certificate for a name that a peer asked for");
                None
            }
        };
        tell(Minted { name, config });
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
