//! `[domains.NAME]`: what the settings file says of a SIP domain, besides its REST resource. Pure.

use std::collections::BTreeMap;

use super::Config;
use super::layers::{Layers, Problem};
use super::section::{Section, section};
use crate::extensions::Extensions;
use crate::leg::LatchMode;

section! {
    /// A SIP domain's own extensions and latch.
    #[derive(Clone, Debug, PartialEq)]
    Domain in "domains.*" {
        /// Extensions of the SIP domain of that name (its labels before .sip); empty text = as in [sip], [] = none.
        extensions: Option<Extensions> = "\"\"",
        /// Sources of media of that SIP domain's callers and phones until it is locked: sdp, peer or any; empty = as in [media].
        latch: Option<LatchMode> = "\"\"",
    }
}

impl Domain {
    /// Reads every `[domains.NAME]`, by name in lower case: domain names ignore case (RFC 4343).
    pub(super) fn read_all(layers: &Layers, problems: &mut Vec<Problem>) -> BTreeMap<String, Self> {
        let domains = Self::read_named(layers, "domains", problems).into_iter();
        domains.map(|(name, domain)| (name.to_ascii_lowercase(), domain)).collect()
    }
}

impl Config {
    /// Extensions of each domain that does not leave them to `[sip]`, by name in lower case.
    pub fn domain_extensions(&self) -> BTreeMap<String, Extensions> {
        let own = |(name, domain): (&String, &Domain)| Some((name.clone(), domain.extensions?));
        self.domains.iter().filter_map(own).collect()
    }

    /// Latch of each domain that does not leave it to `[media]`, by name in lower case.
    pub fn domain_latches(&self) -> BTreeMap<String, LatchMode> {
        let own = |(name, domain): (&String, &Domain)| Some((name.clone(), domain.latch?));
        self.domains.iter().filter_map(own).collect()
    }
}
