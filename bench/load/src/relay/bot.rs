//! The application of the relays: a WebSocket server that streams sentences, from the thread of the bench. Shell.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serde_json::json;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Error, Message, WebSocket};

use super::turn::Kind;
use crate::endpoint::Trouble;

/// The server and its connections, in the order of the calls.
pub(super) struct Bot {
    listener: TcpListener,
    sockets: Vec<WebSocket<TcpStream>>,
    /// Texts so far: a new one has its number in its words.
    texts: u32,
    /// Which conversations got `interrupt`, and when.
    pub interrupts: Vec<(usize, Instant)>,
}

impl Bot {
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, sockets: Vec::new(), texts: 0, interrupts: Vec::new() })
    }

    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The socket of a conversation.
    pub fn socket(&self, index: usize) -> Option<&TcpStream> {
        self.sockets.get(index).map(WebSocket::get_ref)
    }

    /// Takes a connection that waits, up to `setup`; `false` where there is none.
    pub fn accept(&mut self) -> Result<bool, Trouble> {
        let tcp = match self.listener.accept() {
            Ok((tcp, _)) => tcp,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        tcp.set_nodelay(true)?;
        tcp.set_nonblocking(false)?;
        tcp.set_read_timeout(Some(Duration::from_secs(10)))?;
        let config = WebSocketConfig::default().read_buffer_size(4_096).write_buffer_size(0);
        let mut socket = tungstenite::accept_with_config(tcp, Some(config))
            .map_err(|error| error.to_string())?;
        let first = socket.read()?.to_string();
        if !is_of_type(&first, "setup") {
            return Err(format!("the first message is not `setup`: {first}").into());
        }
        socket.get_ref().set_nonblocking(true)?;
        self.sockets.push(socket);
        Ok(true)
    }

    /// Says a text in a conversation. Returns the moment before the message with the end of its first sentence.
    pub fn say(&mut self, index: usize, kind: Kind) -> Result<Instant, Trouble> {
        self.texts += 1;
        let socket = self.sockets.get_mut(index).ok_or("no such conversation")?;
        let [first, second] = sentences(kind, self.texts);
        let mut send = |token: &str, last: bool| {
            let text = json!({ "type": "text", "token": token, "last": last }).to_string();
            socket.send(Message::text(text))
        };
        let at;
        if matches!(kind, Kind::KnownWhole | Kind::NewWhole) {
            at = Instant::now();
            send(&format!("{first} {second}"), true)?;
        } else {
            let (begin, end) = first.rsplit_once(' ').unwrap_or(("", &first));
            for (number, word) in begin.split(' ').enumerate() {
                let space = if number == 0 { "" } else { " " };
                send(&format!("{space}{word}"), false)?;
            }
            at = Instant::now();
            send(&format!(" {end}"), false)?;
            for word in second.split(' ') {
                send(&format!(" {word}"), false)?;
            }
            send("", true)?;
        }
        Ok(at)
    }

    /// Reads what has come in a conversation.
    pub fn hear(&mut self, index: usize) -> Result<(), Trouble> {
        let Some(socket) = self.sockets.get_mut(index) else { return Ok(()) };
        loop {
            match socket.read() {
                Ok(Message::Text(text)) if is_of_type(&text, "interrupt") => {
                    self.interrupts.push((index, Instant::now()));
                }
                Ok(Message::Text(text)) if is_of_type(&text, "error") => {
                    return Err(format!("the gateway complains: {text}").into());
                }
                Ok(_) => {}
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn is_of_type(text: &str, kind: &str) -> bool {
    text.contains(&format!("\"type\":\"{kind}\""))
}

/// Two sentences, as an assistant says them.
fn sentences(kind: Kind, number: u32) -> [String; 2] {
    let order = match kind {
        Kind::KnownWhole | Kind::KnownTokens => 4_711,
        Kind::NewWhole | Kind::NewTokens | Kind::LongTokens => 10_000 + number,
    };
    let first = match kind {
        Kind::LongTokens => format!(
            "Thank you for your patience while I looked at your account, where I found that the order {order}, \
             which you placed on Monday and paid for on Tuesday, has left our warehouse this morning and should \
             be with you before the end of this week."
        ),
        _ => format!("Your order {order} is ready, and you can pick it up today."),
    };
    let second = format!(
        "We are open until eight in the evening, and somebody will look after your order {order} until then."
    );
    [first, second]
}
