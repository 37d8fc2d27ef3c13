//! Hosted handlers: one exchange for what is inside and what is outside.

use http::header::{CONTENT_TYPE, HOST, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::sync::oneshot;
use url::Url;

use super::*;

type Make = dyn Fn(&HostedRequest) -> HostedAnswering + Send + Sync;

/// Handlers of all hosts below `hosted.test`.
struct Hosts(Box<Make>);

impl Hosted for Hosts {
    fn has(&self, url: &Url) -> bool {
        url.host_str().is_some_and(|host| host.ends_with("hosted.test"))
    }

    fn answer(&self, request: HostedRequest) -> HostedAnswering {
        (self.0)(&request)
    }
}

fn hosting(
    make: impl Fn(&HostedRequest) -> HostedAnswering + Send + Sync + 'static,
) -> WebhookClient {
    let client = client();
    client.host(Arc::new(Hosts(Box::new(make))));
    client
}

fn given(status: u16, header: (http::HeaderName, &str), body: &str) -> HostedAnswering {
    let value = HeaderValue::from_str(header.1).unwrap();
    let answer = HostedAnswer {
        status: StatusCode::from_u16(status).unwrap(),
        headers: HeaderMap::from_iter([(header.0, value)]),
        body: body.to_owned().into(),
    };
    Box::pin(async { Some(answer) })
}

fn xml(body: &str) -> HostedAnswering {
    given(200, (CONTENT_TYPE, "text/xml"), body)
}

#[tokio::test]
async fn a_hosted_url_is_answered_inside_with_all_that_a_server_would_see() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let client = hosting(move |request| {
        log.lock().push(request.clone());
        xml("<Response/>")
    });
    let request = post("https://a.hosted.test/voice?tenant=7");
    let signature = request.wire().signature(TOKEN);
    let answer = client.send(request, TOKEN).await.unwrap();
    assert_eq!((answer.status, answer.body.bytes()), (200, b"<Response/>".as_slice()));
    assert_eq!(answer.final_url, "https://a.hosted.test/voice?tenant=7");
    let seen = seen.lock();
    let [request] = seen.as_slice() else { panic!("one request") };
    let header = |name: &str| request.headers[name].to_str().unwrap();
    assert_eq!(request.method, http::Method::POST);
    assert_eq!(request.url.as_str(), "https://a.hosted.test/voice?tenant=7");
    assert_eq!(request.body, "CallSid=CA1&From=%2B1415&Digits=12");
    assert_eq!(header("X-Twilio-Signature"), signature);
    assert_eq!(header("I-Twilio-Idempotency-Token"), "token-1");
    assert_eq!(header(HOST.as_str()), "a.hosted.test");
    assert_eq!(request.caller, Some(Caller { account: AccountSid(1), call: CallSid(1) }));
    assert_eq!(client.meters().snapshot().hosted, 1);
    assert_eq!(client.meters().snapshot().connections_opened, 0);
}

#[tokio::test]
async fn redirects_lead_out_and_in() {
    let server = Server::start(|request| match request.line.contains("/in") {
        true => redirect(302, "https://a.hosted.test/end"),
        false => ok("text/xml", b"<Outside/>"),
    })
    .await;
    let outside = format!("{}/out", server.url());
    let client = hosting(move |request| match request.url.path() {
        "/end" => xml("<Inside/>"),
        _ => given(302, (LOCATION, &outside), "moved"),
    });
    let out = client.send(post("http://a.hosted.test/begin"), TOKEN).await.unwrap();
    assert_eq!(out.body.bytes(), b"<Outside/>");
    let back = client.send(post(&format!("{}/in", server.url())), TOKEN).await.unwrap();
    assert_eq!(back.body.bytes(), b"<Inside/>");
    assert_eq!(back.final_url, "https://a.hosted.test/end");
}

#[tokio::test]
async fn what_no_handler_has_is_requested_outside() {
    let client = hosting(|_| Box::pin(async { None }));
    let failure = client.send(post("http://a.hosted.test/x"), TOKEN).await.unwrap_err();
    assert_eq!(failure.code, Code::HTTP_HOST_NAME, "{failure}");
}

#[tokio::test]
async fn a_handler_that_panics_answers_500() {
    let client = hosting(|_| Box::pin(async { panic!("a fault of the handler") }));
    let answer = client.send(post("http://a.hosted.test/x"), TOKEN).await.unwrap();
    assert_eq!(answer.status, 500);
}

/// Tells when it is dropped.
struct Dropped(Option<oneshot::Sender<()>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.take().unwrap().send(());
    }
}

#[tokio::test]
async fn a_handler_that_takes_too_long_is_dropped_and_the_request_fails_like_a_silent_server() {
    let (sender, dropped) = oneshot::channel();
    let guard = Mutex::new(Some(Dropped(Some(sender))));
    let client = hosting(move |_| {
        let guard = guard.lock().take();
        Box::pin(async move {
            let _guard = guard;
            std::future::pending().await
        })
    });
    let failure = client.send(post("http://a.hosted.test/x#rt=100"), TOKEN).await.unwrap_err();
    assert_eq!(failure.code, Code::HTTP_CONNECTION, "{failure}");
    dropped.await.expect("the handler is gone");
}

#[tokio::test]
async fn an_answer_has_the_bounds_of_answers_from_outside() {
    let most = limits::WEBHOOK_BODY_BYTES_MAX;
    let client = hosting(move |request| match request.url.path() {
        "/fits" => xml(&"x".repeat(most)),
        _ => xml(&"x".repeat(most + 1)),
    });
    let fits = client.send(post("http://a.hosted.test/fits"), TOKEN).await.unwrap();
    assert_eq!(fits.body.bytes().len(), most);
    let failure = client.send(post("http://a.hosted.test/long"), TOKEN).await.unwrap_err();
    assert_eq!(failure.code, Code::HTTP_BODY_TOO_LARGE, "{failure}");
}

fn fetch(url: &str, body: &str) -> Fetch {
    let url = Url::parse(url).unwrap();
    let (method, body) = (http::Method::PUT, body.to_owned().into());
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("text/x"))]);
    Fetch { method, url, headers, body, caller: None }
}

const BOUNDS: TransferBounds = TransferBounds {
    stall: Duration::from_secs(5),
    total: Duration::from_secs(5),
    answer_bytes_max: 8,
};

#[tokio::test]
async fn a_handlers_own_request_goes_inside_or_out_within_the_guard() {
    let server = Server::start(|request| match request.line.contains("long") {
        true => ok("text/plain", b"123456789"),
        false => answer(404, "text/plain", "", b"outside"),
    })
    .await;
    let client = hosting(|request| xml(&format!("{} {}", request.method, request.body.len())));
    let inside = client.fetch(fetch("http://a.hosted.test/x", "abc"), BOUNDS).await.unwrap();
    assert_eq!(inside.body, b"PUT 3");
    for _ in 0..2 {
        let url = format!("{}/x?y=1", server.url());
        let outside = client.fetch(fetch(&url, "abc"), BOUNDS).await.unwrap();
        assert_eq!((outside.status.as_u16(), outside.body.as_slice()), (404, &b"outside"[..]));
        settle(&client).await;
    }
    let seen = &server.seen()[0];
    assert_eq!((seen.line.as_str(), seen.body.as_str()), ("PUT /x?y=1 HTTP/1.1", "abc"));
    let long = client.fetch(fetch(&format!("{}/long", server.url()), ""), BOUNDS).await;
    assert_eq!(long.unwrap_err().code, Code::HTTP_BODY_TOO_LARGE);
    let refused = client.fetch(fetch("http://169.254.169.254/", ""), BOUNDS).await.unwrap_err();
    assert_eq!(refused.code, Code::HTTP_HOST_NAME, "{refused}");
    let no_web = client.fetch(fetch("file:///etc/passwd", ""), BOUNDS).await.unwrap_err();
    assert_eq!(no_web.code, Code::URL_INVALID);
}
