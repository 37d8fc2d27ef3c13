//! The customer's application of the bench: a small HTTP server that answers TwiML by path. Shell.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// The server. Its threads end with their connections and the process.
pub(crate) struct Application {
    pub address: SocketAddr,
    asked: Arc<AtomicU64>,
}

impl Application {
    /// Serves each path with its document; anything else gets 404.
    ///
    /// # Errors
    /// The system refuses a listener.
    pub fn start(documents: Vec<(String, String)>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let asked = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&asked);
        let documents: Arc<[(String, String)]> = documents.into();
        thread::Builder::new().name("application".to_owned()).spawn(move || {
            for stream in listener.incoming().flatten() {
                let (count, documents) = (Arc::clone(&count), Arc::clone(&documents));
                let serve = move || {
                    // A broken connection ends here; the gateway opens another one.
                    let _ = serve(stream, &documents, &count);
                };
                let _ = thread::Builder::new().name("application".to_owned()).spawn(serve);
            }
        })?;
        Ok(Self { address, asked })
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Requests answered so far.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

fn serve(stream: TcpStream, documents: &[(String, String)], asked: &AtomicU64) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    while let Some(path) = read_request(&mut reader)? {
        let document = documents.iter().find(|(known, _)| *known == path);
        let (status, verbs) =
            document.map_or(("404 Not Found", ""), |(_, verbs)| ("200 OK", verbs.as_str()));
        let body =
            format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>{verbs}</Response>");
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        writer.write_all(answer.as_bytes())?;
        asked.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// The path of the next request, its body read and dropped; `None` at the end of the connection.
fn read_request(reader: &mut BufReader<TcpStream>) -> io::Result<Option<String>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let target = line.split_ascii_whitespace().nth(1).unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default().to_owned();
    let mut body_bytes = 0;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let header = line.trim_end();
        if header.is_empty() {
            break;
        }
        if let Some((name, value)) = header.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            body_bytes = value.trim().parse().unwrap_or(0);
        }
    }
    io::copy(&mut reader.take(body_bytes), &mut io::sink())?;
    Ok(Some(path))
}
