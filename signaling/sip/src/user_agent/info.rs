//! INFO in a dialog: digits (RFC 2976 as phones use it). Sans-IO.

use shared::{Header, Now};

use super::core::Core;
use super::event::UaEvent;
use super::responses::Shape;
use super::session::Session;
use crate::dtmf_relay::DtmfRelay;
use crate::flow::Flow;
use crate::message::Request;

impl Session {
    /// 200 for a digit and for no body at all, 415 for other bodies, 469 for a package (RFC 6086).
    pub(super) fn receive_info(
        &mut self,
        core: &mut Core,
        now: Now,
        flow: Flow,
        request: &Request,
    ) {
        let (status, headers) = match read(request) {
            Ok(None) => (200, Vec::new()),
            Ok(Some(DtmfRelay { digit, duration_ms })) => {
                if let Some(digit) = digit {
                    core.outbox.emit(UaEvent::Digit { session: self.id, digit, duration_ms });
                }
                (200, Vec::new())
            }
            Err(refusal) => refusal,
        };
        let shape = Shape { headers: &headers, ..Shape::default() };
        core.respond_remembered(now, flow, request, Some(self.id), status, shape);
    }
}

fn read(request: &Request) -> Result<Option<DtmfRelay>, (u16, Vec<Header>)> {
    if request.headers.contains("Info-Package") {
        return Err((469, vec![Header::new("Recv-Info", "")]));
    }
    if request.body.is_empty() {
        return Ok(None);
    }
    let kind = request.headers.content_type();
    let is = |essence: &str| kind.as_ref().is_some_and(|kind| kind.is(essence));
    let read = if is(RELAY) {
        DtmfRelay::parse(&request.body)
    } else if is(BARE) {
        DtmfRelay::parse_bare(&request.body)
    } else {
        let accept = format!("{RELAY}, {BARE}");
        return Err((415, vec![Header::new("Accept", accept)]));
    };
    read.map(Some).ok_or((400, Vec::new()))
}

const RELAY: &str = "application/dtmf-relay";
const BARE: &str = "application/dtmf";
