//! Official clients without a line changed: what makes them reach the gateway are their proxy variables.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

use crate::gateway::{ACCOUNT, Gateway, TOKEN, binary};
use crate::sdk::{clients, run};
use crate::wait;

/// A gateway with a proxy listener, and the authority that its clients trust.
pub struct Proxied {
    pub gateway: Gateway,
    proxy: SocketAddr,
    roots: PathBuf,
}

impl Proxied {
    pub fn start() -> Self {
        let gateway = Gateway::start_with_proxy();
        let proxy = gateway.listener("proxy");
        let data = gateway.folder.path().join("data");
        let printed = run(Command::new(binary()).args(["ca", "--data"]).arg(data));
        let roots = gateway.folder.path().join("roots.pem");
        std::fs::write(&roots, printed).expect("writable");
        Self { gateway, proxy, roots }
    }

    /// A client whose environment says where the API is, who asks and whom to trust.
    pub fn client(&self, program: impl Into<PathBuf>) -> Command {
        let mut command = Command::new(program.into());
        let proxy = format!("http://{}", self.proxy);
        for variable in ["HTTP_PROXY", "HTTPS_PROXY", "https_proxy"] {
            command.env(variable, &proxy);
        }
        for variable in ["REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "CURL_CA_BUNDLE"] {
            command.env(variable, &self.roots);
        }
        command.env("TWILIO_ACCOUNT_SID", ACCOUNT).env("TWILIO_AUTH_TOKEN", TOKEN);
        command.env("HOME", self.gateway.folder.path());
        command
    }

    fn curl(&self, arguments: &[&str]) -> Output {
        let mut command = self.client("curl");
        command.args(["-sS", "-i"]).args(arguments).output().expect("curl is installed")
    }

    /// Runs the CLI; its answer as JSON.
    fn cli(&self, arguments: &str) -> Value {
        let mut command = self.client("node");
        command.arg(clients().join("cli/node_modules/.bin/twilio"));
        let printed = run(command.args(arguments.split(' ')).args(["-o", "json"]));
        serde_json::from_str(&printed).unwrap_or_else(|_| panic!("{arguments}: {printed}"))
    }

    /// Has two calls fail, so that there are alerts.
    fn two_alerts(&self) {
        for _ in 0..2 {
            let form = [("To", "sip:bob@127.0.0.1:9"), ("From", "alice"), ("Twiml", "<Response/>")];
            self.gateway.create("Calls.json", &form);
        }
        wait::until("two alerts", || {
            let page = self.gateway.get("/v1/Alerts").json();
            page["alerts"].as_array().is_some_and(|alerts| alerts.len() >= 2)
        });
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_sdks_need_their_proxy_variables_and_nothing_else() {
    let proxied = Proxied::start();
    proxied.two_alerts();
    let mut python = proxied.client(clients().join("python/bin/python"));
    let printed = run(python.arg("-c").arg(
        "from twilio.rest import Client\n\
         app = Client().applications.create(friendly_name='front desk')\n\
         for where in ({}, {'edge': 'dublin'}, {'region': 'ie1'}, {'edge': 'dublin', 'region': 'ie1'}):\n\
         \x20   assert Client(**where).applications(app.sid).fetch().friendly_name == 'front desk'\n\
         alerts = Client().monitor.alerts.list(page_size=1)\n\
         assert len(alerts) == 2 and alerts[0].url.startswith('https://monitor.twilio.com/v1/'), alerts[0].url\n\
         assert Client().applications(app.sid).delete()\n\
         print('done')\n",
    ));
    assert_eq!(printed.trim(), "done");
    let mut node = proxied.client("node");
    let printed = run(node.current_dir(clients().join("node")).arg("-e").arg(
        "const assert = require('assert').strict;\n\
         const twilio = require('twilio');\n\
         (async () => {\n\
         const queue = await twilio().queues.create({friendlyName: 'support'});\n\
         for (const where of [{}, {edge: 'sydney'}, {edge: 'sydney', region: 'au1'}]) {\n\
         \x20 const client = twilio(process.env.TWILIO_ACCOUNT_SID, process.env.TWILIO_AUTH_TOKEN, where);\n\
         \x20 assert.equal((await client.queues(queue.sid).fetch()).friendlyName, 'support');\n\
         }\n\
         assert.equal((await twilio().monitor.v1.alerts.list({pageSize: 1})).length, 2);\n\
         assert.ok(await twilio().queues(queue.sid).remove());\n\
         console.log('done');\n\
         })().catch(error => { console.error(error); process.exit(1); });",
    ));
    assert_eq!(printed.trim(), "done");
}

#[test]
fn the_command_line_tool_creates_lists_and_removes() {
    let proxied = Proxied::start();
    proxied.two_alerts();
    let app = proxied.cli(
        "api:core:applications:create --friendly-name desk --voice-url https://app.example/voice",
    );
    let app = app[0]["sid"].as_str().expect("a SID").to_owned();
    assert!(app.starts_with("AP"), "{app}");
    let queue = proxied.cli("api:core:queues:create --friendly-name support --max-size 7");
    assert_eq!(queue[0]["maxSize"], 7);
    let updated =
        proxied.cli(&format!("api:core:applications:update --sid {app} --voice-method GET"));
    assert_eq!(updated[0]["voiceMethod"], "GET");
    let listed = proxied.cli("api:core:applications:list");
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    let to = "--to sip:bob@127.0.0.1:9 --from alice";
    let call = proxied.cli(&format!("api:core:calls:create {to} --application-sid {app}"));
    assert!(call[0]["sid"].as_str().is_some_and(|sid| sid.starts_with("CA")), "{call}");
    // More than a page of one row: the tool follows the addresses of the pages.
    let calls = proxied.cli("api:core:calls:list --page-size 1 --limit 3");
    assert_eq!(calls.as_array().map(Vec::len), Some(3));
    let alerts = proxied.cli("api:monitor:v1:alerts:list --page-size 1 --limit 2");
    assert_eq!(alerts.as_array().map(Vec::len), Some(2));
    let mut removal = proxied.client("node");
    removal.arg(clients().join("cli/node_modules/.bin/twilio"));
    run(removal.args(["api:core:applications:remove", "--sid", &app]));
    let left = proxied.gateway.fetch("Applications.json").json();
    assert_eq!(left["applications"], serde_json::json!([]));
}

#[test]
fn a_client_that_is_sent_here_by_its_name_service_needs_no_proxy_and_other_hosts_end_at_once() {
    let proxied = Proxied::start();
    let path = format!("/2010-04-01/Accounts/{ACCOUNT}.json");
    let login = format!("{ACCOUNT}:{TOKEN}");
    let to = format!("::127.0.0.1:{}", proxied.proxy.port());
    let direct = |host: &str| {
        let url = format!("https://{host}{path}");
        proxied.curl(&["--noproxy", "*", "--connect-to", &to, "-u", &login, &url])
    };
    for host in ["api.twilio.com", "api.ie1.twilio.com", "api.dublin.ie1.twilio.com"] {
        let answer = direct(host);
        assert!(answer.status.success() && text(&answer.stdout).contains(ACCOUNT), "{answer:?}");
    }
    for host in ["packages.example.org", "api.nowhere.twilio.com"] {
        assert!(!direct(host).status.success(), "{host} has no certificate");
    }
    let refused = proxied.curl(&["https://packages.example.org/twilio"]);
    assert!(!refused.status.success());
    let said = text(&refused.stdout);
    assert!(said.starts_with("HTTP/1.1 403 Only hosts of the API (http.proxy)"), "{said}");
    // In the clear through the proxy, and a product that is not here.
    let absolute = proxied.curl(&[
        "--proxy",
        &format!("http://{}", proxied.proxy),
        "-u",
        &login,
        &format!("http://api.twilio.com{path}"),
    ]);
    assert!(text(&absolute.stdout).contains(ACCOUNT), "{absolute:?}");
    let absent = proxied.curl(&["https://video.twilio.com/v1/Rooms"]);
    assert!(text(&absent.stdout).contains("has no /v1/Rooms on video.twilio.com"), "{absent:?}");
    let metrics = text(&proxied.gateway.get("/metrics").body);
    assert!(
        metrics.contains("http_requests_refused_total{reason=\"proxy_host\"} 1\n"),
        "{metrics}"
    );
}
