//! Applications, phone numbers and caller ids in calls.

use crate::application::{Answer, Application};
use crate::gateway::{Gateway, binary};
use crate::rtp::{Party, Stream};
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

#[test]
fn a_call_verifies_a_caller_id_by_the_digits_that_its_party_presses() {
    let carrier_port = sipp::free_port();
    let gateway = Gateway::start(&format!(
        "[[trunk]]\nname = \"carrier\"\ntargets = [\"sip:127.0.0.1:{carrier_port}\"]\n"
    ));
    let application = Application::start(|_| Answer::status(204));
    let bob = Party::new();
    let callee = Sipp::new(&sipp::callee("", "0 101"))
        .key("media", &bob.port().to_string())
        .with(&format!("-p {carrier_port} -m 1"))
        .spawn();
    let printed = sdk::python(
        &gateway,
        &format!(
            "asked = client.validation_requests.create(phone_number='+15550123', friendly_name='Desk',\n\
             \x20   call_delay=1, status_callback='{}')\n\
             print(asked.validation_code, asked.call_sid, asked.phone_number, asked.friendly_name)\n",
            application.url("/verified"),
        ),
    );
    let words: Vec<&str> = printed.split_whitespace().collect();
    let [code, call, "+15550123", "Desk"] = words[..] else { panic!("{printed}") };
    // The prompt is speech; a key ends it.
    bob.receive_until(20, |packet| packet.payload_type == 0);
    let (_, media) = bob.receive().expect("more of the prompt");
    let mut keys = Stream::new(0xB0B);
    for digit in code.bytes() {
        keys.press(&bob, media, 101, digit - b'0');
    }
    let told = application.wait_for_path("/verified");
    assert_eq!(told.parameter("VerificationStatus"), Some("success"), "{told:?}");
    assert_eq!(told.parameter("CallSid"), Some(call));
    assert_eq!(told.parameter("CallStatus"), Some("completed"));
    callee.finish().expect_success();
    let listed = sdk::python(
        &gateway,
        "for row in client.outgoing_caller_ids.list(): print(row.sid, row.phone_number, row.friendly_name)\n",
    );
    let row = told.parameter("OutgoingCallerIdSid").expect("a SID");
    assert_eq!(listed.trim(), format!("{row} +15550123 Desk"));

    // Nobody answers there now.
    let printed = sdk::python(
        &gateway,
        &format!(
            "print(client.validation_requests.create(phone_number='+15550124', status_callback='{}').call_sid)\n",
            application.url("/failed"),
        ),
    );
    let told = application.wait_for_path("/failed");
    assert_eq!(told.parameter("CallSid"), Some(printed.trim()));
    assert_eq!(told.parameter("VerificationStatus"), Some("failed"));
    assert_eq!(told.parameter("OutgoingCallerIdSid"), None);
}
