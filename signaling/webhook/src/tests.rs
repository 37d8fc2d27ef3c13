//! The webhook client against real servers on free ports of this machine.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use audio::AudioIntake;
use call::{AnswerBody, Form, HttpId, HttpKind, HttpMethod, HttpRequest, WebUrl};
use parking_lot::Mutex;
use shared::{AccountSid, CallSid, Code, limits};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::dns::Resolver;

mod hosted;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn a_post_carries_form_signature_token_and_user_agent() {
    let server = Server::start(|_| ok("text/xml", b"<Response/>")).await;
    let request = post(&format!("{}/voice?tenant=7", server.url()));
    let expected = request.wire().signature(TOKEN);
    let answer = client().send(request, TOKEN).await.unwrap();
    assert_eq!((answer.status, answer.body.bytes()), (200, b"<Response/>".as_slice()));
    assert_eq!(answer.content_type.as_deref(), Some("text/xml"));
    assert_eq!(answer.final_url, format!("{}/voice?tenant=7", server.url()));
    let seen = server.only();
    assert_eq!(seen.line, "POST /voice?tenant=7 HTTP/1.1");
    assert_eq!(seen.body, "CallSid=CA1&From=%2B1415&Digits=12");
    assert_eq!(seen.header("X-Twilio-Signature"), expected);
    assert_eq!(seen.header("I-Twilio-Idempotency-Token"), "token-1");
    assert_eq!(seen.header("User-Agent"), "TwilioProxy/1.1");
    assert_eq!(seen.header("Accept"), "*/*");
    assert_eq!(seen.header("Accept-Encoding"), "gzip");
    assert_eq!(seen.header("Content-Type"), "application/x-www-form-urlencoded; charset=UTF-8");
    assert_eq!(seen.header("Host"), server.address.to_string());
}

/// Linux gives every address of 127.0.0.0/8 to the loopback interface.
#[tokio::test]
async fn each_retry_leaves_by_the_next_edge_that_the_url_names() {
    let server = Server::start(|_| answer(503, "text/plain", "", b"")).await;
    let edges = [("dublin", "127.0.0.2"), ("tokyo", "127.0.0.3")];
    let edges = edges.map(|(name, ip)| (name.to_owned(), vec![ip.parse().unwrap()]));
    let client = with(WebhookSettings { edges: BTreeMap::from(edges), ..settings() });
    let url = format!("{}/v#e=dublin,sydney,tokyo&rc=2&rp=5xx", server.url());
    let answer = client.send(post(&url), TOKEN).await.unwrap();
    assert_eq!(answer.status, 503);
    let sources: Vec<String> = server.sources.lock().iter().map(|ip| ip.to_string()).collect();
    assert_eq!(sources, ["127.0.0.2", "127.0.0.1", "127.0.0.3"], "sydney is not served");
}

#[tokio::test]
async fn a_get_appends_its_parameters_percent_encoded() {
    let server = Server::start(|_| ok("text/xml", b"")).await;
    let mut request = get(&format!("{}/v?x=1", server.url()));
    request.standard.push("Name", "a b,c:d");
    client().send(request, TOKEN).await.unwrap();
    let line = "GET /v?x=1&CallSid=CA1&From=%2B1415&Name=a%20b%2Cc%3Ad&Digits=12 HTTP/1.1";
    assert_eq!(server.only().line, line);
}

#[tokio::test]
async fn userinfo_becomes_basic_auth_and_stays_in_the_final_url_only() {
    let server = Server::start(|_| ok("text/xml", b"")).await;
    let answer = client()
        .send(post(&format!("http://us%40er:pw@{}/v#ct=2000", server.address)), TOKEN)
        .await
        .unwrap();
    assert_eq!(server.only().header("Authorization"), "Basic dXNAZXI6cHc=");
    assert_eq!(answer.final_url, format!("http://us%40er:pw@{}/v", server.address));
}

#[tokio::test]
async fn a_digest_challenge_is_answered_and_the_call_stays_logged_in() {
    let server = Server::start(|request| {
        let challenge = "WWW-Authenticate: Digest realm=\"app\", nonce=\"n1\", qop=\"auth\"\r\n";
        match request.header("Authorization") {
            text if text.starts_with("Digest ") => ok("text/xml", b"in"),
            _ => answer(401, "text/plain", challenge, b""),
        }
    })
    .await;
    let client = client();
    let url = format!("http://user:pw@{}/v?x=1", server.address);
    for _ in 0..2 {
        assert_eq!(client.send(post(&url), TOKEN).await.unwrap().body.bytes(), b"in");
    }
    let seen: Vec<String> = server.seen().iter().map(|one| one.header("Authorization")).collect();
    assert_eq!(seen.len(), 3);
    assert!(seen[0].starts_with("Basic "));
    for (header, count) in seen[1..].iter().zip(["nc=00000001", "nc=00000002"]) {
        assert!(
            header.contains("username=\"user\"") && header.contains("uri=\"/v?x=1\""),
            "{header}"
        );
        assert!(header.contains(count), "{header}");
    }
    client.forget(CallSid(1));
    client.send(post(&url), TOKEN).await.unwrap();
    assert!(server.seen()[3].header("Authorization").starts_with("Basic "));
    let without = client.send(post(&format!("{}/v", server.url())), TOKEN).await.unwrap();
    assert_eq!(without.status, 401);
}

#[tokio::test]
async fn a_host_gets_200_requests_at_once_and_the_others_wait_their_turn() {
    let at_once = Arc::new(Mutex::new((0, 0)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn({
        let at_once = at_once.clone();
        async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let at_once = at_once.clone();
                tokio::spawn(async move {
                    while read_request(&mut stream).await.is_some() {
                        {
                            let mut counts = at_once.lock();
                            counts.0 += 1;
                            counts.1 = counts.1.max(counts.0);
                        }
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        at_once.lock().0 -= 1;
                        stream.write_all(&ok("text/xml", b"")).await.unwrap();
                    }
                });
            }
        }
    });
    let client = client();
    let sends: Vec<_> = (0..500u32)
        .map(|number| {
            let client = client.clone();
            let request =
                HttpRequest { call: CallSid(number.into()), ..post(&format!("http://{address}/")) };
            tokio::spawn(async move { client.send(request, TOKEN).await })
        })
        .collect();
    for send in sends {
        assert_eq!(send.await.unwrap().unwrap().status, 200);
    }
    assert!(at_once.lock().1 <= 200, "{:?}", at_once.lock());
    assert_eq!(client.meters().snapshot().in_flight, 0);
}

#[tokio::test]
async fn requests_of_all_accounts_together_are_bounded_and_wait_within_their_time() {
    let server = Server::start(|_| ok("text/xml", b"1")).await;
    let client = client();
    let others = limits::WEBHOOK_CONCURRENCY_MAX as u32;
    let held = client.places().acquire_many(others).await.unwrap();
    let failure = client.send(post(&format!("{}#tt=100", server.url())), TOKEN).await.unwrap_err();
    assert_eq!(failure.code, Code::HTTP_TIMEOUT);
    drop(held);
    assert!(client.send(post(&server.url()), TOKEN).await.is_ok());
}

#[tokio::test]
async fn a_302_turns_into_get_without_verb_parameters_and_is_signed_anew() {
    let server = Server::start(|request| match request.path() {
        "/first" => redirect(302, "/second"),
        _ => ok("text/xml", b"<Response/>"),
    })
    .await;
    let answer = client().send(post(&format!("{}/first", server.url())), TOKEN).await.unwrap();
    assert_eq!(answer.final_url, format!("{}/second", server.url()));
    let second = server.seen().pop().unwrap();
    assert_eq!(second.line, "GET /second?CallSid=CA1&From=%2B1415 HTTP/1.1");
    let url = format!("{}/second?CallSid=CA1&From=%2B1415", server.url());
    let signature = call::signature::sign(TOKEN.as_bytes(), &url, &Form::new());
    assert_eq!(second.header("X-Twilio-Signature"), signature);
    assert_eq!(second.header("I-Twilio-Idempotency-Token"), "token-1");
}

#[tokio::test]
async fn a_307_keeps_the_method_and_drops_verb_parameters() {
    let server = Server::start(|request| match request.path() {
        "/first" => redirect(307, "/second"),
        _ => ok("text/xml", b""),
    })
    .await;
    client().send(post(&format!("{}/first", server.url())), TOKEN).await.unwrap();
    let second = server.seen().pop().unwrap();
    assert_eq!(
        (second.line.as_str(), second.body.as_str()),
        ("POST /second HTTP/1.1", "CallSid=CA1&From=%2B1415")
    );
}

#[tokio::test]
async fn ten_redirects_are_followed_and_the_eleventh_is_11215() {
    let server = Server::start(|request| {
        let left: u32 = request.path().trim_start_matches('/').parse().unwrap();
        if left == 0 { ok("text/xml", b"") } else { redirect(302, &format!("/{}", left - 1)) }
    })
    .await;
    let client = client();
    assert!(client.send(post(&format!("{}/10", server.url())), TOKEN).await.is_ok());
    let failure = client.send(post(&format!("{}/11", server.url())), TOKEN).await.unwrap_err();
    assert_eq!(failure.code, Code::HTTP_REDIRECTS);
}

#[tokio::test]
async fn a_redirect_without_a_usable_location_is_11216() {
    for location in ["", "ftp://example.com/"] {
        let server = Server::start(move |_| redirect(302, location)).await;
        let failure = client().send(post(&server.url()), TOKEN).await.unwrap_err();
        assert_eq!(failure.code, Code::HTTP_REDIRECT_INVALID, "{failure}");
    }
}

#[tokio::test]
async fn the_guard_checks_the_first_hop_and_every_redirect() {
    for url in ["http://169.254.169.254/", "http://[::ffff:169.254.169.254]/", "http://0.0.0.0/"] {
        let failure = client().send(post(url), TOKEN).await.unwrap_err();
        assert_eq!(failure.code, Code::HTTP_HOST_NAME, "{failure}");
    }
    let server = Server::start(|_| redirect(302, "http://169.254.169.254/latest")).await;
    let failure = client().send(post(&server.url()), TOKEN).await.unwrap_err();
    assert_eq!(failure.code, Code::HTTP_HOST_NAME);
    assert!(failure.sentence.contains("link-local"), "{failure}");
    assert!(failure.url.starts_with("http://169.254.169.254/latest"), "{failure}");
}

#[tokio::test]
async fn a_name_that_resolves_to_a_refused_address_is_refused() {
    let names =
        BTreeMap::from([("meta.example".to_owned(), vec!["169.254.169.254".parse().unwrap()])]);
    let client = WebhookClient::new(
        settings(),
        Resolver::fixed(names, BTreeMap::new()),
        AudioIntake::new(0),
    )
    .unwrap();
    let failure = client.send(post("http://meta.example/"), TOKEN).await.unwrap_err();
    assert_eq!(failure.code, Code::HTTP_HOST_NAME);
}

#[tokio::test]
async fn private_addresses_need_the_setting_and_own_listeners_are_never_called() {
    let server = Server::start(|_| ok("text/xml", b"")).await;
    let strict = WebhookSettings { allow_private: vec![], ..settings() };
    let failure = with(strict).send(post(&server.url()), TOKEN).await.unwrap_err();
    assert!(failure.sentence.contains("webhook.allow_private"), "{failure}");
    let own = WebhookSettings { own_listeners: vec![server.address], ..settings() };
    let failure = with(own).send(post(&server.url()), TOKEN).await.unwrap_err();
    assert!(failure.sentence.contains("listener of this gateway"), "{failure}");
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn an_unknown_host_is_11210_and_a_closed_port_11202_after_one_retry() {
    let client = client();
    let failure = client.send(post("http://nowhere.example/"), TOKEN).await.unwrap_err();
    assert_eq!(failure.code, Code::HTTP_HOST_NAME);
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let failure = client.send(post(&format!("http://{free}/")), TOKEN).await.unwrap_err();
    assert_eq!(failure.code, Code::HTTP_CONNECTION_REFUSED);
    assert_eq!(client.meters().snapshot().retries, 1);
    assert_eq!(
        client.meters().snapshot().failures,
        BTreeMap::from([(Code::HTTP_CONNECTION_REFUSED, 1), (Code::HTTP_HOST_NAME, 1)])
    );
}

#[tokio::test]
async fn statuses_are_answers_unless_the_override_retries_them() {
    let server = Server::start(|_| answer(500, "text/plain", "", b"oops")).await;
    let client = client();
    assert_eq!(client.send(post(&server.url()), TOKEN).await.unwrap().status, 500);
    assert_eq!(server.seen().len(), 1);
    let retried = post(&format!("{}/#rc=2&rp=5xx", server.url()));
    assert_eq!(client.send(retried, TOKEN).await.unwrap().status, 500);
    let seen = server.seen();
    assert_eq!(seen.len(), 4);
    assert_eq!(seen[1].body, seen[3].body);
}

#[tokio::test]
async fn silence_is_bounded_by_the_overrides() {
    let server = Server::start(|_| Vec::new()).await;
    let client = client();
    let failure = client.send(post(&format!("{}/#rt=100", server.url())), TOKEN).await.unwrap_err();
    assert_eq!(failure.code, Code::HTTP_CONNECTION, "{failure}");
    let failure = client.send(post(&format!("{}/#tt=100", server.url())), TOKEN).await.unwrap_err();
    assert_eq!(failure.code, Code::HTTP_TIMEOUT, "{failure}");
    assert!(failure.duration_ms >= 100);
}

#[tokio::test]
async fn gzip_is_decoded_and_its_bound_is_that_of_the_decoded_body() {
    let server = Server::start(|request| match request.path() {
        "/small" => answer(200, "text/xml", "Content-Encoding: gzip\r\n", &gzip(b"<Response/>")),
        "/bomb" => answer(200, "text/xml", "Content-Encoding: gzip\r\n", &gzip(&[b' '; 200_000])),
        _ => answer(200, "text/xml", "Content-Encoding: gzip\r\n", b"not gzip"),
    })
    .await;
    let client = client();
    let small = client.send(post(&format!("{}/small", server.url())), TOKEN).await.unwrap();
    assert_eq!(small.body.bytes(), b"<Response/>");
    let bomb = client.send(post(&format!("{}/bomb", server.url())), TOKEN).await.unwrap_err();
    assert_eq!(bomb.code, Code::HTTP_BODY_TOO_LARGE);
    let broken = client.send(post(&format!("{}/broken", server.url())), TOKEN).await.unwrap_err();
    assert_eq!(broken.code, Code::HTTP_PROTOCOL);
}

#[tokio::test]
async fn a_body_of_the_limit_passes_and_one_byte_more_is_11750() {
    let server = Server::start(|request| {
        let bytes = if request.path() == "/fits" { 65_536 } else { 65_537 };
        let head =
            "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n";
        let mut raw = format!("{head}{bytes:x}\r\n").into_bytes();
        raw.resize(raw.len() + bytes, b'x');
        raw.extend_from_slice(b"\r\n0\r\n\r\n");
        raw
    })
    .await;
    let client = client();
    let fits = client.send(post(&format!("{}/fits", server.url())), TOKEN).await.unwrap();
    assert_eq!(fits.body.bytes().len(), 65_536);
    let failure = client.send(post(&format!("{}/over", server.url())), TOKEN).await.unwrap_err();
    assert_eq!(failure.code, Code::HTTP_BODY_TOO_LARGE);
}

#[tokio::test]
async fn broken_http_is_11206_and_a_cut_answer_11205() {
    let server = Server::start(|request| match request.path() {
        "/garbage" => b"HELLO\r\n\r\n".to_vec(),
        "/headers" => {
            let headers: String = (0..150).map(|n| format!("X-{n}: 1\r\n")).collect();
            format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: 0\r\n\r\n").into_bytes()
        }
        _ => CUT.to_vec(),
    })
    .await;
    for (path, code) in [
        ("garbage", Code::HTTP_PROTOCOL),
        ("headers", Code::HTTP_PROTOCOL),
        ("cut", Code::HTTP_CONNECTION),
    ] {
        let request = post(&format!("{}/{path}", server.url()));
        let failure = client().send(request, TOKEN).await.unwrap_err();
        assert_eq!(failure.code, code, "{path}: {failure}");
    }
}

#[tokio::test]
async fn connections_are_reused_and_a_stale_one_is_replaced_unnoticed() {
    let server = Server::start(|request| match request.path() {
        "/close-after" => [ok("text/xml", b"1"), CLOSE.to_vec()].concat(),
        _ => ok("text/xml", b"1"),
    })
    .await;
    let client = client();
    for _ in 0..5 {
        client.send(post(&server.url()), TOKEN).await.unwrap();
        settle(&client).await;
    }
    let counts = client.meters().snapshot();
    assert_eq!((counts.connections_opened, counts.connections_reused), (1, 4));
    client.send(post(&format!("{}/close-after", server.url())), TOKEN).await.unwrap();
    client.send(post(&server.url()), TOKEN).await.unwrap();
    assert_eq!(client.meters().snapshot().failures.len(), 0);
}

#[tokio::test]
async fn cookies_come_back_within_a_call_and_never_in_another() {
    let server =
        Server::start(|_| answer(200, "text/xml", "Set-Cookie: sid=42; Path=/\r\n", b"")).await;
    let client = client();
    for _ in 0..2 {
        client.send(post(&server.url()), TOKEN).await.unwrap();
    }
    client.send(HttpRequest { call: CallSid(2), ..post(&server.url()) }, TOKEN).await.unwrap();
    client.forget(CallSid(1));
    client.send(post(&server.url()), TOKEN).await.unwrap();
    let cookies: Vec<String> = server.seen().iter().map(|seen| seen.header("Cookie")).collect();
    assert_eq!(cookies, ["", "sid=42", "", ""]);
}

#[tokio::test]
async fn https_checks_the_name_and_the_authority() {
    let (acceptor, root) = tls_server("app.example", Validity::Now);
    let server = Server::start_tls(acceptor, |_| ok("text/xml", b"<Response/>")).await;
    let names = ["app.example", "other.example"];
    let names = names.map(|name| (name.to_owned(), vec![server.address.ip()])).into();
    let resolver = Resolver::fixed(names, BTreeMap::new());
    let trusting = WebhookSettings { extra_roots: vec![root], ..settings() };
    let client = WebhookClient::new(trusting, resolver.clone(), AudioIntake::new(0)).unwrap();
    let port = server.address.port();
    let good = client.send(post(&format!("https://app.example:{port}/")), TOKEN).await;
    assert_eq!(good.unwrap().body.bytes(), b"<Response/>");
    let request = post(&format!("https://other.example:{port}/#rc=0"));
    let failure = client.send(request, TOKEN).await.unwrap_err();
    assert_eq!(failure.code, Code::TLS_NAME_MISMATCH, "{failure}");
    let distrusting = WebhookClient::new(settings(), resolver, AudioIntake::new(0)).unwrap();
    let request = post(&format!("https://app.example:{port}/#rc=0"));
    let failure = distrusting.send(request, TOKEN).await.unwrap_err();
    assert_eq!(failure.code, Code::TLS_UNTRUSTED, "{failure}");
}

#[tokio::test]
async fn an_expired_certificate_is_11236_and_a_server_without_tls_11220() {
    let (acceptor, root) = tls_server("app.example", Validity::Past);
    let server = Server::start_tls(acceptor, |_| ok("text/xml", b"")).await;
    let names = BTreeMap::from([("app.example".to_owned(), vec![server.address.ip()])]);
    let trusting = WebhookSettings { extra_roots: vec![root], ..settings() };
    let client =
        WebhookClient::new(trusting, Resolver::fixed(names, BTreeMap::new()), AudioIntake::new(0))
            .unwrap();
    let request = post(&format!("https://app.example:{}/#rc=0", server.address.port()));
    let failure = client.send(request, TOKEN).await.unwrap_err();
    assert_eq!(failure.code, Code::TLS_CERTIFICATE_EXPIRED, "{failure}");
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let request = post(&format!("https://{}/#rc=0", plain.local_addr().unwrap()));
    tokio::spawn(async move {
        let (mut stream, _) = plain.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    });
    let failure = client.send(request, TOKEN).await.unwrap_err();
    assert_eq!(failure.code, Code::TLS_HANDSHAKE, "{failure}");
}

#[tokio::test]
async fn audio_in_place_of_a_document_is_decoded_while_it_arrives() {
    let server = Server::start(|request| match request.path() {
        "/packed" => answer(200, "audio/basic", "Content-Encoding: gzip\r\n", &gzip(&[0xFF; 800])),
        "/unplayable" => answer(200, "audio/x-wav", "", b"<html>"),
        "/error" => answer(500, "audio/basic", "", &[0xFF; 800]),
        _ => ok("audio/basic", &[0xFF; 800]),
    })
    .await;
    let client = client();
    let body = async |path: &str| {
        client.send(post(&format!("{}{path}", server.url())), TOKEN).await.unwrap().body
    };
    for path in ["/plain", "/packed"] {
        let AnswerBody::Audio(Ok(prompt)) = body(path).await else { panic!("{path} is audio") };
        assert_eq!(prompt.duration_ms(), 100, "{path}");
    }
    let AnswerBody::Audio(Err(failure)) = body("/unplayable").await else { panic!("not played") };
    assert_eq!(failure.code, Code::PLAY_CONTENT_TYPE);
    assert_eq!(body("/error").await.bytes().len(), 800);
    let callback = HttpRequest { kind: HttpKind::StatusCallback, ..post(&server.url()) };
    assert_eq!(client.send(callback, TOKEN).await.unwrap().body.bytes().len(), 800);
    assert_eq!(client.intake().memory().figures().used, 0);
}

#[tokio::test]
async fn audio_waits_for_memory_within_the_time_of_its_request_then_it_is_11200() {
    let server = Server::start(|_| ok("audio/basic", &vec![0xFF; 4_000_000])).await;
    let client = client();
    let memory = client.intake().memory();
    let others = memory.try_reserve(memory.figures().bytes_max / 8 * 7).unwrap();
    let url = format!("{}#tt=500", server.url());
    let failure = client.send(post(&url), TOKEN).await.unwrap_err();
    assert_eq!(failure.code, Code::HTTP_RETRIEVAL);
    assert!(failure.sentence.contains("limits.audio"), "{failure}");
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.send(post(&server.url()), TOKEN).await }
    });
    while memory.figures().waiting == 0 {
        tokio::task::yield_now().await;
    }
    drop(others);
    let answer = waiting.await.unwrap().unwrap();
    assert!(matches!(answer.body, AnswerBody::Audio(Ok(_))));
    assert_eq!(memory.figures().used, 8_000_000);
}

#[tokio::test]
async fn media_is_fetched_without_parameters_and_revalidated() {
    let server = Server::start(|request| match request.header("If-None-Match").as_str() {
        "\"v1\"" => answer(304, "audio/ulaw", "", b""),
        _ => answer(200, "audio/ulaw", "ETag: \"v1\"\r\nCache-Control: max-age=5\r\n", &[0xFF; 80]),
    })
    .await;
    let client = client();
    let who =
        MediaRequest { account: AccountSid(1), call: CallSid(1), auth_token: TOKEN.to_owned() };
    let url = WebUrl::parse(&format!("{}/a.wav?x=1", server.url())).unwrap();
    let first = client.fetch_media(&url, &who, &Validators::default()).await.unwrap();
    assert_eq!(first.status, 200);
    assert_eq!(first.audio.unwrap().unwrap().duration_ms(), 10);
    assert_eq!(first.cache_control, "max-age=5");
    let second = client.fetch_media(&url, &who, &first.validators).await.unwrap();
    assert_eq!((second.status, second.audio), (304, None));
    assert_eq!(server.seen()[0].line, "GET /a.wav?x=1 HTTP/1.1");
}

// The server: answers each request with the bytes that the handler returns.

/// In an answer: close the connection here, cleanly or in the middle.
const CLOSE: &[u8] = b"\0close";
/// An answer that promises more than it sends.
const CUT: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort\0close";

#[derive(Clone, Debug)]
struct Seen {
    line: String,
    headers: String,
    body: String,
}

impl Seen {
    fn path(&self) -> &str {
        self.line.split([' ', '?']).nth(1).unwrap()
    }

    fn header(&self, name: &str) -> String {
        let prefix = format!("{name}: ");
        let line = self.headers.lines().find(|line| line.starts_with(&prefix));
        line.map(|line| line[prefix.len()..].to_owned()).unwrap_or_default()
    }
}

struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// The source address of each connection.
    sources: Arc<Mutex<Vec<IpAddr>>>,
}

type Handler = Arc<dyn Fn(&Seen) -> Vec<u8> + Send + Sync>;

impl Server {
    async fn start(handler: impl Fn(&Seen) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::run(None, Arc::new(handler)).await
    }

    async fn start_tls(
        acceptor: tokio_rustls::TlsAcceptor,
        handler: impl Fn(&Seen) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        Self::run(Some(acceptor), Arc::new(handler)).await
    }

    async fn run(acceptor: Option<tokio_rustls::TlsAcceptor>, handler: Handler) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            seen: Arc::default(),
            sources: Arc::default(),
        };
        let (seen, sources) = (server.seen.clone(), server.sources.clone());
        tokio::spawn(async move {
            loop {
                let (stream, peer) = listener.accept().await.unwrap();
                sources.lock().push(peer.ip());
                tokio::spawn(serve(acceptor.clone(), stream, handler.clone(), seen.clone()));
            }
        });
        server
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }

    fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1);
        seen[0].clone()
    }
}

async fn serve(
    acceptor: Option<tokio_rustls::TlsAcceptor>,
    stream: TcpStream,
    handler: Handler,
    seen: Arc<Mutex<Vec<Seen>>>,
) {
    match acceptor {
        None => answer_all(stream, handler, seen).await,
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                answer_all(stream, handler, seen).await;
            }
        }
    }
}

async fn answer_all(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    handler: Handler,
    seen: Arc<Mutex<Vec<Seen>>>,
) {
    while let Some(request) = read_request(&mut stream).await {
        let mut answer = handler(&request);
        seen.lock().push(request);
        let closes = answer.ends_with(CLOSE);
        if closes {
            answer.truncate(answer.len() - CLOSE.len());
        }
        if stream.write_all(&answer).await.is_err() || closes {
            return;
        }
        let _ = stream.flush().await;
    }
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Seen> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let (line, headers) = head.split_once("\r\n").unwrap();
    let mut seen = Seen { line: line.to_owned(), headers: headers.to_owned(), body: String::new() };
    let length = seen.header("Content-Length").parse().unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    seen.body = String::from_utf8(body).unwrap();
    Some(seen)
}

fn ok(content_type: &str, body: &[u8]) -> Vec<u8> {
    answer(200, content_type, "", body)
}

fn answer(status: u16, content_type: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut bytes = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\n{headers}Content-Length: {length}\r\n\r\n"
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn redirect(status: u16, location: &str) -> Vec<u8> {
    let location =
        if location.is_empty() { String::new() } else { format!("Location: {location}\r\n") };
    answer(status, "text/plain", &location, b"moved")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

enum Validity {
    Now,
    Past,
}

fn tls_server(
    name: &str,
    validity: Validity,
) -> (tokio_rustls::TlsAcceptor, rustls::pki_types::CertificateDer<'static>) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_certificate = ca.self_signed(&ca_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
    if matches!(validity, Validity::Past) {
        leaf.not_before = date_time_ymd(2019, 1, 1);
        leaf.not_after = date_time_ymd(2020, 1, 1);
    }
    let certificate = leaf.signed_by(&key, &Issuer::from_params(&ca, &ca_key)).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    (tokio_rustls::TlsAcceptor::from(Arc::new(config)), ca_certificate.der().clone())
}

// The client and its requests.

fn client() -> WebhookClient {
    with(settings())
}

fn with(settings: WebhookSettings) -> WebhookClient {
    let resolver = Resolver::fixed(BTreeMap::new(), BTreeMap::new());
    WebhookClient::new(settings, resolver, AudioIntake::new(0)).unwrap()
}

fn settings() -> WebhookSettings {
    WebhookSettings {
        user_agent: "TwilioProxy/1.1".to_owned(),
        allow_private: vec!["127.0.0.0/8".parse().unwrap()],
        ..WebhookSettings::default()
    }
}

/// Waits until the last connection is idle again.
async fn settle(client: &WebhookClient) {
    while client.idle_connections() == 0 {
        tokio::task::yield_now().await;
    }
}

fn post(url: &str) -> HttpRequest {
    let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    HttpRequest {
        id: HttpId(1),
        kind: HttpKind::Document,
        account: AccountSid(1),
        call: CallSid(1),
        method: HttpMethod::Post,
        url: WebUrl::parse(url).unwrap(),
        standard: [("CallSid", "CA1"), ("From", "+1415")].map(pair).into_iter().collect(),
        extra: [("Digits", "12")].map(pair).into_iter().collect(),
        idempotency_token: "token-1".to_owned(),
    }
}

fn get(url: &str) -> HttpRequest {
    HttpRequest { method: HttpMethod::Get, ..post(url) }
}
