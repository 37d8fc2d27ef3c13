//! `[webhook]`: requests to applications. Pure.

use super::cidr::Cidr;
use super::section::section;

section! {
    /// Requests to applications.
    #[derive(Clone, Debug, PartialEq)]
    Webhook in "webhook" {
        /// Private ranges that applications may live in; link-local, multicast and our own listeners never.
        allow_private: Vec<Cidr> = "[\"127.0.0.0/8\", \"::1/128\", \"10.0.0.0/8\", \"172.16.0.0/12\", \"192.168.0.0/16\"]",
        /// The User-Agent that applications see.
        user_agent: String = "\"TwilioProxy/1.1\"",
    }
}
