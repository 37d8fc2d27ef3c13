//! `[node]`: this node and its data folder. Pure.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::checks::Checks;
use super::section::section;
use super::value::PublicAddress;

section! {
    /// This node and its data folder.
    #[derive(Clone, Debug, PartialEq)]
    Node in "node" {
        /// Number of this node; part of every id that peers send back.
        id: u16 = "0",
        /// Folder of the store, the key, the credentials and the recordings.
        data_dir: PathBuf = "\"sidetone-data\"",
        /// SIP domains are NAME.sip.SUFFIX, and with an edge NAME.sip.EDGE.SUFFIX.
        domain_suffix: String = "\"sidetone.test\"",
        /// Edge of this node for hosts that name none.
        edge: String = "\"ashburn\"",
        /// Address shown in SDP and Contact; auto = the kernel's local address towards that peer.
        public_address: PublicAddress = "\"auto\"",
        /// Name servers to query, with their port; empty = those of the system.
        dns: Vec<SocketAddr> = "[]",
        /// Longest wait for live calls to end after SIGTERM, in seconds.
        drain_limit_s: u32 = "3600",
    }
}

impl Node {
    pub(super) fn check(&self, checks: &mut Checks<'_>) {
        checks.require(
            is_domain(&self.domain_suffix),
            "node.domain_suffix",
            "must be a domain name: letters, digits and hyphens between dots",
        );
        checks.require(
            !self.data_dir.as_os_str().is_empty(),
            "node.data_dir",
            "must name a folder",
        );
    }
}

/// Whether a text is a domain name of at most 200 bytes, which leaves room for `NAME.sip.EDGE.` in
/// front of it (RFC 1035 §2.3.4: 253 in all).
pub(super) fn is_domain(text: &str) -> bool {
    text.len() <= 200 && text.split('.').all(is_label)
}

/// Whether a text can stand between the dots of a host name (RFC 1123 §2.1).
pub fn is_label(text: &str) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !text.is_empty() && text.len() <= 63 && text.bytes().all(is_fit)
}
