//! Applications, phone numbers and caller ids in calls.

use crate::application::{Answer, Application};
use crate::gateway::{Gateway, binary};
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

#[test]
fn a_number_that_a_carrier_delivers_runs_its_application_and_not_the_domains() {
    let gateway = Gateway::start(
        "[[trunk]]\nname = \"carrier\"\naddresses = [\"127.0.0.1/32\"]\ndomain = \"desk\"\n",
    );
    let application = Application::start(|asked| match asked.path.as_str() {
        "/status" => Answer::status(204),
        _ => Answer::twiml("<Reject reason=\"busy\"/>"),
    });
    gateway.domain("desk", &[("VoiceUrl", &application.url("/domain"))]);
    let printed = sdk::python(
        &gateway,
        &format!(
            "app = client.applications.create(voice_url='{}', status_callback='{}')\n\
             for number, more in (('+15550123', {{'voice_application_sid': app.sid}}),\n\
             \x20   ('+15550124', {{'voice_url': '{}'}}), ('+15550125', {{}})):\n\
             \x20   client.incoming_phone_numbers.create(phone_number=number, **more)\n\
             print(app.sid)\n",
            application.url("/application"),
            application.url("/status"),
            application.url("/number"),
        ),
    );
    let app = printed.trim();
    let party = Party::new();
    let call = |target: &str| {
        let scenario = sipp::invite("") + &sipp::refused(486);
        let caller = Sipp::new(&scenario.replace("sip:[user]@[domain]", target))
            .key("media", &party.port().to_string())
            .key("formats", "0");
        caller.call(gateway.sip_udp, 1).expect_success();
    };
    call("sip:15550123@10.0.0.1");
    let asked = application.wait_for_path("/application");
    assert_eq!(asked.parameter("To"), Some("+15550123"), "as it is registered");
    assert_eq!(asked.parameter("ApplicationSid"), Some(app));
    assert_eq!(asked.parameter("SipDomain"), None);
    let ended = application.wait_for_path("/status");
    assert_eq!(ended.parameter("CallStatus"), Some("busy"));
    call("tel:+15550124");
    application.wait_for_path("/number");
    // Neither URL nor application: the number is a caller id alone.
    call("tel:+15550125");
    application.wait_for_path("/domain");
}

#[test]
fn a_caller_id_that_is_not_the_accounts_is_refused_until_the_command_adds_it() {
    let (carrier_port, bob) = (sipp::free_port(), Party::new());
    let gateway = Gateway::start(&format!(
        "[[trunk]]\nname = \"carrier\"\ntargets = [\"sip:127.0.0.1:{carrier_port}\"]\n"
    ));
    let place = |expected: &str| {
        let printed = sdk::python(
            &gateway,
            "from twilio.base.exceptions import TwilioRestException\n\
             try:\n\
             \x20   call = client.calls.create(to='+15550456', from_='+15550777', twiml='<Response/>')\n\
             \x20   print(call.status)\n\
             except TwilioRestException as error:\n\
             \x20   print(error.code)\n",
        );
        assert_eq!(printed.trim(), expected);
    };
    // The account has one number: from now on it shows its own.
    gateway.create("IncomingPhoneNumbers.json", &[("PhoneNumber", "+15550700")]);
    place("21210");
    let added = caller_id(&gateway, &["+1 555 0777", "--name", "front desk"]);
    let said = String::from_utf8_lossy(&added.stdout).into_owned();
    assert!(added.status.success() && said.contains(" +15550777 of AC"), "{added:?}");
    let again = caller_id(&gateway, &["+15550777"]);
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(again.status.code() == Some(1) && said.contains("21450"), "{again:?}");
    let callee = Sipp::new(&sipp::callee("", "0 101"))
        .key("media", &bob.port().to_string())
        .with(&format!("-p {carrier_port} -m 1"))
        .spawn();
    place("queued");
    let messages = callee.finish().expect_success().messages();
    assert!(messages.contains("<sip:+15550777@"), "{messages}");
}

fn caller_id(gateway: &Gateway, words: &[&str]) -> std::process::Output {
    let data = gateway.folder.path().join("data");
    let listen = format!("http.listen={}", gateway.http);
    let mut command = std::process::Command::new(binary());
    command.arg("caller-id").args(words).args(["--set", &listen, "--data"]).arg(data);
    command.current_dir(gateway.folder.path()).output().expect("it runs")
}
