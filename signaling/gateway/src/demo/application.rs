//! The bundled TwiML application: what a customer would write in Python or Node. Shell.
//!
//! It is an application like any other: it has its own listener, serves TwiML over HTTP, and answers only
//! requests whose `X-Twilio-Signature` proves that this gateway sent them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use call::Form;
use http::{HeaderValue, Method, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use store::Secret;
use tokio::net::TcpListener;

use http_server::{Body, WholeRequest, read_whole, text};

/// The settings of the application.
#[derive(Debug)]
pub struct Application {
    /// The key of the signatures that it accepts.
    pub auth_token: Secret,
    /// Its address, which is part of every signature.
    pub address: SocketAddr,
    /// `sip:` URI of a second call into this gateway, for key 3.
    pub second_leg: String,
    /// User and password of that call.
    pub user: (String, Secret),
}

/// Serves until the task is dropped.
pub async fn serve(listener: TcpListener, application: Arc<Application>) {
    while let Ok((stream, peer)) = listener.accept().await {
        let application = Arc::clone(&application);
        let service = service_fn(move |request: http::Request<Incoming>| {
            let application = Arc::clone(&application);
            async move {
                let response = match read_whole(request, peer).await {
                    Ok(request) => application.answer(&request),
                    Err(refused) => refused,
                };
                Ok::<_, Infallible>(response)
            }
        });
        tokio::spawn(async move {
            let mut server = hyper::server::conn::http1::Builder::new();
            server.timer(TokioTimer::new());
            // An error means that the gateway closed the connection or broke HTTP: the next request has a
            // new one.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

impl Application {
    fn answer(&self, request: &WholeRequest) -> Response<Body> {
        let body = String::from_utf8_lossy(&request.body);
        let form = match request.method {
            Method::POST => Form::parse(&body),
            _ => Form::new(),
        };
        if !self.is_signed(request, &form) {
            return text(
                StatusCode::FORBIDDEN,
                "The X-Twilio-Signature does not fit this request.\n",
            );
        }
        match self.document(request.uri.path(), &form) {
            Some(document) => twiml(document),
            None => text(StatusCode::NOT_FOUND, "There is no such document.\n"),
        }
    }

    /// Whether the signature proves that the gateway sent the request.
    fn is_signed(&self, request: &WholeRequest, form: &Form) -> bool {
        let url = format!("http://{}{}", self.address, request.uri);
        let expected =
            call::signature::sign(self.auth_token.expose_secret().as_bytes(), &url, form);
        let given = request.headers.get("x-twilio-signature").and_then(|value| value.to_str().ok());
        given.is_some_and(|given| Secret::new(expected).matches(given))
    }

    fn document(&self, path: &str, form: &Form) -> Option<String> {
        let value = |name| form.value(name).unwrap_or("");
        let document = match path {
            "/voice" if value("To").contains("second@") => SECOND_LEG.to_owned(),
            "/voice" => MENU.to_owned(),
            "/menu" => match value("Digits") {
                "1" => ABOUT.to_owned(),
                "2" => RECORD.to_owned(),
                "3" => self.dial(),
                _ => UNKNOWN_KEY.to_owned(),
            },
            "/recorded" => recorded(value("RecordingDuration")),
            "/dialed" => dialed(value("DialCallStatus")),
            "/status" => EMPTY.to_owned(),
            _ => return None,
        };
        Some(document)
    }

    fn dial(&self) -> String {
        let (username, password) = &self.user;
        format!(
            "<Response><Say>Calling the second leg.</Say>\
             <Dial action=\"/dialed\" timeout=\"10\"><Sip username=\"{username}\" password=\"{}\">{}</Sip></Dial>\
             </Response>",
            password.expose_secret(),
            self.second_leg
        )
    }
}

fn twiml(document: String) -> Response<Body> {
    let mut response = text(StatusCode::OK, document);
    let kind = HeaderValue::from_static("text/xml; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn recorded(duration_s: &str) -> String {
    let seconds: String = duration_s.chars().filter(char::is_ascii_digit).collect();
    format!(
        "<Response><Say>I recorded {seconds} seconds. You find the file with the REST API.</Say>\
         <Redirect>/voice</Redirect></Response>"
    )
}

fn dialed(status: &str) -> String {
    let words: String = status
        .chars()
        .map(|c| if c == '-' { ' ' } else { c })
        .filter(|c| c.is_ascii_alphabetic() || *c == ' ')
        .collect();
    format!(
        "<Response><Say>The second leg ended with status {words}.</Say>\
         <Redirect>/voice</Redirect></Response>"
    )
}

const MENU: &str = "<Response>\
    <Gather numDigits=\"1\" action=\"/menu\" timeout=\"6\">\
    <Say>Welcome to Sidetone. Press 1 to hear what this is, 2 to leave a recording, \
    or 3 to dial a second leg.</Say></Gather>\
    <Say>I heard no key. Goodbye.</Say></Response>";
const ABOUT: &str = "<Response><Say>This is a voice gateway on your own metal. \
    What you hear was decided by a small web application, and spoken by a voice without any network.</Say>\
    <Redirect>/voice</Redirect></Response>";
const RECORD: &str = "<Response><Say>Speak after the tone, then press hash.</Say>\
    <Record action=\"/recorded\" maxLength=\"20\" timeout=\"3\" finishOnKey=\"#\" playBeep=\"true\"/>\
    <Say>I heard nothing.</Say><Redirect>/voice</Redirect></Response>";
const UNKNOWN_KEY: &str =
    "<Response><Say>There is nothing on that key.</Say><Redirect>/voice</Redirect></Response>";
const SECOND_LEG: &str = "<Response><Say>You have reached the second leg. \
    Both legs cross this gateway. Goodbye.</Say></Response>";
const EMPTY: &str = "<Response/>";

#[cfg(test)]
mod tests {
    use super::*;

    fn application() -> Application {
        Application {
            auth_token: Secret::new("0123456789abcdef0123456789abcdef"),
            address: SocketAddr::from(([127, 0, 0, 1], 8081)),
            second_leg: "sip:second@127.0.0.1:5060".to_owned(),
            user: ("demo".to_owned(), Secret::new("Password1234")),
        }
    }

    fn request(path: &str, body: &str, signature: &str) -> WholeRequest {
        let mut headers = http::HeaderMap::new();
        let signature = HeaderValue::from_str(signature).expect("a value");
        headers.insert("x-twilio-signature", signature);
        WholeRequest {
            method: Method::POST,
            uri: path.parse().expect("a path"),
            headers,
            body: body.to_owned().into(),
            peer: SocketAddr::from(([127, 0, 0, 1], 1)),
            scheme: http_server::Scheme::Http,
        }
    }

    #[test]
    fn only_signed_requests_get_a_document() {
        let body = "To=sip%3Ademo%40x&Digits=1";
        let token = application().auth_token;
        let url = "http://127.0.0.1:8081/menu";
        let signature =
            call::signature::sign(token.expose_secret().as_bytes(), url, &Form::parse(body));
        let answer = |signature: &str| application().answer(&request("/menu", body, signature));
        assert_eq!(answer(&signature).status(), StatusCode::OK);
        assert_eq!(answer("AAAA").status(), StatusCode::FORBIDDEN);
    }

    #[test]
    fn every_document_is_twiml_that_the_gateway_itself_understands() {
        let digits: Vec<Form> =
            ["1", "2", "3", "9"].iter().map(|key| Form::parse(&format!("Digits={key}"))).collect();
        let menu = digits.iter().filter_map(|form| application().document("/menu", form));
        let others = ["/voice", "/recorded", "/dialed", "/status"]
            .iter()
            .filter_map(|path| application().document(path, &Form::new()));
        let documents: Vec<String> = menu.chain(others).collect();
        assert_eq!(documents.len(), 8);
        for document in documents {
            assert!(document.starts_with("<Response"), "{document}");
        }
    }
}
