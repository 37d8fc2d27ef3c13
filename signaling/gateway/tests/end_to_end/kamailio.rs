//! Kamailio as a carrier: registrar with SHA-256 digest, proxy in front of one callee; and as a PBX
//! with a route that leads back.

use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::wait;

/// A Kamailio on loopback; ended when dropped.
pub struct Kamailio {
    child: Child,
    pub port: u16,
    folder: TempDir,
}

impl Kamailio {
    /// User `gw` with password `secret` registers; whoever it calls is rung at `callee`.
    pub fn carrier(port: u16, callee: u16) -> Self {
        Self::start(("127.0.0.1", port), &CARRIER.replace("CALLEE", &callee.to_string()))
    }

    /// Sends every call back to the gateway at that port, under the carrier's own realm, with the hops that
    /// were left and with `media` as its RTP port: a PBX that anchors media shows its own, and an offer
    /// with a media port of the gateway's would be refused for that.
    pub fn sending_back(port: u16, gateway: u16, media: u16) -> Self {
        let script = SENDING_BACK.replace("GATEWAY", &gateway.to_string());
        Self::start(("127.0.0.1", port), &script.replace("MEDIA", &media.to_string()))
    }

    /// Runs a script, in which PORT stands for the port, and waits until it listens.
    pub fn start(address: (&str, u16), script: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let script = script.replace("PORT", &address.1.to_string());
        let file = folder.path().join("kamailio.cfg");
        std::fs::write(&file, script).expect("writable");
        let child = Command::new("/usr/sbin/kamailio")
            .args(["-DD", "-E", "-m", "32", "-M", "4", "-f"])
            .arg(&file)
            .arg("-Y")
            .arg(folder.path())
            .arg("-w")
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log")).expect("writable"))
            .spawn()
            .expect("Kamailio is installed (make clients)");
        let kamailio = Self { child, port: address.1, folder };
        wait::found("listener", || match UdpSocket::bind(address) {
            Ok(_) => Err(kamailio.log()),
            Err(_) => Ok(()),
        });
        kamailio
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        // Its main process ends the others only on a signal to itself.
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- Kamailio's log ---\n{}", self.log());
        }
    }
}

const CARRIER: &str = r#"#!KAMAILIO
debug=1
log_stderror=yes
children=1
disable_tcp=yes
auto_aliases=no
listen=udp:127.0.0.1:PORT
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules/:/usr/lib/aarch64-linux-gnu/kamailio/modules/"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "rr.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
loadmodule "textops.so"
loadmodule "siputils.so"
modparam("auth", "algorithm", "SHA-256")
request_route {
  if (is_method("REGISTER")) {
    if (!pv_www_authenticate("provider.test", "secret", "0")) {
      www_challenge("provider.test", "1");
      exit;
    }
    save("location");
    exit;
  }
  if (has_totag() && loose_route()) {
    t_relay();
    exit;
  }
  if ($rU == "gw") {
    if (!lookup("location")) {
      sl_send_reply("404", "Nobody");
      exit;
    }
    t_relay();
    exit;
  }
  if (is_method("INVITE")) {
    if (!pv_proxy_authenticate("provider.test", "secret", "0")) {
      proxy_challenge("provider.test", "1");
      exit;
    }
    consume_credentials();
    record_route();
  }
  $du = "sip:127.0.0.1:CALLEE";
  t_relay();
}
"#;

const SENDING_BACK: &str = r#"#!KAMAILIO
debug=1
log_stderror=yes
children=1
disable_tcp=yes
auto_aliases=no
listen=udp:127.0.0.1:PORT
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules/:/usr/lib/aarch64-linux-gnu/kamailio/modules/"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "siputils.so"
request_route {
  if (is_method("CANCEL") && !t_check_trans()) {
    exit;
  }
  # Nothing but Max-Forwards says that the call was here before.
  remove_hf("X-Twilio-CallSid");
  if (is_method("INVITE")) {
    replace_body("m=audio [0-9]+", "m=audio MEDIA");
  }
  $rd = "carrier.example";
  $du = "sip:127.0.0.1:GATEWAY";
  t_relay();
}
"#;
