//! The HTTP server over real loopback sockets.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{HeaderValue, Response, StatusCode, header};
use hyper::body::Bytes;
use parking_lot::Mutex;
use tokio::net::TcpListener;

use super::*;

struct World {
    address: SocketAddr,
    ready: Arc<AtomicBool>,
    metrics: Arc<HttpMetrics>,
    _runtime: tokio::runtime::Runtime,
}

fn start() -> World {
    start_as(Listening::Http)
}

/// A proxy listener whose TLS has no certificate for anybody.
fn start_proxy() -> World {
    #[derive(Debug)]
    struct Nobody;
    impl rustls::server::ResolvesServerCert for Nobody {
        fn resolve(
            &self,
            _: rustls::server::ClientHello<'_>,
        ) -> Option<Arc<rustls::sign::CertifiedKey>> {
            None
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .expect("the provider's own versions")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Nobody));
    start_as(Listening::Proxy(Arc::new(config)))
}

fn start_as(listening: Listening) -> World {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let ready = Arc::new(AtomicBool::new(false));
    let metrics = Arc::new(HttpMetrics::default());
    let server = Arc::new(HttpServer {
        metrics: Arc::clone(&metrics),
        ready: Arc::clone(&ready),
        rest: Rest::nothing(),
        authorities: None,
        addresses: AddressList::default(),
        room: Room::default(),
        pages: TEST_PAGES,
        hosted: Box::new(|_| None),
        serverless: Box::new(|_, _| Box::pin(async { problem(StatusCode::NOT_FOUND, "none") })),
        event_streams: EventStreams::default(),
        more_metrics: Box::new(|text| text.sample("more", &[], 1)),
    });
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("listening");
    let address = listener.local_addr().expect("bound");
    runtime.spawn(serve(listener, listening, server));
    World { address, ready, metrics, _runtime: runtime }
}

/// The pages of a gateway that these tests ask for, and one of each kind that no gateway has yet.
const TEST_PAGES: &[Page] = &[
    PAGES[1],
    PAGES[2],
    PAGES[3],
    Page { path: "/addresses.json", kind: PageKind::Asset(|server| &server.addresses.json) },
    Page { path: "/session", kind: PageKind::Made(session) },
    Page { path: "/events", kind: PageKind::Events(events) },
    Page { path: "/asked", kind: PageKind::Asked(asked) },
    PAGES[5],
];

/// Tells the client its session, and gives one to a client without.
fn session(_: &HttpServer, request: &WholeRequest) -> Response<Body> {
    match request.headers.get(header::COOKIE) {
        Some(cookie) => text(StatusCode::OK, Bytes::copy_from_slice(cookie.as_bytes())),
        None => {
            let mut response = text(StatusCode::UNAUTHORIZED, "");
            let cookie = HeaderValue::from_static("session=1; HttpOnly; SameSite=Strict");
            response.headers_mut().insert(header::SET_COOKIE, cookie);
            response
        }
    }
}

/// Answers from another task.
fn asked(_: Rest, request: WholeRequest) -> Answering {
    Box::pin(async move {
        let query = request.uri.query().unwrap_or_default().to_owned();
        let answer = tokio::spawn(async move {
            tokio::task::yield_now().await;
            query
        });
        text(StatusCode::OK, answer.await.expect("answered"))
    })
}

/// Senders of the streams that clients opened, by the query of their requests.
static OPENED: Mutex<BTreeMap<String, EventSender>> = Mutex::new(BTreeMap::new());

fn events(_: &HttpServer, request: &WholeRequest, sender: EventSender) -> Option<Response<Body>> {
    let Some(query) = request.uri.query() else {
        return Some(text(StatusCode::BAD_REQUEST, "which?"));
    };
    OPENED.lock().insert(query.to_owned(), sender);
    None
}

impl World {
    /// Sends a text and reads until the server closes.
    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
        stream.write_all(request.as_bytes()).expect("written");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn get(&self, path: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
    }
}

#[test]
fn readiness_follows_the_gateway_and_health_does_not() {
    let world = start();
    assert!(world.get("/healthz").starts_with("HTTP/1.1 200 "));
    assert!(world.get("/readyz").starts_with("HTTP/1.1 503 "));
    world.ready.store(true, Ordering::Release);
    assert!(world.get("/readyz").starts_with("HTTP/1.1 200 "));
}

#[test]
fn metrics_are_prometheus_text_and_a_closing_client_reads_close() {
    let answer = start().get("/metrics");
    assert!(answer.contains("text/plain; version=0.0.4"), "{answer}");
    assert!(answer.contains("\nhttp_requests_open 1\n"), "{answer}");
    assert!(answer.contains("\nmore 1\n"), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
}

#[test]
fn urls_headers_and_bodies_past_their_bounds_are_refused() {
    let world = start();
    let url = "x".repeat(9 * 1024);
    assert!(world.get(&format!("/{url}")).starts_with("HTTP/1.1 414 "));
    let header = "x".repeat(17 * 1024);
    let request = format!("GET /healthz HTTP/1.1\r\nHost: x\r\nBig: {header}\r\n\r\n");
    assert!(world.ask(&request).starts_with("HTTP/1.1 431 "));
    let request = "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n";
    assert!(world.ask(request).starts_with("HTTP/1.1 413 "));
    let chunk = "x".repeat(70 * 1024);
    let request = format!(
        "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{chunk}\r\n0\r\n\r\n",
        chunk.len()
    );
    assert!(world.ask(&request).starts_with("HTTP/1.1 413 "));
    assert_eq!(world.metrics.http_requests_refused_total.value("body"), 2);
}

#[test]
fn what_is_refused_early_is_json_as_sdks_read_it() {
    let answer = start().get(&format!("/{}", "x".repeat(9 * 1024)));
    let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
    assert!(head.to_ascii_lowercase().contains("content-type: application/json"), "{head}");
    assert_eq!(body, r#"{"message":"The URL is longer than 8 KiB.","status":414}"#);
}

#[test]
fn a_request_names_exactly_one_host() {
    let world = start();
    for hosts in ["", "Host: a\r\nHost: b\r\n", "Host: a\"b<c>\r\n", "Host: u@h\r\n"] {
        let request = format!("GET /healthz HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n");
        assert!(world.ask(&request).starts_with("HTTP/1.1 400 "), "{hosts}");
    }
    for hosts in ["Host: a.example:8080\r\n", "Host: [::1]:80\r\n"] {
        let request = format!("GET /healthz HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n");
        assert!(world.ask(&request).starts_with("HTTP/1.1 200 "), "{hosts}");
    }
    assert!(world.ask("GET /healthz HTTP/1.0\r\n\r\n").starts_with("HTTP/1.0 200 "));
}

#[test]
fn a_kept_connection_that_is_not_used_is_closed_without_a_word() {
    let world = start();
    let answer = world.ask("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(!answer.contains("408"), "{answer}");
    assert_eq!(world.metrics.http_requests_refused_total.value("slow"), 0);
}

#[test]
fn an_asset_is_sent_once_to_a_client_that_keeps_it() {
    let world = start();
    let answer = world.get("/addresses.json").to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 200 ") && answer.contains("cache-control: no-cache"));
    let etag = answer.lines().find_map(|line| line.strip_prefix("etag: ")).expect("an ETag");
    let request = format!(
        "GET /addresses.json HTTP/1.1\r\nHost: x\r\nIf-None-Match: {etag}\r\nConnection: close\r\n\r\n"
    );
    let answer = world.ask(&request);
    assert!(answer.starts_with("HTTP/1.1 304 ") && answer.ends_with("\r\n\r\n"), "{answer}");
}

#[test]
fn a_page_sees_its_request_and_may_set_a_cookie() {
    let world = start();
    let answer = world.get("/session");
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("set-cookie: session=1;"), "{answer}");
    let request =
        "GET /session HTTP/1.1\r\nHost: x\r\nCookie: session=1\r\nConnection: close\r\n\r\n";
    assert!(world.ask(request).ends_with("\r\n\r\nsession=1"));
}

#[test]
fn an_asked_page_waits_for_another_task_and_other_requests_do_not() {
    let world = start();
    assert!(world.get("/asked?who").ends_with("\r\n\r\nwho"));
    assert!(world.ask("POST /asked?who HTTP/1.0\r\n\r\n").starts_with("HTTP/1.0 404 "));
    assert_eq!(PAGES[5].path, "/media.json");
    let answer = world.get("/media.json");
    assert!(answer.starts_with("HTTP/1.1 404 "), "this server has no calls: {answer}");
}

#[test]
fn an_event_stream_reaches_its_client_event_by_event_until_the_sender_ends_it() {
    let world = start();
    let mut stream = TcpStream::connect(world.address).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    let request = "GET /events?whole HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("written");
    let mut seen = String::new();
    read_until(&mut stream, &mut seen, "\r\n\r\n");
    assert!(seen.to_ascii_lowercase().contains("content-type: text/event-stream"), "{seen}");
    let mut sender = OPENED.lock().remove("whole").expect("opened");
    assert_eq!(world.metrics.http_event_streams_open.value(), 1);
    for data in ["ringing", "completed"] {
        sender.send("call", data).expect("sent");
        read_until(&mut stream, &mut seen, &format!("event: call\ndata: {data}\n\n"));
    }
    drop(sender);
    read_until(&mut stream, &mut seen, "\r\n0\r\n\r\n");
    let answer = world.get("/events");
    assert!(answer.starts_with("HTTP/1.1 400 "), "a page may refuse: {answer}");
    let head = world.ask("HEAD /events?head HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 ") && !OPENED.lock().contains_key("head"), "{head}");
}

fn read_until(stream: &mut TcpStream, seen: &mut String, end: &str) {
    let mut bytes = [0; 1_024];
    while !seen.contains(end) {
        let count = stream.read(&mut bytes).expect("more in time");
        assert!(count > 0, "closed before {end:?}: {seen}");
        seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
}

#[test]
fn a_proxy_refuses_hosts_that_the_api_does_not_have_and_names_the_setting() {
    let world = start_proxy();
    for request in [
        "CONNECT packages.example.org:443 HTTP/1.1\r\nHost: packages.example.org:443\r\n\r\n",
        "CONNECT api.twilio.com:22 HTTP/1.1\r\nHost: api.twilio.com:22\r\n\r\n",
        "CONNECT api.twilio.com.example:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET http://example.com/2010-04-01/Accounts HTTP/1.1\r\nHost: api.twilio.com\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    ] {
        let answer = world.ask(request);
        assert!(answer.starts_with("HTTP/1.1 403 Only hosts of the API (http.proxy)"), "{answer}");
        assert!(answer.contains("(setting http.proxy)"), "{answer}");
    }
    assert_eq!(world.metrics.http_requests_refused_total.value("proxy_host"), 5);
    assert_eq!(world.metrics.http_proxy_tunnels_total.value(), 0);
}

#[test]
fn a_proxied_request_reaches_the_api_by_the_host_of_its_target_and_nothing_else() {
    let world = start_proxy();
    let get = |target: &str, host: &str| {
        world.ask(&format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
    };
    // The server of these tests has no resources: its own sentence shows that the API was asked.
    for target in [
        "http://api.twilio.com/2010-04-01/Accounts.json",
        "http://api.dublin.ie1.twilio.com/2010-04-01/Accounts.json",
        "http://monitor.twilio.com/v1/Alerts",
        "http://studio.twilio.com/v2/Flows",
    ] {
        let answer = get(target, "x");
        assert!(answer.contains("There is no such resource."), "{target}: {answer}");
    }
    for target in ["http://video.twilio.com/v1/Rooms", "http://api.twilio.com/healthz"] {
        let answer = get(target, "x");
        assert!(answer.starts_with("HTTP/1.1 404 ") && answer.contains("has no /"), "{answer}");
    }
    assert!(get("http://user@api.twilio.com/2010-04-01/", "x").starts_with("HTTP/1.1 400 "));
    assert!(get("/2010-04-01/Accounts.json", "api.twilio.com").contains("no such resource"));
}

#[test]
fn a_tunnel_begins_with_a_handshake_or_ends() {
    let world = start_proxy();
    let connect = "CONNECT api.twilio.com:443 HTTP/1.1\r\nHost: api.twilio.com:443\r\n\r\n";
    // The bytes behind the head are the tunnel's: a client need not wait for the 200.
    let answer = world.ask(&format!("{connect}GET / HTTP/1.1\r\n\r\n"));
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("\r\n\r\n"), "{answer}");
    assert!(!answer.to_ascii_lowercase().contains("content-length"), "{answer}");
    assert_eq!(world.metrics.http_proxy_tunnels_total.value(), 1);
    assert_eq!(world.metrics.http_requests_refused_total.value("tls"), 1);
    // A client that stays silent in its tunnel has the time of a handshake.
    assert!(world.ask(connect).starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(world.metrics.http_requests_refused_total.value("tls_timeout"), 1);
    // A TLS record as the first byte needs no CONNECT.
    world.ask("\u{16}\u{3}\u{1}\0\u{4}\0\0\0\0");
    assert_eq!(world.metrics.http_requests_refused_total.value("tls"), 2);
}
