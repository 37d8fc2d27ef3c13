//! `[hosted]`: call control that needs no web server of the customer's. Pure.

use super::checks::Checks;
use super::node::is_domain;
use super::section::section;

section! {
    /// TwiML Bins, Functions, Studio flows and Twimlets.
    #[derive(Clone, Debug, PartialEq)]
    Hosted in "hosted" {
        /// TwiML Bins are at handler.BASE, flows at webhooks.BASE, Twimlets at twimlets.BASE; empty = node.domain_suffix.
        base: String = "\"\"",
        /// Functions are at SERVICE-NUMBER.BASE and SERVICE-NUMBER-SUFFIX.BASE; empty = functions.BASE of the others.
        functions_base: String = "\"\"",
        /// Whether URLs with the cloud's hosts of these resources (handler.twilio.com, webhooks.twilio.com, twimlets.com, NAME.twil.io) mean ours. What is not here is still requested there.
        rewrite: bool = "true",
    }
}

impl Hosted {
    pub(super) fn check(&self, checks: &mut Checks<'_>) {
        for (base, key) in
            [(&self.base, "hosted.base"), (&self.functions_base, "hosted.functions_base")]
        {
            let sentence =
                "must be a domain name, or empty: letters, digits and hyphens between dots";
            checks.require(base.is_empty() || is_domain(base), key, sentence);
        }
    }
}
