//! `sidetone explain` beside a running gateway: the same verdict, the same sentence.

use std::process::{Command, Output};

use crate::gateway::{Gateway, binary};
use crate::sipp::{self, Sipp};

#[test]
fn explain_says_of_a_wrong_password_what_the_log_then_says() {
    let gateway = Gateway::start("");
    gateway.domain_with_user("desk", "http://127.0.0.1:9/voice", "alice", "Secret-Passw0rd");
    let target = "sip:1000@desk.sip.sidetone.test";
    let first = explain(&gateway, &[target, "--from", "127.0.0.1"]);
    assert_eq!(first.status.code(), Some(0));
    assert!(text(&first).contains("challenged: 407"), "{}", text(&first));
    let wrong = explain(&gateway, &[target, "--user", "alice", "--password", "guessed"]);
    assert_eq!(wrong.status.code(), Some(3));
    let said = text(&wrong);
    assert!(said.contains("refused by rule wrong_credentials"), "{said}");
    assert!(said.contains("SIP answer     403 Forbidden"), "{said}");
    assert!(said.contains("code           32202"), "{said}");

    let scenario = sipp::invite_with_digest("alice", "guessed", "") + &sipp::refused(403);
    let sipp = Sipp::caller(&scenario, sipp::SILENT_MEDIA_PORT).key("formats", "0");
    sipp.call(gateway.sip_udp, 1).expect_success();
    let sentence = said.lines().find_map(|line| line.trim().strip_prefix("sentence")).unwrap();
    gateway.wait_for_log(sentence.trim());
}

#[test]
fn explain_lists_every_rule_and_its_help_teaches() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = |words: &[&str]| {
        let command = Command::new(binary()).args(words).current_dir(folder.path()).output();
        command.expect("it runs")
    };
    let rules = text(&run(&["explain", "--rules"]));
    assert!(rules.lines().count() > 60 && rules.contains("source_not_listed"), "{rules}");
    assert!(text(&run(&["explain", "--help"])).contains("--user alice"));
    let nowhere = run(&["explain", "sip:1000@desk.sip.sidetone.test"]);
    assert_eq!(nowhere.status.code(), Some(1));
    let said = String::from_utf8_lossy(&nowhere.stderr).into_owned();
    assert!(said.contains("--data"), "{said}");
}

fn explain(gateway: &Gateway, words: &[&str]) -> Output {
    let data = gateway.folder.path().join("data");
    let mut command = Command::new(binary());
    command.arg("explain").args(words).arg("--data").arg(data);
    command.current_dir(gateway.folder.path()).output().expect("it runs")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
