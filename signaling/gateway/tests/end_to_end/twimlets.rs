//! The Twimlets against the answers of the vendor's service, which its function templates have on record.
//!
//! The templates are no part of this repository: `twimlets.sha256` lists their scripts and records. Their test fetches
//! the revision below; where that is not possible, a gate says that nothing was proved, and `make soak` fails.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::gateway::Gateway;
use crate::vendor::fetch;

/// Where the templates are fetched from, unless `SIDETONE_FUNCTION_TEMPLATES` names another copy.
const SOURCE: &str = "https://github.com/twilio-labs/function-templates";
const REVISION: &str = "ae2f2ee335d238b7879ac03f016fd53282aa5471";
/// Twimlets, by the names of their templates.
const TWIMLETS: [(&str, &str); 8] = [
    ("message", "simple-message"),
    ("echo", "echo"),
    ("forward", "forward"),
    ("callme", "call-me"),
    ("whisper", "whisper"),
    ("menu", "simple-menu"),
    ("findme", "find-me"),
    ("simulring", "simulring"),
];

#[test]
fn the_twimlets_answer_what_the_vendors_service_answered() {
    const NAME: &str = "the_twimlets_answer_what_the_vendors_service_answered";
    let folder = tempfile::tempdir().expect("a folder");
    let source = std::env::var("SIDETONE_FUNCTION_TEMPLATES");
    let source = source.unwrap_or_else(|_| SOURCE.to_owned());
    if let Err(why) = fetch(folder.path(), &source, REVISION) {
        let is_soak = std::env::var_os("SIDETONE_SOAK").is_some();
        assert!(!is_soak, "{source} cannot be fetched: {why}");
        println!("{NAME}: NOT RUN, nothing is proved: {source} cannot be fetched: {why}");
        return;
    }
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/end_to_end");
    let mut check = Command::new("sha256sum");
    check.args(["--check", "--quiet"]).arg(tests.join("twimlets.sha256"));
    let output = check.current_dir(folder.path()).output().expect("coreutils");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));

    let gateway = Gateway::start("");
    let programs = folder.path().join("programs");
    std::fs::create_dir(&programs).expect("writable");
    let xmllint = format!("#!/bin/sh\nexec python3 {}\n", tests.join("xmllint.py").display());
    std::fs::write(programs.join("xmllint"), xmllint).expect("writable");
    let runs = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(programs.join("xmllint"), runs).expect("ours");
    for (twimlet, template) in TWIMLETS {
        let below = folder.path().join(format!("funlet-{template}/tests"));
        let recorded = std::fs::read_to_string(below.join(format!("twimlet-{template}.log")));
        let answered =
            run(&gateway, &programs, &below.join(format!("test-{template}.sh")), twimlet);
        assert_eq!(answered.trim_end(), recorded.expect("a record").trim_end(), "{twimlet}");
    }
}

/// What a script of the vendor's prints when it asks the gateway, by the host of the Twimlets.
fn run(gateway: &Gateway, programs: &Path, script: &Path, twimlet: &str) -> String {
    let path = std::env::var("PATH").expect("a path");
    let output = Command::new("sh")
        .arg(script)
        .arg(format!("http://twimlets.sidetone.test/{twimlet}"))
        .env("PATH", format!("{}:{path}", programs.display()))
        .env("http_proxy", format!("http://{}", gateway.http))
        .env("no_proxy", "")
        .output()
        .expect("sh runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}
