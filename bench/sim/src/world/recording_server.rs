//! The recording server of a world (SIPREC), on the virtual clock.
//!
//! ```text
//!   INVITE ──by the manner──> answered ──ACK──> recording ──BYE of either side──> over
//! ```
//!
//! The user of the Request-URI says how the server behaves. Each INVITE is checked against siprec.md 2. A 200 is sent
//! again until its ACK comes; another response when its request comes again. It writes SIP by hand and shares with the
//! gateway the reader of messages alone.

use std::collections::BTreeMap;
use std::time::Duration;

use sip::message::{Message, Method, Request};
use sip::{Contacts, NameAddr, Response, Text, Uri};

/// What the server does, by the user of the Request-URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Takes,
    /// 200 after 8 s.
    Late,
    /// 403.
    Refuses,
    /// 401 first.
    Challenges,
    /// Never answers.
    Silent,
    /// Takes the session, and answers nothing after the ACK.
    Vanishes,
    /// Takes the session, and hangs up after 3 s.
    HangsUp,
}

impl Manner {
    fn of(uri: &Uri) -> Self {
        let uri = uri.to_string();
        match uri.trim_start_matches("sip:").split('@').next() {
            Some("late") => Self::Late,
            Some("refuses") => Self::Refuses,
            Some("challenges") => Self::Challenges,
            Some("silent") => Self::Silent,
            Some("vanishes") => Self::Vanishes,
            Some("hangs-up") => Self::HangsUp,
            _ => Self::Takes,
        }
    }
}

/// What the server does some time later.
#[derive(Clone, Debug)]
pub enum ServerAct {
    /// Accepts this INVITE, unless that is decided.
    Accepts(Box<Request>),
    /// Sends its 200 again, unless the ACK has come; the next time after twice as long.
    Repeats {
        call_id: String,
        cseq: u32,
        after: Duration,
    },
    HangsUp {
        call_id: String,
    },
}

struct Session {
    manner: Manner,
    /// The first of its media ports; the other is two above.
    port: u16,
    /// Final responses, by CSeq.
    answers: BTreeMap<u32, Vec<u8>>,
    acknowledged: u32,
    is_over: bool,
    /// Name of the session in the metadata.
    name: String,
    /// The first INVITE, which a BYE of the server turns round.
    first: Box<Request>,
}

/// All sessions so far, with the audio that the server received in them.
#[derive(Default)]
pub struct RecordingServer {
    sessions: BTreeMap<String, Session>,
    /// Mu-law by media port.
    heard: BTreeMap<u16, Vec<u8>>,
    /// Participants that send, of each description in order of arrival.
    pub senders: Vec<usize>,
    /// The second participant of each description.
    pub others: Vec<String>,
    /// What the gateway sent and should not have.
    pub wrong: Vec<String>,
}

/// What a step leads to.
#[derive(Default)]
pub struct ServerOutcome {
    pub datagrams: Vec<Vec<u8>>,
    pub acts: Vec<(Duration, ServerAct)>,
}

impl RecordingServer {
    /// What the server heard in the stream of that place, in all sessions.
    pub fn heard(&self, stream: u16) -> Vec<u8> {
        let streams = self.heard.iter().filter(|(port, _)| *port % 4 == stream * 2);
        streams.flat_map(|(_, heard)| heard.iter().copied()).collect()
    }

    /// An RTP packet at one of its ports.
    pub fn hear(&mut self, port: u16, packet: &[u8]) {
        let payload = packet.get(RTP_HEADER_BYTES..).unwrap_or_default();
        if port.is_multiple_of(2) && packet.get(1).is_some_and(|second| second & 0x7F == 0) {
            self.heard.entry(port).or_default().extend_from_slice(payload);
        }
    }

    /// A SIP message of the gateway.
    pub fn receive(&mut self, bytes: &[u8]) -> ServerOutcome {
        match Message::parse(bytes) {
            Ok(Message::Request(request)) => self.receive_request(request),
            // To its own BYE.
            Ok(Message::Response(_)) => ServerOutcome::default(),
            Err(error) => {
                self.wrong.push(format!("the recording server cannot read: {error:?}"));
                ServerOutcome::default()
            }
        }
    }

    fn receive_request(&mut self, request: Request) -> ServerOutcome {
        let (call_id, cseq) = (request.call_id.to_string(), request.cseq.number);
        if request.method == Method::Invite {
            return self.receive_invite(request);
        }
        let Some(session) = self.sessions.get_mut(&call_id) else {
            return ServerOutcome::one(respond(&request, 481));
        };
        match request.method {
            Method::Ack => {
                session.acknowledged = session.acknowledged.max(cseq);
                if session.manner == Manner::HangsUp && cseq == session.first.cseq.number {
                    return ServerOutcome::later(3_000, ServerAct::HangsUp { call_id });
                }
                ServerOutcome::default()
            }
            _ if session.has_vanished() => ServerOutcome::default(),
            Method::Cancel => {
                let mut outcome = ServerOutcome::one(respond(&request, 200));
                if !session.answers.contains_key(&cseq) {
                    let mut invite = (*session.first).clone();
                    invite.cseq.number = cseq;
                    invite.via = request.via;
                    let terminated = respond(&invite, 487);
                    session.answers.insert(cseq, terminated.clone());
                    session.is_over = true;
                    outcome.datagrams.push(terminated);
                }
                outcome
            }
            Method::Bye => {
                session.is_over = true;
                ServerOutcome::one(respond(&request, 200))
            }
            _ => ServerOutcome::one(respond(&request, 200)),
        }
    }

    fn receive_invite(&mut self, request: Request) -> ServerOutcome {
        let (call_id, cseq) = (request.call_id.to_string(), request.cseq.number);
        let port = FIRST_PORT + 4 * self.sessions.len() as u16;
        let session = self.sessions.entry(call_id).or_insert_with(|| Session {
            manner: Manner::of(&request.uri),
            port,
            answers: BTreeMap::new(),
            acknowledged: 0,
            is_over: false,
            name: String::new(),
            first: Box::new(request.clone()),
        });
        if session.has_vanished() || session.manner == Manner::Silent {
            return ServerOutcome::default();
        }
        if let Some(answer) = session.answers.get(&cseq) {
            return ServerOutcome::one(answer.clone());
        }
        let body = String::from_utf8_lossy(&request.body).into_owned();
        if let Some(wrong) = session.fault_of(&request, &body) {
            self.wrong.push(format!("a recording session: {wrong}: {body}"));
        }
        let is_challenged =
            session.manner == Manner::Challenges && request.headers.get("Authorization").is_none();
        let refusal = match session.manner {
            Manner::Refuses => Some(403),
            _ if is_challenged => Some(401),
            _ => None,
        };
        if let Some(status) = refusal {
            let answer = respond(&request, status);
            session.answers.insert(cseq, answer.clone());
            return ServerOutcome::one(answer);
        }
        self.senders.push(body.matches("<send>").count());
        let other = body.split("aor=\"").nth(2).and_then(|rest| rest.split('"').next());
        self.others.push(other.unwrap_or_default().to_owned());
        let is_first = session.acknowledged == 0;
        let trying = respond(&request, 100);
        let wait_ms = if session.manner == Manner::Late && is_first { 8_000 } else { 20 };
        let mut outcome = ServerOutcome::later(wait_ms, ServerAct::Accepts(Box::new(request)));
        outcome.datagrams.push(trying);
        outcome
    }

    /// The time for something has come.
    pub fn act(&mut self, act: ServerAct) -> ServerOutcome {
        match act {
            ServerAct::Accepts(request) => {
                let call_id = request.call_id.to_string();
                let cseq = request.cseq.number;
                let Some(session) = self.sessions.get_mut(&call_id) else {
                    return ServerOutcome::default();
                };
                // A copy of the INVITE came while it was being decided, or a CANCEL.
                if session.answers.contains_key(&cseq) {
                    return ServerOutcome::default();
                }
                let answer = accept(&request, session.port);
                session.answers.insert(cseq, answer.clone());
                let after = Duration::from_millis(500);
                let mut outcome = ServerOutcome::one(answer);
                outcome.acts.push((after, ServerAct::Repeats { call_id, cseq, after }));
                outcome
            }
            ServerAct::Repeats { call_id, cseq, after } => {
                let Some(session) = self.sessions.get(&call_id) else {
                    return ServerOutcome::default();
                };
                if session.acknowledged >= cseq || session.is_over || after > REPEATS_MAX {
                    return ServerOutcome::default();
                }
                let mut outcome = ServerOutcome::default();
                outcome.datagrams.extend(session.answers.get(&cseq).cloned());
                let after = after * 2;
                outcome.acts.push((after, ServerAct::Repeats { call_id, cseq, after }));
                outcome
            }
            ServerAct::HangsUp { call_id } => {
                let Some(session) = self.sessions.get_mut(&call_id).filter(|own| !own.is_over)
                else {
                    return ServerOutcome::default();
                };
                session.is_over = true;
                ServerOutcome::one(bye(&session.first))
            }
        }
    }
}

impl Session {
    const fn has_vanished(&self) -> bool {
        matches!(self.manner, Manner::Vanishes) && self.acknowledged > 0
    }

    /// What is wrong with an INVITE of this session.
    fn fault_of(&mut self, request: &Request, body: &str) -> Option<&'static str> {
        let name = body.split("session_id=\"").nth(1).and_then(|rest| rest.split('"').next());
        let name = name.unwrap_or_default().to_owned();
        let streams = body.matches("m=audio ").count();
        if request.headers.get("Require").is_none_or(|value| value.to_lossy() != "siprec") {
            Some("it does not require siprec")
        } else if !body.contains("Content-Disposition: recording-session") || name.is_empty() {
            Some("it has no metadata")
        } else if !std::mem::replace(&mut self.name, name.clone()).is_empty() && self.name != name {
            Some("it has another name")
        } else if streams == 0 || streams != body.matches("</stream>").count() {
            Some("its streams are not those of its metadata")
        } else if streams != body.matches("a=sendonly").count() {
            Some("it wants to hear the server")
        } else {
            None
        }
    }
}

impl ServerOutcome {
    fn one(datagram: Vec<u8>) -> Self {
        Self { datagrams: vec![datagram], acts: Vec::new() }
    }

    fn later(ms: u64, act: ServerAct) -> Self {
        Self { datagrams: Vec::new(), acts: vec![(Duration::from_millis(ms), act)] }
    }
}

fn response(request: &Request, status: u16) -> Response {
    let mut response = Response::for_request(request, status, "As the server likes");
    if status > 100 && response.to.tag().is_none() {
        response.to.set_tag(Text::cleaned("srs"));
    }
    if status == 401 {
        let challenge = "Digest realm=\"srs\", nonce=\"abc\", qop=\"auth\"";
        response.headers.push("WWW-Authenticate", challenge).expect("a header");
    }
    response
}

fn respond(request: &Request, status: u16) -> Vec<u8> {
    response(request, status).to_bytes()
}

/// 200 with a port for each stream of the offer.
fn accept(request: &Request, port: u16) -> Vec<u8> {
    let streams = String::from_utf8_lossy(&request.body).matches("m=audio ").count();
    let mut sdp =
        "v=0\r\no=srs 1 1 IN IP4 10.0.0.8\r\ns=-\r\nc=IN IP4 10.0.0.8\r\nt=0 0\r\n".to_owned();
    for stream in 0..streams as u16 {
        sdp += &format!("m=audio {} RTP/AVP 0\r\na=recvonly\r\n", port + 2 * stream);
    }
    let mut response = response(request, 200);
    response.contact = contact();
    response.set_body("application/sdp", sdp.into_bytes()).expect("a type");
    response.to_bytes()
}

/// The BYE of the called side in the dialog that this INVITE began.
fn bye(invite: &Request) -> Vec<u8> {
    let target = invite.contact.first().map(|contact| contact.uri.clone());
    let mut from = invite.to.clone();
    from.set_tag(Text::cleaned("srs"));
    let uri = target.unwrap_or_else(|| invite.from.uri.clone());
    let to = invite.from.clone();
    let mut bye = Request::new(Method::Bye, uri, from, to, invite.call_id.clone(), 1);
    bye.max_forwards = Some(70);
    let via = "SIP/2.0/UDP 10.0.0.8:5060;branch=z9hG4bKsrs";
    bye.via = vec![sip::Via::parse(via.as_bytes()).expect("a Via")];
    bye.to_bytes()
}

fn contact() -> Contacts {
    Contacts::one(NameAddr::new(Uri::parse(b"sip:srs@10.0.0.8").expect("a URI")))
}

/// Its media ports are four a session.
const FIRST_PORT: u16 = 20_000;
const RTP_HEADER_BYTES: usize = 12;
/// The last pause before a 200 is sent again.
const REPEATS_MAX: Duration = Duration::from_secs(16);
