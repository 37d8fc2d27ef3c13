//! `[[trunk]]`: a carrier that numbers are dialed over. Pure.

use std::collections::BTreeSet;
use std::fmt;

use super::checks::Checks;
use super::cidr::Cidr;
use super::layers::{Layers, Problem};
use super::section::{Section, section};
use crate::extensions::Extensions;
use crate::leg::LatchMode;

section! {
    /// A carrier that numbers are dialed over.
    #[derive(Clone, Default, PartialEq)]
    Trunk in "trunk.*" {
        /// Name of the carrier, unique.
        name: String = "\"\"",
        /// SIP URIs of the carrier, tried in this order.
        targets: Vec<String> = "[]",
        /// User for the carrier's digest challenges; empty = none.
        username: String = "\"\"",
        /// Password for the carrier's digest challenges.
        password: String = "\"\"",
        /// The only realm that the password is used for; empty = the first one the carrier names.
        realm: String = "\"\"",
        /// SIP URI of the carrier's registrar, where we register as username; empty = not at all.
        register: String = "\"\"",
        /// Seconds of validity that a registration asks for; refreshed at half of what the carrier grants.
        register_s: u32 = "600",
        /// SIP domain (NAME, or NAME.sip.SUFFIX) that takes the carrier's calls, whatever host they name; empty = they are refused.
        domain: String = "\"\"",
        /// Addresses and blocks that the carrier's calls come from, besides those of its registrar.
        addresses: Vec<Cidr> = "[]",
        /// Host in From and P-Asserted-Identity towards the carrier; empty = sip.SUFFIX.
        from_host: String = "\"\"",
        /// Number asserted to the carrier where the caller withholds its own; empty = none.
        identity: String = "\"\"",
        /// Sources of the carrier's media until it is locked: sdp, peer or any; empty = as in [media].
        latch: Option<LatchMode> = "\"\"",
        /// Extensions of the carrier: 100rel, update, timer, info, late-offer, or all.
        extensions: Extensions = "[\"all\"]",
    }
}

/// The password stays out of logs and panics.
impl fmt::Debug for Trunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trunk")
            .field("name", &self.name)
            .field("targets", &self.targets)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

impl Trunk {
    /// Reads every `[[trunk]]`, in the order of the file.
    pub(super) fn read_all(layers: &Layers, problems: &mut Vec<Problem>) -> Vec<Self> {
        let trunks = Self::read_named(layers, "trunk", problems);
        for (number, trunk) in &trunks {
            if trunk.name.is_empty() {
                problems.push(layers.problem(&format!("trunk.{number}.name"), "needs a value"));
            }
        }
        trunks.into_iter().map(|(_, trunk)| trunk).collect()
    }

    /// Checks all trunks together.
    pub(super) fn check_all(trunks: &[Self], checks: &mut Checks<'_>) {
        let names: BTreeSet<_> = trunks.iter().map(|trunk| &trunk.name).collect();
        checks.require(names.len() == trunks.len(), "trunk", "names must be unique");
        checks.require(
            trunks.iter().all(|trunk| trunk.register.is_empty() || !trunk.username.is_empty()),
            "trunk.register",
            "needs `username`: the user that is registered",
        );
    }
}
