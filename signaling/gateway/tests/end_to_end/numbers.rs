//! Applications, phone numbers and caller ids in calls.

use crate::application::{Answer, Application};
use crate::gateway::Gateway;
use crate::rtp::Party;
use crate::sdk;
use crate::sipp::{self, Sipp};

#[test]
fn a_call_by_rest_runs_the_application_that_it_names() {
    let gateway = Gateway::start("");
    let application = Application::start(|asked| match asked.path.as_str() {
        "/broken" => Answer::status(500),
        "/fallback" => Answer::twiml("<Hangup/>"),
        _ => Answer::status(204),
    });
    let (callee_port, bob) = (sipp::free_port(), Party::new());
    let callee = Sipp::new(&sipp::callee("", "0 101"))
        .key("media", &bob.port().to_string())
        .with(&format!("-p {callee_port} -m 1"))
        .spawn();
    let printed = sdk::python(
        &gateway,
        &format!(
            "app = client.applications.create(voice_url='{}', voice_method='GET',\n\
             \x20   voice_fallback_url='{}', status_callback='{}')\n\
             call = client.calls.create(to='sip:bob@127.0.0.1:{callee_port}', from_='alice',\n\
             \x20   application_sid=app.sid, url='http://127.0.0.1:9/never')\n\
             print(app.sid, call.sid)\n",
            application.url("/broken"),
            application.url("/fallback"),
            application.url("/status"),
        ),
    );
    callee.finish().expect_success();
    let (app, call) = printed.trim().split_once(' ').expect("two SIDs");
    let ended = application.wait_for_path("/status");
    let asked = application.asked();
    let paths: Vec<&str> = asked.iter().map(|asked| asked.path.as_str()).collect();
    assert_eq!(paths, ["/broken", "/fallback", "/status"]);
    for request in &asked {
        assert_eq!(request.parameter("ApplicationSid"), Some(app), "{}", request.path);
        assert_eq!(request.parameter("CallSid"), Some(call), "{}", request.path);
    }
    assert_eq!(asked[0].method, "GET");
    assert_eq!(ended.parameter("CallStatus"), Some("completed"));
}
