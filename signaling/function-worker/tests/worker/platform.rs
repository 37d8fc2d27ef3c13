//! What the platform promises to functions.

use functions::message::Level;
use serde_json::json;

use crate::party::Worker;

/// The sample of the product's own documentation.
const SAMPLE: &str = "
exports.handler = function(context, event, callback) {
    let twiml = new Twilio.twiml.VoiceResponse();
    twiml.say('Welcome to your SIP-enabled application.');
    twiml.dial('+14155551234');
    console.log('a call from', event.From);
    callback(null, twiml);
};";

fn header<'a>(answer: &'a crate::party::Answer, name: &str) -> Option<&'a str> {
    answer.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
}

#[test]
fn the_sample_function_answers_with_its_document_and_prints_its_line() {
    let mut worker = Worker::with(&[("welcome", SAMPLE)]);
    for _ in 0..3 {
        let answer = worker.run("welcome", json!({ "From": "sip:bob@desk.example.org" }));
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(header(&answer, "content-type"), Some("text/xml; charset=utf-8"));
        assert_eq!(
            answer.body,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Say>Welcome to your SIP-enabled application.</Say>\
             <Dial>+14155551234</Dial></Response>"
        );
        let line = "a call from sip:bob@desk.example.org".to_owned();
        assert_eq!(answer.lines, [(Level::Info, line)]);
    }
}

#[test]
fn each_value_of_the_callback_has_its_answer() {
    let twice = "
exports.handler = (context, event, callback) => {
    callback(null, { text: 'once', list: [1, 2], number: 7, nothing: undefined }[event.what]);
    callback(null, 'twice');
};";
    let mut worker = Worker::with(&[("it", twice)]);
    for (what, kind, body) in [
        ("text", Some("text/plain; charset=utf-8"), "once"),
        ("list", Some("application/json; charset=utf-8"), "[1,2]"),
        ("number", Some("application/json; charset=utf-8"), "7"),
        ("nothing", None, ""),
    ] {
        let answer = worker.run("it", json!({ "what": what }));
        assert_eq!((answer.status, answer.body.as_str()), (200, body), "{what}");
        assert_eq!(header(&answer, "content-type"), kind, "{what}");
    }
}

#[test]
fn a_response_keeps_its_status_headers_and_cookies() {
    let answer = Worker::eval(
        "const r = new Twilio.Response({ statusCode: 201 });
         r.setHeaders({ 'X-One': '1' }).appendHeader('Content-Type', 'application/json').appendHeader('X-One', '2')
          .setCookie('a', 'b', ['HttpOnly']).removeCookie('c').setBody({ done: true });
         callback(null, r);",
    );
    assert_eq!((answer.status, answer.body.as_str()), (201, "{\"done\":true}"));
    let headers: Vec<_> =
        answer.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    assert_eq!(
        headers,
        [
            "X-One: 1",
            "X-One: 2",
            "Set-Cookie: a=b;HttpOnly",
            "Set-Cookie: c=;Max-Age=0",
            "Content-Type: application/json"
        ]
    );
}

#[test]
fn every_way_to_fail_is_a_500_with_its_reason() {
    for (script, reason) in [
        ("callback(new Error('no luck'));", "Error: no luck"),
        ("callback('a text');", "a text"),
        ("throw new TypeError('thrown');", "TypeError: thrown"),
        ("await null; throw new Error('later');", "Error: later"),
        ("new Promise(() => { throw new Error('nobody catches'); });", "Error: nobody catches"),
        ("setTimeout(() => { throw new Error('in a timer'); }, 1);", "in a timer"),
        ("require('left-pad');", "Cannot find module 'left-pad'"),
    ] {
        let answer = Worker::eval(script);
        assert_eq!(answer.status, 500, "{script}: {answer:?}");
        let failure = answer.failure.unwrap_or_default();
        assert!(failure.contains(reason), "{script}: {failure}");
    }
    let answer = Worker::with(&[("it", "exports.handle = 1;")]).run("it", json!({}));
    assert!(answer.failure.unwrap_or_default().contains("exports no handler"));
    let answer = Worker::eval("return 'ignored';");
    assert_eq!(answer.status, 504, "{answer:?}");
}

#[test]
fn context_event_variables_functions_and_assets_are_there() {
    let script = "
const helper = require(Runtime.getFunctions()['lib/helper'].path);
exports.handler = (context, event, callback) => {
    const asset = Runtime.getAssets()['/data/words.json'];
    const words = JSON.parse(asset.open());
    callback(null, [context.GREETING, process.env.GREETING, context.DOMAIN_NAME, event.request.headers.host,
        helper.double(words.length), require('fs').readFileSync(asset.path, 'utf8').length, require(asset.path)[0]]);
};";
    let helper = "exports.double = (n) => 2 * n;";
    let mut worker = Worker::of(
        &[("it", script), ("lib/helper", helper)],
        &[("/data/words.json", b"[\"one\",\"two\"]")],
        &[],
    );
    let answer = worker.run("it", json!({ "request": { "headers": { "host": "h" } } }));
    assert_eq!(answer.body, "[\"hello\",\"hello\",\"desk-1234.example.org\",\"h\",4,13,\"one\"]");
}

#[test]
fn the_official_client_places_a_call_through_the_gateway() {
    let script = "
exports.handler = async (context, event, callback) => {
    const client = event.own ? require('twilio')(context.ACCOUNT_SID, context.AUTH_TOKEN) : context.getTwilioClient();
    try {
        const call = await client.calls.create({ to: 'sip:bob@desk.example.org', from: '+14155550100', url: 'https://app.example.org/a?b=c' });
        callback(null, [call.sid, call.status, client instanceof Twilio.Twilio, typeof client.studio.v2]);
    } catch (error) { callback(null, [error.name, error.status, error.code, error instanceof Twilio.RestException]); }
};";
    let mut worker = Worker::with(&[("it", script)]);
    for own in [false, true] {
        let answer = worker.run_with("it", json!({ "own": own }), |asked| {
            let path = format!("/2010-04-01/Accounts/AC{:032x}/Calls.json", 1);
            assert_eq!((asked.method.as_str(), asked.url.as_str()), ("POST", format!("https://api.twilio.com{path}").as_str()));
            assert_eq!(asked.body, "To=sip%3Abob%40desk.example.org&From=%2B14155550100&Url=https%3A%2F%2Fapp.example.org%2Fa%3Fb%3Dc");
            assert!(asked.headers.iter().any(|(name, value)| name.eq_ignore_ascii_case("authorization") && value.starts_with("Basic ")), "{:?}", asked.headers);
            (201, json!({ "sid": format!("CA{:032x}", 2), "status": "queued" }).to_string())
        });
        assert_eq!(
            answer.body,
            format!("[\"CA{:032x}\",\"queued\",true,\"object\"]", 2),
            "{answer:?}"
        );
    }
    let answer = worker.run_with("it", json!({}), |_| {
        (400, json!({ "code": 21211, "message": "Invalid 'To'", "status": 400 }).to_string())
    });
    assert_eq!(answer.body, "[\"Error\",400,21211,true]", "{answer:?}");
}

#[test]
fn fetch_axios_and_https_send_and_read_answers() {
    let script = "
const https = require('https');
exports.handler = async (context, event, callback) => {
    const a = await fetch('https://one.example.org/x', { method: 'POST', body: new URLSearchParams({ a: 'b c' }) });
    const b = await require('axios').get('https://two.example.org/y', { params: { q: '1' } });
    const c = await new Promise((resolve, reject) => https.get('https://three.example.org/z', (res) => {
        let text = ''; res.on('data', (part) => { text += part; }); res.on('end', () => resolve(text));
    }).on('error', reject));
    callback(null, [a.ok, (await a.json()).url, b.data.url, JSON.parse(c).url]);
};";
    let answer = Worker::with(&[("it", script)]).run_with("it", json!({}), |asked| {
        (
            200,
            json!({ "url": format!("{} {} {}", asked.method, asked.url, asked.body) }).to_string(),
        )
    });
    assert_eq!(
        answer.body,
        "[true,\"POST https://one.example.org/x a=b+c\",\"GET https://two.example.org/y?q=1 \",\
         \"GET https://three.example.org/z \"]",
        "{answer:?}"
    );
}
