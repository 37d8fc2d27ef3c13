//! Memory of played files: however many calls want large ones at once, `limits.audio` holds.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::application::{Answer, Application};
use crate::gateway::Gateway;
use crate::load::{Load, peak_kib, resident_kib};
use crate::phone::PASSWORD;
use crate::rtp::Party;
use crate::sipp::{self, Sipp};
/// Calls that each want a file of their own.
const CALLS: u32 = 64;
/// 38 MB of linear samples, nearly 40 minutes.
const FILE_BYTES: usize = 38_000_000;
/// The least that may be set: two such files and what calls, webhooks and small prompts take.
const AUDIO_MIB: u64 = 128;
/// The memory of 64 calls and their requests by the start-up sum (160 KiB and 112 KiB each), and what the
/// allocator holds between uses.
const BESIDE_MIB: u64 = 17 + 15;

#[test]
fn sixty_four_large_files_at_once_stay_within_the_memory_for_audio() {
    let files = FileServer::start();
    let asked = AtomicUsize::new(0);
    let address = files.address;
    let application = Application::start(move |request| match request.path.as_str() {
        "/tone" => Answer::file("audio/basic", vec![0x10; 80_000]),
        "/voice" => match asked.fetch_add(1, Ordering::Relaxed) {
            number if number < CALLS as usize => {
                Answer::twiml(&format!("<Play>http://{address}/{number}.wav</Play>"))
            }
            _ => Answer::twiml("<Play>/tone</Play>"),
        },
        _ => Answer::status(204),
    });
    let settings = format!("[limits]\naudio = \"{AUDIO_MIB} MiB\"\n");
    let gateway = Gateway::start_with_media_ports(400, &settings);
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let idle_kib = resident_kib(gateway.process_id());
    let scenario =
        |end: &str| sipp::invite_with_digest("alice", PASSWORD, "") + &sipp::answered() + end;
    let deaf = Party::new();
    let hang_up = sipp::hang_up_after(6_000);
    let load = Load::start(&gateway, &scenario(&hang_up), CALLS, CALLS, deaf.port());
    gateway.metrics_when("all calls wait for their file", |now| {
        now.value("prompts_waiting_requests") >= u64::from(CALLS) - 2
    });

    // Meanwhile a short file is heard at once.
    let party = Party::new();
    let caller =
        Sipp::caller(&scenario(&sipp::hang_up_after(1_000)), party.port()).start(gateway.sip_udp);
    let heard = party.receive_until(10, |packet| packet.payload.iter().all(|byte| *byte == 0x10));
    assert_eq!(heard.len(), 10, "a short file plays while large ones wait");
    caller.finish().expect_success();

    let used = gateway.metrics().value("prompts_memory_bytes");
    assert!(used > FILE_BYTES as u64, "large files are loading: {used}");
    let outcome = load.finish();
    assert_eq!(outcome.successful, u64::from(CALLS), "{}", outcome.report);
    let grown_mib = peak_kib(gateway.process_id()).saturating_sub(idle_kib) / 1_024;
    println!("{grown_mib} MiB more than idle at the peak");
    assert!(grown_mib < AUDIO_MIB + BESIDE_MIB, "{grown_mib} MiB more than idle at the peak");

    // Whoever has hung up fetches nothing any more, and its memory is back.
    gateway.metrics_when("free of files for calls that are over", |now| {
        now.value("prompts_waiting_requests") == 0
            && now.value("prompts_memory_bytes") < 1024 * 1024
    });
}

/// Serves large WAV files, each made while it is sent.
struct FileServer {
    address: SocketAddr,
}

impl FileServer {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || serve(&stream));
            }
        });
        Self { address }
    }
}

/// Ends with the connection: the gateway cancels a file without waiters.
fn serve(mut stream: &TcpStream) {
    let head = BufReader::new(stream)
        .lines()
        .take_while(|line| line.as_ref().is_ok_and(|line| !line.is_empty()));
    assert!(head.count() > 0, "a request");
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\nContent-Length: {}\r\n\r\n",
        FILE_BYTES + 44
    )
    .into_bytes();
    answer.extend_from_slice(b"RIFF\xFF\xFF\xFF\xFFWAVEfmt \x10\0\0\0\x01\0\x01\0");
    for field in [8_000_u32, 16_000, 0x0010_0002] {
        answer.extend_from_slice(&field.to_le_bytes());
    }
    answer.extend_from_slice(b"data");
    answer.extend_from_slice(&(FILE_BYTES as u32).to_le_bytes());
    let block = [0x40; 10_000];
    let mut blocks = std::iter::once(answer.as_slice())
        .chain(std::iter::repeat_n(block.as_slice(), FILE_BYTES / block.len()));
    while blocks.next().is_some_and(|block| stream.write_all(block).is_ok()) {}
}
