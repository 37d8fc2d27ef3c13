//! Calls for minutes: from one address, one account, with digest, webhook and Say. None fails, and
//! the gateway does not grow.
//!
//! The short form runs with every test. The long one, in `make soak`, is 100 calls a second for five
//! minutes and memory within 2 %: `SIDETONE_SOAK=1 cargo nextest run --release -p gateway soak`.

use std::time::{Duration, Instant};

use crate::application::{Answer, Application};
use crate::gateway::Gateway;
use crate::load::{Load, resident_kib};
use crate::phone::PASSWORD;
use crate::rtp::Party;
use crate::sipp;
use crate::wait::Pace;

/// How long, how hard, how flat.
struct Form {
    calls_a_second: u32,
    seconds: u32,
    /// Until pools, caches and the store's pages have the size that this rate needs.
    warm_up_s: u32,
    growth_max_percent: f64,
}

/// Carried by a debug build beside SIPp on two cores. In so few seconds heap and store still find their
/// size: 2 to 7 % of a process of 100 MiB. So this form finds what keeps some 35 KiB a call; the long
/// one, after a hundred times the calls, finds 0.1 KiB a call.
const SHORT: Form =
    Form { calls_a_second: 30, seconds: 20, warm_up_s: 6, growth_max_percent: 12.0 };

const LONG: Form =
    Form { calls_a_second: 100, seconds: 300, warm_up_s: 60, growth_max_percent: 2.0 };

#[test]
fn calls_for_a_while_none_fails_and_memory_stays_flat() {
    let form = if std::env::var_os("SIDETONE_SOAK").is_some() { LONG } else { SHORT };
    let gateway = Gateway::start_with_media_ports(2_000, "");
    let application = Application::start(|_| Answer::twiml("<Say>Hello.</Say>"));
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let party = Party::new();
    let scenario =
        sipp::invite_with_digest("alice", PASSWORD, "") + &sipp::answered() + &sipp::hung_up();
    let calls = form.calls_a_second * form.seconds;
    let load = Load::start(&gateway, &scenario, form.calls_a_second, calls, party.port());
    let resident = watch(&gateway, load, &form, calls);
    let last = calls_that_completed(&gateway);
    assert_eq!(last, u64::from(calls), "calls that the gateway knows as completed");
    let (before, after) = (mean(first_quarter(&resident, &form)), mean(last_quarter(&resident)));
    let growth = (after - before) / before * 100.0;
    println!("{calls} calls; resident {before:.0} KiB, then {after:.0} KiB: {growth:+.2} %");
    assert!(growth < form.growth_max_percent, "it grew by {growth:.2} %: {resident:?}");
}

/// Resident memory once a second until the load has ended, which must have been without a failure.
fn watch(gateway: &Gateway, mut load: Load, form: &Form, calls: u32) -> Vec<u64> {
    let begin = Instant::now();
    let limit = Duration::from_secs(u64::from(form.seconds) * 2 + 30);
    let mut resident = Vec::new();
    let mut samples = Pace::every_ms(1_000);
    while !load.has_ended() {
        assert!(begin.elapsed() < limit, "the calls do not end; {} s", begin.elapsed().as_secs());
        resident.push(resident_kib(gateway.process_id()));
        samples.tick();
    }
    let outcome = load.finish();
    assert_eq!((outcome.successful, outcome.failed), (u64::from(calls), 0), "{}", outcome.report);
    let late = begin.elapsed().as_secs_f64() - f64::from(form.seconds);
    assert!(late < 10.0, "the rate was not kept: {late:.1} s more than planned");
    resident
}

fn first_quarter<'a>(resident: &'a [u64], form: &Form) -> &'a [u64] {
    let warm = resident.get(form.warm_up_s as usize..).expect("samples after the warm-up");
    &warm[..warm.len().div_ceil(4)]
}

fn last_quarter(resident: &[u64]) -> &[u64] {
    // Without the very end, where fewer calls are up.
    let steady = &resident[..resident.len() - 1];
    &steady[steady.len() - steady.len() / 4..]
}

fn mean(samples: &[u64]) -> f64 {
    samples.iter().sum::<u64>() as f64 / samples.len() as f64
}

/// The count of the gateway's own metric of ended calls; the last records may still be on their way.
fn calls_that_completed(gateway: &Gateway) -> u64 {
    gateway.settled().value("signaling_calls_ended_total{status=\"completed\"}")
}
