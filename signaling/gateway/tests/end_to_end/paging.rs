//! Lists whose rows come and go between two pages: each row that was there is read once, by both SDKs.

use crate::gateway::Gateway;
use crate::rtp::Party;
use crate::sdk;
use crate::sipp::{self, Sipp};

/// Runs `client` with the SIP URI of a phone that answers every call.
fn with_a_phone(client: impl FnOnce(&Gateway, &str) -> String) {
    let gateway = Gateway::start("");
    let (port, party) = (sipp::free_port(), Party::new());
    let _phone = Sipp::new(&sipp::callee("", "0 101"))
        .key("media", &party.port().to_string())
        .with(&format!("-p {port}"))
        .spawn();
    let printed = client(&gateway, &format!("sip:bob@127.0.0.1:{port}"));
    assert_eq!(printed.trim(), "walked");
}

#[test]
fn the_python_sdk_reads_each_row_once_while_others_come_and_go() {
    with_a_phone(|gateway, phone| {
        let script = include_str!("paging.py");
        sdk::python(gateway, &format!("phone = '{phone}'\n{script}"))
    });
}

#[test]
fn the_node_sdk_reads_each_row_once_while_others_come_and_go() {
    with_a_phone(|gateway, phone| {
        let script = include_str!("paging.js");
        sdk::node(gateway, &format!("const phone = '{phone}';\n{script}"))
    });
}
