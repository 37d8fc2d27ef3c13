//! Registers trunks with their carriers (`[[trunk]] register`), refreshes the bindings, and takes them
//! back at a drain (RFC 3261 §10.2). Sans-IO; [`crate::state::registrations`] has the states.

use shared::config::Trunk;
use shared::{Header, Now};
use sip::{
    Command, Destination, Method, OutgoingRequest, OwnContact, Parameters, Responded, SessionId,
    Uri,
};

use crate::control::Control;
use crate::effect::{Effect, Observation, ResolveTarget};
use crate::input::ResolveFailure;
use crate::outgoing::trunk_credentials;
use crate::state::registrations::{Refresh, Response};

impl Control {
    /// Looks up every registrar that is due. DNS is asked for each refresh: a carrier may have moved.
    pub(crate) fn registrations_due(&mut self, now: Now) {
        for index in 0..self.registrations.len() {
            if !self.registrations.is_due(index, now.mono) {
                continue;
            }
            // No call has this session: `Input::Resolved` finds the registration by it.
            let session = self.links.unlinked_session();
            let trunk = self.registrations.trunk_of(index);
            let trunk = trunk.and_then(|trunk| self.settings.trunks.get(trunk));
            match trunk.and_then(registrar_of) {
                Some((_, target)) => {
                    self.registrations.resolve(index, session);
                    self.push(Effect::Resolve { session, target });
                }
                None => {
                    self.registration_failed(now, index, "`register` is not a SIP URI");
                }
            }
        }
    }

    /// Continues a registration whose addresses were looked up. Other sessions are ignored.
    pub(crate) fn on_registrar_resolved(
        &mut self,
        now: Now,
        session: SessionId,
        result: Result<Vec<Destination>, ResolveFailure>,
    ) {
        let Some(index) = self.registrations.take_resolved(session) else { return };
        match result {
            Ok(destinations) if !destinations.is_empty() => {
                self.registrations.set_registrar(index, destinations);
                self.send_register(now, index);
            }
            Ok(_) => self.registration_failed(now, index, "the registrar has no address"),
            Err(failure) => self.registration_failed(now, index, &failure.sentence),
        }
    }

    fn send_register(&mut self, now: Now, index: usize) {
        let Some(trunk) = self.registrations.trunk_of(index) else { return };
        let Some(refresh) = self.registrations.ask(index) else { return };
        if !self.register_trunk(trunk, refresh) {
            self.registration_failed(now, index, "the user name cannot stand in a SIP URI");
        }
    }

    /// Sends one REGISTER for the trunk of that index; `false` when its settings make no request.
    fn register_trunk(&mut self, trunk: usize, refresh: Refresh) -> bool {
        let Some(trunk) = self.settings.trunks.get(trunk) else { return false };
        let Some((request_uri, _)) = registrar_of(trunk) else { return false };
        let Some(address) = address_of_record(&request_uri, &trunk.username) else { return false };
        let expires = refresh.ask_s.to_string();
        let mut parameters = Parameters::new();
        let _ = parameters.set("expires", Some(&expires)); // digits are a token
        let message = Box::new(OutgoingRequest {
            method: Method::Register,
            destinations: refresh.destinations,
            request_uri,
            to: address.clone(),
            from: address,
            contact: Some(OwnContact { user: trunk.username.clone(), parameters }),
            continues: refresh.continues,
            headers: vec![Header::new("Expires", expires)],
            credentials: trunk_credentials(trunk),
            route: Vec::new(),
        });
        self.command(Command::Request { request: refresh.request, message });
        true
    }

    /// The final response to a request outside of dialogs, or its absence.
    pub(crate) fn on_responded(&mut self, now: Now, responded: Responded) {
        let Some((index, response)) = self.registrations.on_response(now.mono, responded) else {
            return;
        };
        match response {
            Response::Bound { granted_s, is_new: true } => {
                self.observe_registration(index, true, format!("registered for {granted_s} s"));
            }
            // A refresh is no news, and after 423 the next REGISTER is due at once.
            Response::Bound { is_new: false, .. } | Response::TooBrief => {}
            Response::Failed(sentence) => self.registration_failed(now, index, &sentence),
        }
    }

    fn registration_failed(&mut self, now: Now, index: usize, sentence: &str) {
        let random = self.random.between(0, 250);
        let pause = self.registrations.fail(now.mono, index, random);
        let sentence = format!("{sentence}; asked again in {} s", pause.as_secs());
        self.observe_registration(index, false, sentence);
    }

    /// Removes every binding, so that no carrier sends calls here any more. Does not wait for the
    /// responses.
    pub(crate) fn unregister(&mut self) {
        let removals = self.registrations.end();
        self.remove_bindings(removals);
    }

    /// Follows a change of the trunks, before the settings have it: a removal is made of the trunk that
    /// it ends.
    pub(crate) fn change_trunks(&mut self, trunks: &[Trunk]) {
        if trunks == self.settings.trunks {
            return;
        }
        let removals = self.registrations.change(&self.settings.trunks, trunks);
        self.remove_bindings(removals);
        // Settings may be read again during a drain, and their new trunks must not register.
        // Nothing of them is bound yet.
        if self.draining {
            self.registrations.end();
        }
    }

    fn remove_bindings(&mut self, removals: Vec<(usize, Refresh)>) {
        for (trunk, removal) in removals {
            // A trunk whose settings make no request was never bound.
            self.register_trunk(trunk, removal);
        }
    }

    fn observe_registration(&mut self, index: usize, is_bound: bool, sentence: String) {
        let trunk = self.registrations.trunk_of(index);
        let trunk = trunk.and_then(|trunk| self.settings.trunks.get(trunk));
        let trunk = trunk.map(|trunk| trunk.name.clone()).unwrap_or_default();
        self.observe(Observation::Registration { trunk, is_bound, sentence });
    }
}

/// The Request-URI of a trunk's REGISTER, and where to look it up.
fn registrar_of(trunk: &Trunk) -> Option<(Uri, ResolveTarget)> {
    let (target, _) = call::sip_noun::parse(&trunk.register).ok()?;
    let mut uri = Uri::parse(target.uri.as_bytes()).ok()?.as_sip()?.clone();
    // The Request-URI of a REGISTER has no user (RFC 3261 §10.2): it names the registrar, To names
    // the binding.
    uri.user = None;
    uri.password = None;
    let transport = target.transport;
    let target = ResolveTarget { host: target.host, port: target.port, transport };
    Some((uri.into(), target))
}

fn address_of_record(registrar: &Uri, user: &str) -> Option<Uri> {
    let mut uri = registrar.as_sip()?.clone();
    // Parameters such as `transport` say how to reach the registrar; an address of record has none
    // (RFC 3261 §10.3).
    uri.parameters = Parameters::new();
    let host = Uri::Sip(uri).to_string();
    let host = host.strip_prefix("sip:")?;
    Uri::parse(format!("sip:{user}@{host}").as_bytes()).ok()
}
