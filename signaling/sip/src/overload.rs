//! Overload control by loss (RFC 7339): our responses tell peers that offer it to drop a part of
//! their new requests while input arrives faster than it is handled. Sans-IO.

use std::time::Duration;

use shared::{Instant, Now, Transport};

use crate::via::{Via, ViaTransport};

/// The kinds of transport on which input arrives faster than it is handled. The event loop serves
/// both in turn: a flood on one does not delay the other, so new work is refused only where it
/// would wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overload {
    /// UDP: datagrams have waited for 250 ms.
    pub datagrams: bool,
    /// TCP and TLS: bytes of connections have waited for 250 ms.
    pub connections: bool,
}

impl Overload {
    /// Whether either kind is overloaded.
    pub const fn is_any(self) -> bool {
        self.datagrams || self.connections
    }

    /// Whether new work on this transport would wait too long.
    pub const fn is_of(self, transport: Transport) -> bool {
        if transport.is_reliable() { self.connections } else { self.datagrams }
    }
}

/// Writes the parameters of RFC 7339 §4 into responses.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OverloadControl {
    overload: Overload,
    /// The wall clock at zero of the monotonic one, never set back: `oc-seq` has to grow, over
    /// restarts too.
    unix_ms_at_zero: u64,
}

impl OverloadControl {
    /// Sets the state from now on.
    pub fn set(&mut self, now: Now, overload: Overload) {
        self.overload = overload;
        self.knows(now);
    }

    /// Notes the time; call it before [`OverloadControl::answer`].
    pub fn knows(&mut self, now: Now) {
        let unix_ms = u64::try_from(now.unix_ms).unwrap_or(0);
        let at_zero = unix_ms.saturating_sub(millis(now.mono));
        self.unix_ms_at_zero = self.unix_ms_at_zero.max(at_zero);
    }

    /// Fills in the overload parameters of a response's topmost Via, where the request offered
    /// control by loss. The peer drops requests for [`VALIDITY`], which each response renews.
    pub fn answer(&self, at: Instant, via: &mut Via) {
        let offered = &via.parameters;
        let takes_loss = || {
            let algorithms = offered.unquoted("oc-algo");
            algorithms.is_none_or(|list| {
                list.split(',').any(|name| name.trim().eq_ignore_ascii_case(LOSS))
            })
        };
        if !offered.contains("oc") || !takes_loss() {
            return;
        }
        let is_overloaded = match via.transport {
            ViaTransport::Known(transport) => self.overload.is_of(transport),
            ViaTransport::Other(_) => self.overload.connections,
        };
        let percent = if is_overloaded { LOSS_PERCENT } else { 0 };
        let validity = if is_overloaded { VALIDITY } else { Duration::ZERO };
        let seq_ms = self.unix_ms_at_zero.saturating_add(millis(at));
        let seq = format!("{}.{:03}", seq_ms / 1_000, seq_ms % 1_000);
        // The names and values are tokens.
        let _ = via.parameters.set("oc", Some(&percent.to_string()));
        let _ = via.parameters.set_quoted("oc-algo", LOSS);
        let _ = via.parameters.set("oc-validity", Some(&validity.as_millis().to_string()));
        let _ = via.parameters.set("oc-seq", Some(&seq));
    }
}

const LOSS: &str = "loss";

/// Percentage of new requests that a peer drops while we are overloaded. Half of what was too much
/// lets the queue run empty, and the next response lifts the restriction.
const LOSS_PERCENT: u8 = 50;

/// How long the restriction holds without another response: the default of RFC 7339 §4.3.
const VALIDITY: Duration = Duration::from_millis(500);

fn millis(at: Instant) -> u64 {
    u64::try_from(at.since(Instant::ZERO).as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UDP_ONLY: Overload = Overload { datagrams: true, connections: false };

    fn answered(control: &OverloadControl, via: &str) -> String {
        let mut via = Via::parse(via.as_bytes()).expect("a Via");
        control.answer(Instant::from_millis(2_007), &mut via);
        via.to_string()
    }

    fn control(overload: Overload) -> OverloadControl {
        let mut control = OverloadControl::default();
        let now = Now { mono: Instant::from_millis(1_000), unix_ms: 1_800_000_001_000 };
        control.set(now, overload);
        control
    }

    #[test]
    fn who_offers_control_by_loss_reads_how_much_to_keep_back() {
        let offer = "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;oc;oc-algo=\"rate, Loss\"";
        assert_eq!(
            answered(&control(UDP_ONLY), offer),
            "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;oc=50;oc-algo=\"loss\";oc-validity=500;\
             oc-seq=1800000002.007"
        );
        assert_eq!(
            answered(&control(Overload::default()), offer),
            "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;oc=0;oc-algo=\"loss\";oc-validity=0;\
             oc-seq=1800000002.007"
        );
    }

    #[test]
    fn who_offers_nothing_or_another_algorithm_reads_nothing() {
        for offer in [
            "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1",
            "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;oc;oc-algo=\"rate\"",
        ] {
            assert_eq!(answered(&control(UDP_ONLY), offer), offer);
        }
    }

    #[test]
    fn a_way_that_keeps_up_asks_for_no_less() {
        let offer = "SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1;oc";
        assert!(answered(&control(UDP_ONLY), offer).contains(";oc=0;"));
    }

    #[test]
    fn the_sequence_grows_though_the_wall_clock_is_set_back() {
        let mut control = control(UDP_ONLY);
        control.set(Now { mono: Instant::from_millis(2_000), unix_ms: 0 }, UDP_ONLY);
        let offer = "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;oc";
        assert!(answered(&control, offer).ends_with(";oc-seq=1800000002.007"));
    }
}
