//! `client:NAME`: the registered SIP user of that name in a domain of the account. Sans-IO.
//!
//! The API's clients are browsers and apps with an SDK. Until there are any, the phones of the account stand in for
//! them: the first domain, oldest first, in which somebody is registered by the name.

use call::{ClientTarget, SipTarget};
use shared::{CallSid, Code, Header};
use sip::registrar::AddressOfRecord;

use crate::control::Control;
use crate::outgoing::NoWay;

impl Control {
    /// The SIP target that stands for a client, or why nobody does.
    pub(crate) fn sip_target_of_client(
        &self,
        sid: CallSid,
        client: &ClientTarget,
    ) -> Result<SipTarget, NoWay> {
        let account = self.calls.get(&sid).map(|entry| entry.account);
        let user = client.identity.as_str();
        let own = self.snapshot.domains().filter(|domain| Some(domain.account) == account);
        let found = own.into_iter().find(|domain| {
            let of = AddressOfRecord { domain: domain.sid, user: user.into() };
            !self.registrar.bindings(&of).is_empty()
        });
        let Some(domain) = found else {
            let sentence = format!(
                "Nobody is registered as `{user}` in a SIP domain of the account, and browser clients are not \
                 supported."
            );
            return Err(NoWay {
                code: Some(Code::NUMBER_NOT_CALLABLE),
                status: Some(480),
                sentence: sentence.into(),
            });
        };
        let header = |(name, value): &(String, String)| {
            Header::new(format!("X-Param-{name}"), value.clone())
        };
        Ok(SipTarget {
            uri: format!("sip:{user}@{}", domain.domain_name),
            reported: format!("client:{user}"),
            host: domain.domain_name.clone(),
            port: None,
            transport: None,
            secure: false,
            edge: None,
            headers: client.parameters.iter().map(header).collect(),
            credentials: None,
        })
    }
}
