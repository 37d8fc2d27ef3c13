//! `sidetone phone register` at a third-party registrar: SIPp.

use std::process::Command;

use crate::phone::PASSWORD;
use crate::sipp::{self, Sipp};

/// A response that SIPp sends, with the headers that every one of them needs.
fn response(line: &str, more: &str, attributes: &str) -> String {
    format!(
        "<send {attributes}><![CDATA[\nSIP/2.0 {line}\n[last_Via:]\n[last_From:]\n\
         [last_To:];tag=registrar\n[last_Call-ID:]\n[last_CSeq:]\n{more}Content-Length: 0\n\n]]></send>\n"
    )
}

/// Challenges, checks the digest with SIPp's own code, grants 600 s, takes the removal.
fn registrar() -> String {
    let challenge =
        "WWW-Authenticate: Digest realm=\"test\",nonce=\"abcdef\",qop=\"auth\",algorithm=MD5\n";
    [
        "<recv request=\"REGISTER\"/>\n".to_owned(),
        response("401 Unauthorized", challenge, ""),
        format!(
            "<recv request=\"REGISTER\"><action><verifyauth assign_to=\"right\" username=\"alice\" \
             password=\"{PASSWORD}\"/></action></recv>\n<nop hide=\"true\" test=\"right\" next=\"good\"/>\n"
        ),
        response("403 Forbidden", "", "next=\"end\""),
        "<label id=\"good\"/>\n".to_owned(),
        response("200 OK", "[last_Contact:]\n", ""),
        "<recv request=\"REGISTER\"/>\n".to_owned(),
        response("200 OK", "", ""),
        "<label id=\"end\"/>\n".to_owned(),
    ]
    .concat()
}

fn register(password: &str) -> (Option<i32>, String, String) {
    let port = sipp::free_port();
    let server = Sipp::new(&registrar()).with(&format!("-p {port} -m 1")).spawn();
    let output = Command::new(env!("CARGO_BIN_EXE_sidetone"))
        .args(["phone", "register", &format!("sip:alice@127.0.0.1:{port}")])
        .args(["--user", "alice", "--password", password, "--for", "0.2"])
        .output()
        .expect("the binary runs");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), printed, server.finish().messages())
}

#[test]
fn the_phone_registers_with_digest_and_unregisters_at_the_end() {
    let (code, printed, messages) = register(PASSWORD);
    assert_eq!(code, Some(0), "{printed}\n{messages}");
    assert!(printed.contains("unregistered"), "{printed}");
    assert!(messages.contains("expires=0") || messages.contains("Expires: 0"), "{messages}");
    let call_ids: std::collections::BTreeSet<&str> =
        messages.lines().filter(|line| line.starts_with("Call-ID:")).collect();
    assert_eq!(call_ids.len(), 1, "one Call-ID for all (RFC 3261 §10.2.4): {call_ids:?}");
}

#[test]
fn a_wrong_password_is_reported_and_the_exit_code_is_1() {
    let (code, printed, messages) = register("Wrong-Passw0rd");
    assert_eq!(code, Some(1), "{printed}\n{messages}");
    assert!(printed.contains("403"), "{printed}");
}
