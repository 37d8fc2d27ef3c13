//! Edges over TCP and TLS, with pjsua2 and OpenSSL: addresses, listeners, names.

use std::net::SocketAddr;

use crate::gateway::Gateway;
use crate::phone::{Callee, Registering};
use crate::sdk;
use crate::tls::{authorities, foreign_certificate, s_client};

/// The INVITE as the phone received it: its source, then Via, Contact and SDP.
fn where_it_came_from(callee: &mut Callee) -> (String, [String; 3]) {
    let source = callee.wait_for("came from").replace("came from ", "");
    let said = ["Via:", "Contact:", "c="].map(|header| callee.wait_for(header));
    (source, said)
}

#[test]
fn a_call_by_an_edge_leaves_from_the_address_that_it_shows_over_tcp_and_tls() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [certificate, key, authority] = foreign_certificate(folder.path(), &["127.0.0.1"]);
    let frankfurt =
        "[edges.frankfurt]\nlisten = [\"127.0.0.2:0\"]\npublic_address = \"127.0.0.2\"\n";
    let gateway = Gateway::start_with_tls(&format!("tls_ca = {authority:?}\n"), frankfurt);
    let list = gateway.get("/addresses.json").json();
    for (transport, edge, host) in [
        ("tcp", ";edge=frankfurt", "127.0.0.2"),
        ("tcp", "", "127.0.0.1"),
        ("tls", ";edge=frankfurt", "127.0.0.2"),
    ] {
        let mut callee = match transport {
            "tls" => Callee::start(&certificate, &key),
            _ => Callee::start_for_tcp(),
        };
        let port = callee.port;
        let body = format!(
            "print(client.calls.create(to='sip:bob@127.0.0.1:{port};transport={transport}{edge}', \
             from_='1000', twiml='<Response><Hangup/></Response>').sid)"
        );
        sdk::python(&gateway, &body);
        let (source, [via, contact, connection]) = where_it_came_from(&mut callee);
        assert!(source.starts_with(&format!("{host}:")), "{transport}{edge} came from {source}");
        // The phone could call back to the listener of the edge.
        let listener = &list["edges"][usize::from(!edge.is_empty())]["signaling"][transport][0];
        let listener = listener.as_str().expect("an address");
        assert!(via.contains(listener), "{via} of {listener}");
        assert!(contact.contains(listener), "{contact} of {listener}");
        assert_eq!(connection, format!("says c=IN IP4 {host}"));
        callee.wait_for("CONFIRMED");
        callee.wait_for("over");
    }
}

#[test]
fn each_edge_has_a_tls_listener_with_its_name_and_phones_register_there() {
    let gateway = Gateway::start_with_tls("", "[edges.frankfurt]\nlisten = [\"127.0.0.2:0\"]\n");
    let list = gateway.get("/addresses.json").json();
    let listener = list["edges"][1]["signaling"]["tls"][0].as_str().expect("a TLS listener");
    let listener: SocketAddr = listener.parse().expect("an address");
    assert_eq!(listener.ip().to_string(), "127.0.0.2");
    let ca = authorities(&gateway);
    for name in ["desk.sip.frankfurt.sidetone.test", "sip.frankfurt.sidetone.test"] {
        let printed =
            s_client(listener, &ca, &format!("-servername {name} -verify_hostname {name}"));
        assert!(printed.contains("Verify return code: 0 (ok)"), "{name}: {printed}");
    }
    // A phone that asks for no name gets a certificate that has the edge's zone and address.
    for expected in ["-verify_hostname any.sip.frankfurt.sidetone.test", "-verify_ip 127.0.0.2"] {
        let printed = s_client(listener, &ca, &format!("-noservername {expected}"));
        assert!(printed.contains("Verify return code: 0 (ok)"), "{expected}: {printed}");
    }

    let domain = gateway.domain_to_register("http://127.0.0.1:9/voice", &[]);
    let folder = gateway.folder.path();
    let phone = Registering::new(folder, &gateway, "alice", "tls").registrar(listener);
    let mut phone = phone.start();
    phone.wait_for("registration 200");
    let rows = gateway.wait_registered(&domain, 1);
    assert_eq!(rows[0]["edge"], "frankfurt", "{rows:?}");
    assert_eq!(rows[0]["transport"], "tls", "{rows:?}");
}
