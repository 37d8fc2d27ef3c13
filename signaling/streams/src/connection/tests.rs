//! Connections to a server of the test, over a socket of the loopback interface.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

use call::stream::{StreamOpening, StreamUrl};
use shared::media::TapTracks;
use shared::{AccountSid, CallSid, StreamSid};

use super::handshake::MESSAGE_BYTES_MAX;
use super::*;

/// A stream towards a listener of this test, and the listener's end of its connection.
fn begun(listener: &TcpListener) -> (Connection, mio::Poll, TcpStream) {
    let address = listener.local_addr().expect("bound");
    let url = StreamUrl::read(&format!("ws://{address}/bot"), None, true).expect("a URL");
    let opening = StreamOpening {
        stream: StreamSid(7),
        account: AccountSid(1),
        call: CallSid(2),
        tracks: TapTracks::Inbound,
        is_two_way: true,
        parameters: Vec::new(),
        relay: None,
    };
    let order = OpenStream {
        opening,
        url,
        signature: "s".to_owned(),
        user_agent: "u".to_owned(),
        socket: TcpStream::connect(address).expect("it listens"),
        within: Duration::from_secs(10),
        speaker: None,
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let poll = mio::Poll::new().expect("a poll");
    let now = Instant::from_millis(1_000);
    let connection = Connection::begin(now, order, &Arc::new(tls), poll.registry(), Token(0));
    let (server, _) = listener.accept().expect("it has connected");
    (connection.expect("a connection"), poll, server)
}

/// Drives the connection by the events of its socket until a step is what is wanted.
fn drive(
    connection: &mut Connection,
    poll: &mut mio::Poll,
    wanted: impl Fn(&Step) -> bool,
) -> (Step, Outcome) {
    let mut events = mio::Events::with_capacity(8);
    for _ in 0..50 {
        poll.poll(&mut events, Some(Duration::from_millis(200))).expect("polled");
        let now = Instant::from_millis(2_000);
        let mut around = Around { now, feeds: &mut [], room: usize::MAX };
        let mut outcome = Outcome::default();
        let step = connection.ready(&mut around, &mut outcome);
        if wanted(&step) {
            return (step, outcome);
        }
    }
    panic!("the step does not come");
}

#[test]
fn nothing_is_written_before_the_first_event_and_start_follows_the_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let (mut connection, mut poll, mut server) = begun(&listener);
    server.set_nonblocking(true).expect("a socket");
    let early = server.read(&mut [0; 8]).expect_err("nothing yet");
    assert_eq!(early.kind(), ErrorKind::WouldBlock);
    server.set_nonblocking(false).expect("a socket");
    let server = thread::spawn(move || {
        let mut socket = tungstenite::accept(server).expect("a handshake");
        let texts: Vec<String> =
            (0..2).map(|_| socket.read().expect("a message").to_string()).collect();
        socket.close(None).expect("open");
        texts
    });
    drive(&mut connection, &mut poll, |step| matches!(step, Step::Opened));
    let texts = server.join().expect("no panic");
    assert!(texts[0].contains("connected") && texts[1].contains("\"start\""), "{texts:?}");
    let (step, _) = drive(&mut connection, &mut poll, |step| matches!(step, Step::Over(_)));
    assert!(matches!(step, Step::Over(StreamEnd::ClosedByPeer)), "{step:?}");
}

/// What the account reads of a server that writes these parts of its answer one after the other.
fn refused(parts: &'static [&str], ends: bool) -> (u16, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let (mut connection, mut poll, mut server) = begun(&listener);
    let (read, reads) = std::sync::mpsc::channel();
    let server = thread::spawn(move || {
        let _ = server.read(&mut [0; 4_096]).expect("the request");
        for part in parts {
            while reads.try_recv().is_ok() {}
            server.write_all(part.as_bytes()).expect("it reads");
            // Each part is read by itself; nobody reads behind the last one.
            let _ = reads.recv();
        }
        (!ends).then_some(server)
    });
    let (mut events, mut ticks) = (mio::Events::with_capacity(8), 0);
    let step = loop {
        poll.poll(&mut events, Some(Duration::from_millis(250))).expect("polled");
        let now = Instant::from_millis(2_000);
        if events.is_empty() {
            ticks += 1;
            assert!(ticks < 8, "the refusal does not come");
            if !matches!(connection.tick(now), Step::More) {
                continue;
            }
        }
        let mut around = Around { now, feeds: &mut [], room: usize::MAX };
        let step = connection.ready(&mut around, &mut Outcome::default());
        if matches!(step, Step::Over(_)) {
            break step;
        }
        let _ = read.send(());
    };
    drop(read);
    let _server = server.join().expect("no panic");
    match step {
        Step::Over(StreamEnd::Failed { answer: Some(answer), .. }) => (answer.status, answer.body),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_bytes_of_a_refusal_are_read_also_where_they_come_behind_its_head() {
    const HEAD: &str = "HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\n";
    let asleep = (403, "I sleep.\n".to_owned());
    assert_eq!(
        refused(&["HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nI sleep.\n"], false),
        asleep
    );
    assert_eq!(refused(&[HEAD, "I sle", "ep.\n"], false), asleep);
    assert_eq!(refused(&["HTTP/1.1 403 Forb", "idden\r\n\r\n", "I sleep.\n"], true), asleep);
    // One that neither ends nor says how long it is.
    assert_eq!(refused(&["HTTP/1.1 403 Forbidden\r\n\r\n", "I sleep.\n"], false), asleep);
    assert_eq!(refused(&[HEAD, "I "], false), (403, "I ".to_owned()));
}

#[test]
fn a_message_that_is_too_long_ends_the_stream_by_its_code() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let (mut connection, mut poll, server) = begun(&listener);
    let server = thread::spawn(move || {
        let mut socket = tungstenite::accept(server).expect("a handshake");
        socket.send(Message::text("x".repeat(MESSAGE_BYTES_MAX + 1))).expect("taken");
        loop {
            if let Message::Close(frame) = socket.read().expect("a message") {
                return frame.map(|frame| u16::from(frame.code));
            }
        }
    });
    let (step, _) = drive(&mut connection, &mut poll, |step| matches!(step, Step::Over(_)));
    let is_its_code =
        matches!(&step, Step::Over(StreamEnd::Failed { code: Code::STREAM_PROTOCOL, .. }));
    assert!(is_its_code, "{step:?}");
    drop(connection);
    assert_eq!(server.join().expect("no panic"), Some(1_009), "the server reads why");
}

/// Sends frames until one is lost; their number.
fn fill(connection: &mut Connection, now: Instant) -> u32 {
    for index in 0..200_000 {
        let warned = send(connection, index, now);
        if let Some((code, _)) = warned.first() {
            assert_eq!(*code, Code::STREAM_SLOW);
            return index;
        }
    }
    panic!("the server takes everything");
}

/// Sends one frame; the warnings.
fn send(connection: &mut Connection, index: u32, now: Instant) -> Vec<(Code, String)> {
    let frame = shared::TapFrame {
        tap: shared::TapId(1),
        index,
        codec: shared::Codec::Pcmu,
        inbound: None,
        outbound: None,
        feed_passed: 0,
        last: false,
    };
    let mut around = Around { now, feeds: &mut [], room: usize::MAX };
    let mut outcome = Outcome::default();
    let track = Some(&[1; FRAME_SAMPLES]);
    let step = connection.frame(&frame, [track, None], &mut around, &mut outcome);
    assert!(matches!(step, Step::Stays), "{step:?}");
    outcome.warnings
}

#[test]
fn a_server_that_reads_slowly_loses_messages_and_keeps_its_stream() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    // Less than what it reads at once, so that each time shows.
    SockRef::from(&listener).set_recv_buffer_size(16_384).expect("a buffer");
    let (mut connection, mut poll, server) = begun(&listener);
    let server = thread::spawn(move || tungstenite::accept(server).expect("a handshake"));
    drive(&mut connection, &mut poll, |step| matches!(step, Step::Opened));
    let mut server = server.join().expect("no panic");
    let now = Instant::from_millis(3_000);
    let frames = fill(&mut connection, now);
    // It reads a little every six seconds, and our buffer is never empty.
    for turn in 1..=4 {
        for _ in 0..60 {
            server.read().expect("a message");
        }
        let now = now + Duration::from_secs(6 * u64::from(turn));
        for index in 0..frames {
            send(&mut connection, frames * turn + index, now);
        }
        let step = connection.tick(now + Duration::from_secs(9));
        assert!(matches!(step, Step::Stays), "turn {turn}: {step:?}");
    }
}

#[test]
fn a_close_does_not_read_for_ever_from_a_server_that_goes_on_sending() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let (mut connection, mut poll, server) = begun(&listener);
    let server = thread::spawn(move || tungstenite::accept(server).expect("a handshake"));
    drive(&mut connection, &mut poll, |step| matches!(step, Step::Opened));
    let mut server = server.join().expect("no panic");
    for _ in 0..10 * MESSAGES_A_TURN {
        server.send(Message::text("more")).expect("taken");
    }
    let now = Instant::from_millis(3_000);
    let mut around = Around { now, feeds: &mut [], room: usize::MAX };
    let mut outcome = Outcome::default();
    let step = connection.close(&mut around, &mut outcome);
    assert!(matches!(step, Step::More), "the others have their turn: {step:?}");
    for _ in 0..9 {
        let step = connection.ready(&mut around, &mut outcome);
        assert!(matches!(step, Step::More | Step::Stays), "{step:?}");
    }
    let step = connection.tick(now + Duration::from_secs(2));
    assert!(matches!(step, Step::Over(StreamEnd::Stopped)), "{step:?}");
}

#[test]
fn a_server_that_reads_nothing_loses_messages_with_a_warning_and_after_ten_seconds_its_stream() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let (mut connection, mut poll, server) = begun(&listener);
    let server = thread::spawn(move || tungstenite::accept(server).expect("a handshake"));
    drive(&mut connection, &mut poll, |step| matches!(step, Step::Opened));
    let server = server.join().expect("no panic");
    let now = Instant::from_millis(3_000);
    let frames = fill(&mut connection, now);
    // The kernel's part of both ends, ours, and not megabytes.
    assert!(frames < 2_000, "noticed after {frames} frames, 50 of which are a second");
    assert!(matches!(connection.tick(now + Duration::from_secs(9)), Step::Stays));
    let step = connection.tick(now + Duration::from_secs(11));
    let is_its_code =
        matches!(&step, Step::Over(StreamEnd::Failed { code: Code::STREAM_SLOW, .. }));
    assert!(is_its_code, "{step:?}");
    drop(server);
}
