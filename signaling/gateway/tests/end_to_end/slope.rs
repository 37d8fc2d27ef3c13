//! Bridged calls, batch after batch: when a batch is over, memory, open files and media ports are back
//! where they were.
//!
//! The short form runs with every test; the long one, in `make soak`, is 18,000 calls:
//! `SIDETONE_SOAK=1 cargo nextest run --release -p gateway slope`.

use crate::application::{Answer, Application};
use crate::gateway::Gateway;
use crate::load::{Load, resident_kib};
use crate::phone::PASSWORD;
use crate::rtp::Party;
use crate::sipp::{self, Sipp};

/// How many calls, how fast, how flat.
struct Form {
    batches: usize,
    calls_a_batch: u32,
    calls_a_second: u32,
    /// Batches until pools, caches and the store's pages have their size.
    warm_up: usize,
    growth_a_call_max: f64,
}

/// In so few calls the heap still finds its size: this form finds what keeps a whole leg or dialog.
const SHORT: Form = Form {
    batches: 5,
    calls_a_batch: 60,
    calls_a_second: 30,
    warm_up: 2,
    growth_a_call_max: 24_000.0,
};

/// Finds what keeps a quarter of a kibibyte a call.
const LONG: Form = Form {
    batches: 18,
    calls_a_batch: 1_000,
    calls_a_second: 100,
    warm_up: 4,
    growth_a_call_max: 256.0,
};

/// Connections to the application stay open for a while: how many differs from batch to batch.
const KEPT_ALIVE: usize = 10;

#[test]
fn after_bridged_calls_memory_files_and_ports_are_back() {
    let form = if std::env::var_os("SIDETONE_SOAK").is_some() { LONG } else { SHORT };
    let gateway = Gateway::start_with_media_ports(2_000, "");
    let callee_port = sipp::free_port();
    let document = format!("<Dial><Sip>sip:bob@127.0.0.1:{callee_port}</Sip></Dial>");
    let application = Application::start(move |_| Answer::twiml(&document));
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let (caller, callee) = (Party::new(), Party::new());
    let _callee = Sipp::new(&sipp::callee("", "0"))
        .with(&format!("-p {callee_port} -timeout 600s"))
        .key("media", &callee.port().to_string())
        .spawn();
    let mut after = Vec::new();
    for _ in 0..form.batches {
        place(&gateway, &form, caller.port());
        after.push(Left::by(&gateway));
    }
    let first = after[form.warm_up - 1];
    for left in &after {
        assert_eq!(left.legs_free, first.legs_free, "places of legs and ports: {after:?}");
        assert!(left.files <= first.files + KEPT_ALIVE, "open files: {after:?}");
    }
    let slope = slope(&after[form.warm_up - 1..], &form);
    println!("{slope:.0} bytes a call; {after:?}");
    assert!(slope < form.growth_a_call_max, "it grows by {slope:.0} bytes a call: {after:?}");
}

fn place(gateway: &Gateway, form: &Form, media_port: u16) {
    let scenario = sipp::invite_with_digest("alice", PASSWORD, "")
        + &sipp::answered()
        + &sipp::hang_up_after(300);
    let load = Load::start(gateway, &scenario, form.calls_a_second, form.calls_a_batch, media_port);
    let outcome = load.finish();
    let all = u64::from(form.calls_a_batch);
    assert_eq!((outcome.successful, outcome.failed), (all, 0), "{}", outcome.report);
}

/// Resources of the gateway while no call is up.
#[derive(Clone, Copy, Debug)]
struct Left {
    resident_kib: u64,
    files: usize,
    legs_free: u64,
}

impl Left {
    fn by(gateway: &Gateway) -> Self {
        let legs_free = gateway.settled().value("signaling_legs_free");
        let process = gateway.process_id();
        let files = std::fs::read_dir(format!("/proc/{process}/fd")).expect("it runs").count();
        Self { resident_kib: resident_kib(process), files, legs_free }
    }
}

/// Bytes a call by least squares over the batches.
fn slope(batches: &[Left], form: &Form) -> f64 {
    let count = batches.len() as f64;
    let point = |(index, left): (usize, &Left)| {
        (index as f64 * f64::from(form.calls_a_batch), left.resident_kib as f64 * 1_024.0)
    };
    let points: Vec<(f64, f64)> = batches.iter().enumerate().map(point).collect();
    let mean_x = points.iter().map(|point| point.0).sum::<f64>() / count;
    let mean_y = points.iter().map(|point| point.1).sum::<f64>() / count;
    let rise: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let run: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    rise / run
}
