//! A customer's application: a small HTTP server that answers TwiML and remembers what it was asked.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// A request that the gateway made.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    /// Path and query as on the request line.
    pub target: String,
    pub path: String,
    /// Parameters: of the body on POST, of the query on GET.
    pub parameters: Vec<(String, String)>,
    /// Header names in lower case.
    pub headers: BTreeMap<String, String>,
}

impl Asked {
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// An answer of the application.
pub struct Answer {
    pub status: u16,
    pub content_type: &'static str,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn twiml(verbs: &str) -> Self {
        let body =
            format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>{verbs}</Response>");
        Self { status: 200, content_type: "text/xml", headers: Vec::new(), body: body.into_bytes() }
    }

    pub fn status(status: u16) -> Self {
        Self { status, content_type: "text/plain", headers: Vec::new(), body: Vec::new() }
    }

    pub fn file(content_type: &'static str, body: Vec<u8>) -> Self {
        Self { status: 200, content_type, headers: Vec::new(), body }
    }
}

type Handler = dyn Fn(&Asked) -> Answer + Send + Sync;

#[derive(Default)]
struct Log {
    asked: Mutex<Vec<Asked>>,
    more: Condvar,
}

/// The server; it ends with the process, its connections with the gateway's.
pub struct Application {
    pub address: SocketAddr,
    log: Arc<Log>,
}

impl Application {
    pub fn start(handler: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let log = Arc::new(Log::default());
        let handler: Arc<Handler> = Arc::new(handler);
        let shared = Arc::clone(&log);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (handler, log) = (Arc::clone(&handler), Arc::clone(&shared));
                std::thread::spawn(move || serve(stream, &*handler, &log));
            }
        });
        Self { address, log }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// All requests so far, oldest first.
    pub fn asked(&self) -> Vec<Asked> {
        self.log.asked.lock().expect("not poisoned").clone()
    }

    /// Waits until a request matches and answers it; panics after 20 s with the requests that came instead.
    pub fn wait_for(&self, what: &str, matches: impl Fn(&Asked) -> bool) -> Asked {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut asked = self.log.asked.lock().expect("not poisoned");
        loop {
            if let Some(found) = asked.iter().find(|one| matches(one)) {
                return found.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no request {what}; these came: {:#?}", *asked);
            asked = self.log.more.wait_timeout(asked, left).expect("not poisoned").0;
        }
    }

    /// Waits until there are `count` requests to this path; all of them, oldest first.
    #[track_caller]
    pub fn wait_for_count(&self, path: &str, count: usize) -> Vec<Asked> {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut asked = self.log.asked.lock().expect("not poisoned");
        loop {
            let found: Vec<_> = asked.iter().filter(|one| one.path == path).cloned().collect();
            if found.len() >= count {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "not {count} requests to {path}: {:#?}", *asked);
            asked = self.log.more.wait_timeout(asked, left).expect("not poisoned").0;
        }
    }

    pub fn wait_for_path(&self, path: &str) -> Asked {
        self.wait_for(path, |asked| asked.path == path)
    }
}

fn serve(stream: TcpStream, handler: &Handler, log: &Log) {
    let mut writer = stream.try_clone().expect("a second handle");
    let mut reader = BufReader::new(stream);
    while let Some(asked) = read_request(&mut reader) {
        let answer = handler(&asked);
        {
            log.asked.lock().expect("not poisoned").push(asked);
            log.more.notify_all();
        }
        if write_answer(&mut writer, &answer).is_err() {
            return;
        }
    }
}

fn write_answer(writer: &mut TcpStream, answer: &Answer) -> std::io::Result<()> {
    let mut head = format!(
        "HTTP/1.1 {} X\r\nContent-Type: {}\r\nContent-Length: {}\r\n",
        answer.status,
        answer.content_type,
        answer.body.len()
    );
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    writer.write_all(head.as_bytes())?;
    writer.write_all(&answer.body)
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':')?;
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let form = if method == "GET" { query.as_bytes() } else { &body };
    let parameters = url::form_urlencoded::parse(form).into_owned().collect();
    let path = path.to_owned();
    Some(Asked { method, target, path, parameters, headers })
}
