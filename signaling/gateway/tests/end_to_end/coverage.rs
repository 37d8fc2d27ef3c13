//! The TwiML that the official SDK can write, against the table of coverage; SSML as
//! a callee hears it.

use crate::gateway::Gateway;
use crate::rtp::Party;
use crate::sdk;
use crate::sipp::{self, Sipp};

#[test]
fn the_table_of_coverage_knows_all_twiml_that_the_python_sdk_writes() {
    let table = concat!(env!("CARGO_MANIFEST_DIR"), "/../contract/coverage.tsv");
    let output = sdk::python_file("twiml_coverage.py", &[table]).output().expect("the SDK");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let unknown = String::from_utf8_lossy(&output.stdout);
    assert!(unknown.is_empty(), "no state in coverage.tsv:\n{unknown}");
}

#[test]
fn ssml_that_the_python_sdk_writes_is_spoken_and_what_is_not_is_named() {
    let gateway = Gateway::start("");
    let (port, bob) = (sipp::free_port(), Party::new());
    let callee = Sipp::new(&sipp::callee("", "0 101"))
        .key("media", &bob.port().to_string())
        .with(&format!("-p {port} -m 1"))
        .spawn();
    let printed = sdk::python(&gateway, &SPOKEN.replace("PORT", &port.to_string()));
    callee.finish().expect_success();
    let (duration, codes) = printed.trim().split_once(' ').expect("two words");
    // The words alone take two seconds, the break three.
    assert!(duration.parse::<u32>().is_ok_and(|seconds| (5..12).contains(&seconds)), "{printed}");
    assert_eq!(codes, "['13750']", "<w role> alone has no effect");
}

const SPOKEN: &str = "import time\n\
    from twilio.twiml.voice_response import VoiceResponse\n\
    response = VoiceResponse()\n\
    say = response.say('One ')\n\
    say.prosody('two', rate='slow', pitch='high', volume='+3dB')\n\
    say.break_(time='3s')\n\
    say.phoneme('pecan', alphabet='ipa', ph='pɪˈkɑːn')\n\
    say.say_as('42', interpret_as='digits')\n\
    say.w('read', role='amazon:VB')\n\
    call = client.calls.create(to='sip:bob@127.0.0.1:PORT', from_='alice', twiml=str(response))\n\
    for _ in range(300):\n\
    \x20   call = call.fetch()\n\
    \x20   if call.status == 'completed': break\n\
    \x20   time.sleep(0.1)\n\
    print(call.duration, [row.error_code for row in client.notifications.list()])\n";
