//! Data and calls over restarts, kills and drains.

use crate::application::{Answer, Application};
use crate::gateway::{ACCOUNT, Gateway, TOKEN, binary};
use crate::phone::PASSWORD;
use crate::rtp::{Party, Stream, sound};
use crate::sdk;
use crate::sipp::{self, Sipp};
use crate::wait;

#[test]
fn after_a_restart_everything_is_still_there() {
    let gateway = Gateway::start("");
    let application = Application::start(|_| Answer::twiml("<Reject reason=\"busy\"/>"));
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let (status, folder) = gateway.terminate();
    assert!(status.success(), "{status}");
    let gateway = Gateway::start_in(folder, "");
    let domains = gateway.fetch("SIP/Domains.json").json();
    assert_eq!(domains["domains"][0]["domain_name"], "desk.sip.sidetone.test");
    let party = Party::new();
    let scenario = sipp::invite_with_digest("alice", PASSWORD, "") + &sipp::refused(486);
    Sipp::caller(&scenario, party.port()).call(gateway.sip_udp, 1).expect_success();
}

#[test]
fn a_kill_in_mid_call_leaves_a_clean_story() {
    let gateway = Gateway::start("");
    let application = Application::start(|_| {
        Answer::twiml("<Record maxLength=\"60\" playBeep=\"false\" trim=\"do-not-trim\"/>")
    });
    let domain = gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
    gateway.allow_address(&domain, "127.0.0.1");
    let party = Party::new();
    let scenario = sipp::invite("") + &sipp::answered() + &sipp::hang_up_after(30_000);
    let _caller = Sipp::caller(&scenario, party.port()).start(gateway.sip_udp);
    let (_, gateway_media) = party.receive().expect("the call is up");
    let begin = std::time::Instant::now();
    Stream::new(7).say(&party, gateway_media, sound(150));
    // At least 3 s; more where other work keeps this thread from its clock.
    let spoken = begin.elapsed().as_secs_f64();
    let folder = gateway.kill();

    let gateway = Gateway::start_in(folder, "");
    let calls = gateway.fetch("Calls.json").json();
    assert_eq!(calls["calls"][0]["status"], "failed", "{calls}");
    let recordings = gateway.fetch("Recordings.json").json();
    let recording = &recordings["recordings"][0];
    assert_eq!(recording["status"], "completed", "{recordings}");
    let sid = recording["sid"].as_str().expect("a SID");
    let wav = gateway.fetch(&format!("Recordings/{sid}.wav"));
    assert_eq!(wav.status, 200);
    assert_eq!(&wav.body[..4], b"RIFF");
    let seconds = (wav.body.len() - 44) as f64 / 16_000.0;
    let kept = spoken - 2.0..spoken + 1.0;
    assert!(kept.contains(&seconds), "{seconds} s were kept of {spoken} s");
}

#[test]
fn the_ends_of_calls_that_a_kill_ended_are_reported_once_by_the_next_start() {
    let gateway = Gateway::start("");
    let application = Application::start(|asked| match asked.path.as_str() {
        "/voice" => Answer::twiml("<Pause length=\"1\"/><Say>Hello.</Say><Pause length=\"60\"/>"),
        _ => Answer::status(204),
    });
    let status = application.url("/status");
    let domain = gateway.domain(
        "desk",
        &[("VoiceUrl", &application.url("/voice")), ("VoiceStatusCallbackUrl", &status)],
    );
    gateway.allow_address(&domain, "127.0.0.1");
    // One call is up, one rings at a phone that does not answer.
    let (party, callee_port) = (Party::new(), sipp::free_port());
    let scenario = sipp::invite("") + &sipp::answered() + &sipp::hang_up_after(30_000);
    let _caller = Sipp::caller(&scenario, party.port()).start(gateway.sip_udp);
    party.receive().expect("the call is up");
    let ringing = sipp::callee("", "0 101").replace("SIP/2.0 200 OK", "SIP/2.0 183 Still Ringing");
    let _callee = Sipp::new(&ringing)
        .key("media", &sipp::SILENT_MEDIA_PORT.to_string())
        .with(&format!("-p {callee_port} -m 1"))
        .spawn();
    gateway.create(
        "Calls.json",
        &[
            ("To", &format!("sip:bob@127.0.0.1:{callee_port}")),
            ("From", "alice"),
            ("Twiml", "<Response/>"),
            ("StatusCallback", &status),
            ("StatusCallbackEvent", "ringing"),
            ("StatusCallbackEvent", "completed"),
        ],
    );
    application.wait_for("it rings", |asked| {
        asked.path == "/status" && asked.parameter("CallStatus") == Some("ringing")
    });
    // Nothing waits for the records of calls to be on disk, but a later write does not overtake them.
    gateway.create("SIP/CredentialLists.json", &[("FriendlyName", "x")]);
    let folder = gateway.kill();

    let failed = |asked: &crate::application::Asked| {
        asked.path == "/status" && asked.parameter("CallStatus") == Some("failed")
    };
    let told = |application: &Application| {
        let asked = application.asked();
        let mut sids: Vec<String> = asked
            .iter()
            .filter(|asked| failed(asked))
            .map(|asked| asked.parameter("CallSid").expect("a SID").to_owned())
            .collect();
        sids.sort();
        sids
    };
    let gateway = Gateway::start_in(folder, "");
    wait::until("both ends", || told(&application).len() == 2);
    let calls = gateway.fetch("Calls.json").json();
    let mut sids: Vec<&str> = calls["calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| call["sid"].as_str().unwrap())
        .collect();
    sids.sort_unstable();
    assert_eq!(told(&application), sids);
    // The answers are on disk before this start ends, and the next one owes nothing.
    let (_, folder) = gateway.terminate();
    let gateway = Gateway::start_in(folder, "");
    let nobody = Party::new();
    let refused = sipp::invite("") + &sipp::answered() + &sipp::hung_up();
    let call = Sipp::caller(&refused, nobody.port()).start(gateway.sip_udp);
    nobody.receive().expect("the call is up");
    let live = gateway.fetch("Calls.json?Status=in-progress").json();
    let live = live["calls"][0]["sid"].as_str().expect("a SID").to_owned();
    gateway.create(&format!("Calls/{live}.json"), &[("Status", "completed")]);
    call.finish().expect_success();
    application.wait_for("the end of a new call", |asked| {
        asked.path == "/status" && asked.parameter("CallSid") == Some(live.as_str())
    });
    assert_eq!(told(&application), sids, "each once");
}

#[test]
fn every_acknowledged_domain_survives_a_kill() {
    let gateway = Gateway::start("");
    // 100 domains an account, so 2,000 need 20 sub-accounts; killed on the way.
    let script = format!(
        "import sys\n\
         from concurrent.futures import ThreadPoolExecutor\n\
         def fill(number):\n\
         \x20   sub = client.api.accounts.create(friendly_name='s%d' % number)\n\
         \x20   mine = Client('{ACCOUNT}', '{TOKEN}', account_sid=sub.sid, environment={{'_': ''}})\n\
         \x20   mine.api.base_url = client.api.base_url\n\
         \x20   for n in range(100):\n\
         \x20       name = 'd%d-%d.sip.sidetone.test' % (number, n)\n\
         \x20       mine.sip.domains.create(domain_name=name)\n\
         \x20       sys.stdout.write(sub.sid + ' ' + name + '\\n'); sys.stdout.flush()\n\
         with ThreadPoolExecutor(10) as pool:\n\
         \x20   for done in [pool.submit(fill, n) for n in range(20)]:\n\
         \x20       try: done.result()\n\
         \x20       except Exception: pass\n"
    );
    let mut running = sdk::python_running(&gateway, &script);
    for _ in 0..300 {
        running.next_line();
    }
    let folder = gateway.kill();
    let printed = running.finish();
    let acknowledged: Vec<&str> = printed
        .lines()
        .filter(|line| line.starts_with("AC") && line.ends_with(".sip.sidetone.test"))
        .collect();
    assert!(acknowledged.len() >= 300, "{} were acknowledged", acknowledged.len());

    let gateway = Gateway::start_in(folder, "");
    let mut kept = std::collections::BTreeSet::new();
    let accounts: std::collections::BTreeSet<&str> =
        acknowledged.iter().filter_map(|line| line.split_whitespace().next()).collect();
    for account in accounts {
        let path = format!("/2010-04-01/Accounts/{account}/SIP/Domains.json?PageSize=1000");
        let domains = gateway.get(&path).json();
        for domain in domains["domains"].as_array().expect("a list") {
            kept.insert(format!("{account} {}", domain["domain_name"].as_str().expect("a name")));
        }
    }
    let lost: Vec<&&str> = acknowledged.iter().filter(|line| !kept.contains(**line)).collect();
    assert!(lost.is_empty(), "acknowledged but lost: {lost:?}");
}

/// Starts in a folder that the gateway must refuse; what it says.
fn refused_in(folder: &std::path::Path) -> String {
    let mut command = std::process::Command::new("timeout");
    command.arg("20").arg(binary()).arg("serve").arg("--config").arg(folder.join("sidetone.toml"));
    let output = command.output().expect("the binary starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

#[test]
fn a_store_that_is_gone_is_not_replaced_in_silence() {
    let gateway = Gateway::start("");
    gateway.domain("desk", &[]);
    let (status, folder) = gateway.terminate();
    assert!(status.success(), "{status}");
    let database = folder.path().join("data/sidetone.db");
    let whole = std::fs::read(&database).expect("a database");

    std::fs::write(&database, b"").expect("emptied");
    assert!(refused_in(folder.path()).contains("shows that a store was here"));
    std::fs::remove_file(&database).expect("deleted");
    let said = refused_in(folder.path());
    assert!(said.contains("backup") && said.contains("--new-store"), "{said}");
    assert!(!database.exists(), "a refused start makes nothing");
    std::fs::write(&database, vec![7; whole.len()]).expect("overwritten");
    assert!(refused_in(folder.path()).contains("not a database"));

    // The remedies: the file alone is a whole copy after a clean exit; or a new store.
    std::fs::write(&database, &whole).expect("restored");
    let key = folder.path().join("data/key");
    let hidden = folder.path().join("key");
    std::fs::rename(&key, &hidden).expect("moved away");
    assert!(refused_in(folder.path()).contains("the file `key` is gone"));
    std::fs::rename(&hidden, &key).expect("moved back");
    let gateway = Gateway::start_in(folder, "");
    let domains = gateway.fetch("SIP/Domains.json").json();
    assert_eq!(domains["domains"][0]["domain_name"], "desk.sip.sidetone.test");
    let (_, folder) = gateway.terminate();
    std::fs::remove_file(&database).expect("deleted");
    let gateway = Gateway::start_anew_in(folder);
    let domains = gateway.fetch("SIP/Domains.json").json();
    assert_eq!(domains["domains"].as_array().map(Vec::len), Some(0), "{domains}");
}

#[test]
fn garbage_in_the_log_of_a_killed_gateway_is_refused() {
    let gateway = Gateway::start("");
    gateway.domain("desk", &[]);
    let folder = gateway.kill();
    let log = folder.path().join("data/sidetone.db-wal");
    let bytes = std::fs::read(&log).expect("a log");
    assert!(!bytes.is_empty(), "a kill leaves commits in the log");
    std::fs::write(&log, vec![0xA7; bytes.len()]).expect("overwritten");
    let said = refused_in(folder.path());
    assert!(said.contains("sidetone.db-wal is damaged"), "{said}");
    std::fs::write(&log, &bytes).expect("restored");
    let gateway = Gateway::start_in(folder, "");
    let domains = gateway.fetch("SIP/Domains.json").json();
    assert_eq!(domains["domains"][0]["domain_name"], "desk.sip.sidetone.test");
}

#[test]
fn a_drain_lets_calls_end_and_takes_no_new_ones() {
    let gateway = Gateway::start("");
    let application = Application::start(|_| Answer::twiml("<Pause length=\"3\"/><Hangup/>"));
    let domain = gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
    gateway.allow_address(&domain, "127.0.0.1");
    let party = Party::new();
    let call = |scenario: String| {
        Sipp::caller(&scenario, party.port()).with(&format!("-m 1 {}", gateway.sip_udp))
    };
    let living = call(sipp::invite("") + &sipp::answered() + &sipp::hung_up()).spawn();
    application.wait_for_path("/voice");
    gateway.signal("TERM");
    wait::until("it is not ready any more", || gateway.get("/readyz").status != 200);
    call(sipp::invite("") + &sipp::refused(503)).spawn().finish().expect_success();
    living.finish().expect_success();
    let status = gateway.wait();
    assert!(status.success(), "{status}");
}
