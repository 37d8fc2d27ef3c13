//! Stories of the execution.

use serde_json::json;

use super::*;
use crate::order::HttpOrder;

const NOW: Now = Now { mono: Instant::from_millis(1_000), unix_ms: 1_796_072_709_000 };

/// A flow of states that are given as JSON.
fn flow(states: &serde_json::Value) -> Arc<Flow> {
    let definition = json!({"description": "A flow", "initial_state": "Trigger", "states": states});
    Arc::new(Flow::read(&definition.to_string()).unwrap_or_else(|problems| panic!("{problems:?}")))
}

fn state(
    name: &str,
    kind: &str,
    properties: serde_json::Value,
    ways: &[(&str, &str)],
) -> serde_json::Value {
    let transitions: Vec<_> =
        ways.iter().map(|(event, next)| json!({"event": event, "next": next})).collect();
    json!({"name": name, "type": kind, "properties": properties, "transitions": transitions})
}

fn trigger(event: &str, next: &str) -> serde_json::Value {
    state("Trigger", "trigger", json!({}), &[(event, next)])
}

fn call() -> Trigger {
    Trigger::Call(Data::texts([
        ("CallSid", "CA1"),
        ("From", "sip:ann@example.net"),
        ("To", "sip:desk@example.org"),
    ]))
}

fn execution(flow: &Arc<Flow>, trigger: &Trigger) -> Execution {
    let mut execution =
        Execution::new(ExecutionSid(7 << 80), FlowSid(2), Arc::clone(flow), trigger);
    execution.start(NOW, trigger);
    execution
}

fn effects(execution: &mut Execution) -> Vec<Effect> {
    std::iter::from_fn(|| execution.poll_effect()).collect()
}

/// The document that answers the request, without its declaration.
fn document(execution: &mut Execution) -> String {
    match effects(execution).as_slice() {
        [.., Effect::Respond(document)] | [.., Effect::Respond(document), Effect::Ended] => {
            let declaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
            document.strip_prefix(declaration).expect("a declaration").to_owned()
        }
        other => panic!("no document: {other:?}"),
    }
}

fn request(execution: &mut Execution, event: &str, parameters: &[(&str, &str)]) -> String {
    let step = Some(execution.count);
    let parameters = Data::texts(parameters.iter().copied());
    execution.handle(NOW, Input::Request { event: event.to_owned(), step, parameters });
    document(execution)
}

fn ended(call: &str) -> Input {
    Input::CallEnded { call: call.to_owned() }
}

fn codes(effects: &[Effect]) -> Vec<u32> {
    let codes = effects.iter().map(|effect| match effect {
        Effect::Alert(alert) => Some(alert.code.number()),
        _ => None,
    });
    codes.flatten().collect()
}

fn front_desk() -> Arc<Flow> {
    let split = json!({"name": "pick", "type": "split-based-on", "properties": {"input": "{{widgets.menu.Digits}}"},
        "transitions": [
            {"event": "noMatch", "next": "menu"},
            {"event": "match", "next": "sales", "conditions": [
                {"friendly_name": "one", "arguments": ["{{widgets.menu.Digits}}"], "type": "equal_to", "value": "1"}]}]});
    flow(&json!([
        trigger("incomingCall", "hello"),
        state(
            "hello",
            "say-play",
            json!({"say": "Hello {{contact.channel.address}}", "loop": 1}),
            &[("audioComplete", "menu")]
        ),
        state(
            "menu",
            "gather-input-on-call",
            json!({"say": "One?", "timeout": 5, "number_of_digits": 1, "stop_gather": true}),
            &[("keypress", "pick"), ("speech", ""), ("timeout", "Voicemail")]
        ),
        split,
        state(
            "sales",
            "connect-call-to",
            json!({"noun": "sip", "sip_endpoint": "sip:s@desk", "timeout": 20}),
            &[("callCompleted", "Voicemail"), ("hangup", "")]
        ),
        state(
            "Voicemail",
            "record-voicemail",
            json!({"max_length": 9, "play_beep": "true"}),
            &[("recordingComplete", ""), ("noAudio", ""), ("hangup", "")]
        ),
    ]))
}

#[test]
fn a_call_walks_from_speech_over_digits_to_a_dialled_desk() {
    let mut execution = execution(&front_desk(), &call());
    assert_eq!(
        document(&mut execution),
        "<Response><Say loop=\"1\">Hello sip:ann@example.net</Say>\
         <Redirect>?FlowEvent=audioComplete&amp;Step=1</Redirect></Response>"
    );
    let menu = request(&mut execution, "audioComplete", &[]);
    assert_eq!(
        menu,
        "<Response><Gather input=\"dtmf speech\" action=\"?FlowEvent=gathered&amp;Step=2\" timeout=\"5\" \
         numDigits=\"1\"><Say>One?</Say></Gather><Redirect>?FlowEvent=timeout&amp;Step=2</Redirect></Response>"
    );
    // Another digit leads back to the menu.
    let again = request(&mut execution, "gathered", &[("Digits", "7")]);
    assert!(again.contains("Step=4"), "{again}");
    let sales = request(&mut execution, "gathered", &[("Digits", "1")]);
    assert_eq!(
        sales,
        "<Response><Dial action=\"?FlowEvent=connected&amp;Step=6\" callerId=\"sip:ann@example.net\" \
         timeout=\"20\"><Sip>sip:s@desk</Sip></Dial></Response>"
    );
    let voicemail = request(&mut execution, "connected", &[("DialCallStatus", "no-answer")]);
    assert!(voicemail.starts_with("<Response><Record action="), "{voicemail}");
    let last = request(&mut execution, "recorded", &[("RecordingUrl", "https://x/RE1")]);
    assert_eq!(last, "<Response/>");
    assert!(execution.is_over());
    let path: Vec<_> =
        execution.steps().iter().map(|step| (step.event.as_str(), step.to.as_str())).collect();
    assert_eq!(
        path,
        [
            ("incomingCall", "hello"),
            ("audioComplete", "menu"),
            ("keypress", "pick"),
            ("noMatch", "menu"),
            ("keypress", "pick"),
            ("match", "sales"),
            ("callCompleted", "Voicemail"),
            ("recordingComplete", "Ended"),
        ]
    );
    assert_eq!(execution.context_json()["widgets"]["sales"]["DialCallStatus"], "no-answer");
}

#[test]
fn a_request_that_comes_twice_gets_its_document_again() {
    let mut execution = execution(&front_desk(), &call());
    drop(document(&mut execution));
    let menu = request(&mut execution, "audioComplete", &[]);
    let late = Input::Request {
        event: "audioComplete".to_owned(),
        step: Some(1),
        parameters: Data::map(),
    };
    execution.handle(NOW, late);
    assert_eq!(document(&mut execution), menu);
    assert_eq!(execution.steps().len(), 2);
}

#[test]
fn a_call_that_ends_while_it_listens_ends_the_execution() {
    let mut execution = execution(&front_desk(), &call());
    drop(document(&mut execution));
    execution.handle(NOW, ended("CA1"));
    assert_eq!(effects(&mut execution), [Effect::Ended]);
}

#[test]
fn a_hang_up_during_a_dial_waits_for_the_report_and_not_for_ever() {
    let reported = |report: bool| {
        let mut execution = execution(&front_desk(), &call());
        drop(document(&mut execution));
        drop(request(&mut execution, "audioComplete", &[]));
        drop(request(&mut execution, "gathered", &[("Digits", "1")]));
        execution.handle(NOW, ended("CA1"));
        assert!(!execution.is_over());
        if report {
            let parameters = [("CallStatus", "completed"), ("DialCallStatus", "completed")];
            assert_eq!(request(&mut execution, "connected", &parameters), "<Response/>");
            return Vec::new();
        }
        let due = execution.poll_timeout().expect("a deadline");
        execution.handle_timeout(Now { mono: due, ..NOW });
        codes(&effects(&mut execution))
    };
    assert!(reported(true).is_empty());
    assert_eq!(reported(false), [81007]);
}

fn lookup(kind: &str, properties: serde_json::Value, bad: &str) -> Arc<Flow> {
    flow(&json!([
        trigger("incomingCall", "find"),
        state("find", kind, properties, &[("success", "again"), (bad, "sorry")]),
        state(
            "again",
            "make-http-request",
            json!({"method": "GET", "url": "https://two.example/{{widgets.find.parsed.id}}"}),
            &[("success", "tell"), ("failed", "")]
        ),
        state(
            "tell",
            "say-play",
            json!({"say": "{{widgets.again.body}}"}),
            &[("audioComplete", "")]
        ),
        state(
            "sorry",
            "say-play",
            json!({"say": "Sorry {{widgets.find.status_code}}"}),
            &[("audioComplete", "")]
        ),
    ]))
}

fn answer(status: u16, content_type: &str, body: &str) -> Input {
    let (content_type, body) = (content_type.to_owned(), body.to_owned());
    Input::Answer(Answer::Http { status, content_type, body })
}

#[test]
fn a_request_waits_for_one_order_and_is_redirected_before_the_second() {
    let properties = json!({"method": "POST", "url": "https://one.example", "parameters": [{"key": "who", "value": "{{trigger.call.From}}"}]});
    let mut execution = execution(&lookup("make-http-request", properties, "failed"), &call());
    let ordered = effects(&mut execution);
    let expected = HttpOrder {
        is_function: false,
        is_post: true,
        url: "https://one.example".to_owned(),
        content_type: Some("application/x-www-form-urlencoded".to_owned()),
        body: "who=sip%3Aann%40example.net".to_owned(),
        parameters: Vec::new(),
        with_credentials: false,
    };
    assert_eq!(ordered, [Effect::Order(Order::Http(expected))]);
    execution.handle(NOW, answer(200, "application/json; charset=utf-8", "{\"id\": 7}"));
    assert_eq!(
        document(&mut execution),
        "<Response><Redirect>?FlowEvent=continue&amp;Step=2</Redirect></Response>"
    );
    let step = Some(execution.count);
    execution.handle(
        NOW,
        Input::Request { event: "continue".to_owned(), step, parameters: Data::map() },
    );
    let [Effect::Order(Order::Http(second))] = &effects(&mut execution)[..] else {
        panic!("an order")
    };
    assert_eq!(second.url, "https://two.example/7");
    execution.handle(NOW, answer(200, "text/plain", "a < b"));
    assert!(document(&mut execution).starts_with("<Response><Say>a &lt; b</Say>"));
}

#[test]
fn a_function_that_fails_has_an_alert_and_an_event() {
    let properties =
        json!({"url": "https://f.example/x", "service_sid": "default", "parameters": []});
    let mut execution = execution(&lookup("run-function", properties, "fail"), &call());
    drop(effects(&mut execution));
    execution.handle(NOW, answer(500, "text/plain", "no"));
    let effects = effects(&mut execution);
    assert_eq!(codes(&effects), [81017]);
    assert!(matches!(&effects[1], Effect::Respond(document) if document.contains("Sorry 500")));
}

#[test]
fn variables_are_set_in_order_and_json_is_parsed_on_request() {
    let variables = json!({"variables": [
        {"key": "n", "value": "{{flow.variables.n | plus: 1}}"},
        {"key": "m", "value": "{{flow.variables.n | times: 10}}"},
        {"key": "j", "value": "{\"a\": [1, 2]}", "parse_as_json": true},
    ]});
    let flow = flow(&json!([
        trigger("incomingRequest", "set"),
        state("set", "set-variables", variables, &[("next", "")]),
    ]));
    let trigger = Trigger::Request {
        to: "sip:a@b".to_owned(),
        from: "sip:c@d".to_owned(),
        parameters: Data::map(),
    };
    let mut execution = execution(&flow, &trigger);
    assert_eq!(effects(&mut execution), [Effect::Ended]);
    let variables = &execution.context_json()["flow"]["variables"];
    assert_eq!(variables, &json!({"n": "1", "m": "10", "j": {"a": [1, 2]}}));
}

fn notice() -> Arc<Flow> {
    flow(&json!([
        trigger("incomingRequest", "dial"),
        state(
            "dial",
            "make-outgoing-call-v2",
            json!({"timeout": 30, "detect_answering_machine": true, "machine_detection": "Enable",
            "machine_detection_timeout": "30", "record": false}),
            &[("answered", "tell"), ("busy", "count"), ("noAnswer", ""), ("failed", "")]
        ),
        state(
            "tell",
            "say-play",
            json!({"say": "Hi {{flow.data.name}}"}),
            &[("audioComplete", "")]
        ),
        state(
            "count",
            "set-variables",
            json!({"variables": [{"key": "busy", "value": "yes"}]}),
            &[("next", "")]
        ),
    ]))
}

fn asked() -> Trigger {
    let parameters = Data::texts([("name", "Bo")]);
    Trigger::Request {
        to: "sip:bo@example.net".to_owned(),
        from: "sip:us@example.org".to_owned(),
        parameters,
    }
}

fn placed(execution: &mut Execution) -> Vec<Effect> {
    let resource = Data::texts([("CallSid", "CA9")]);
    execution.handle(NOW, Input::Answer(Answer::Done { resource }));
    effects(execution)
}

#[test]
fn an_execution_of_rest_places_a_call_and_speaks_when_it_is_answered() {
    let mut execution = execution(&notice(), &asked());
    let [Effect::Order(Order::Call { step: 1, parameters })] = &effects(&mut execution)[..] else {
        panic!("a call")
    };
    assert_eq!(
        parameters[..2],
        [("To", "sip:bo@example.net".to_owned()), ("From", "sip:us@example.org".to_owned()),]
    );
    assert!(parameters.contains(&("Timeout", "30".to_owned())));
    assert!(parameters.contains(&("MachineDetection", "Enable".to_owned())));
    assert_eq!(placed(&mut execution), []);
    // A callee that rings changes nothing.
    assert_eq!(request(&mut execution, "status", &[("CallStatus", "ringing")]), "<Response/>");
    let said = request(&mut execution, "answered", &[("CallSid", "CA9"), ("AnsweredBy", "human")]);
    assert!(said.contains("<Say>Hi Bo</Say>"), "{said}");
    assert_eq!(execution.call(), Some("CA9"));
    assert_eq!(execution.context_json()["widgets"]["dial"]["AnsweredBy"], "human");
}

#[test]
fn a_busy_callee_and_a_refused_call_have_events_of_their_own() {
    let mut busy = execution(&notice(), &asked());
    drop(effects(&mut busy));
    placed(&mut busy);
    request(&mut busy, "status", &[("CallStatus", "busy")]);
    assert_eq!(busy.context_json()["flow"]["variables"]["busy"], "yes");
    let mut refused = execution(&notice(), &asked());
    drop(effects(&mut refused));
    let code = shared::Code::TO_MISSING;
    refused.handle(NOW, Input::Answer(Answer::Refused { code, sentence: "no".to_owned() }));
    assert_eq!(codes(&effects(&mut refused)), [81008]);
}

#[test]
fn a_callee_whose_end_nobody_reports_has_failed_and_another_call_changes_nothing() {
    let mut execution = execution(&notice(), &asked());
    drop(effects(&mut execution));
    placed(&mut execution);
    execution.handle(NOW, ended("CA8"));
    assert_eq!(execution.poll_timeout(), None);
    execution.handle(NOW, ended("CA9"));
    let due = execution.poll_timeout().expect("a deadline");
    assert_eq!(due.since(NOW.mono), REPORT_TIME);
    execution.handle_timeout(Now { mono: due, ..NOW });
    assert_eq!(execution.steps().last().map(|step| step.event.as_str()), Some("failed"));
    assert!(execution.is_over());
}

#[test]
fn widgets_that_do_not_fit_end_the_execution_with_81020() {
    let outside = flow(&json!([
        trigger("incomingCall", "flex"),
        state(
            "flex",
            "send-to-flex",
            json!({"workflow": "WW", "channel": "TC"}),
            &[("callComplete", "")]
        ),
    ]));
    let mut call_to_flex = execution(&outside, &call());
    let failed = effects(&mut call_to_flex);
    assert_eq!(codes(&failed), [81020]);
    assert_eq!(
        failed[1..],
        [Effect::Refuse, Effect::Ended],
        "the call goes on by its fallback URL"
    );
    let speaks = flow(&json!([
        trigger("incomingRequest", "say"),
        state("say", "say-play", json!({"say": "To whom?"}), &[("audioComplete", "")]),
    ]));
    let mut without_call = execution(&speaks, &asked());
    assert_eq!(codes(&effects(&mut without_call)), [81020]);
}

#[test]
fn a_loop_of_one_widget_and_one_of_many_are_stopped() {
    let one = flow(&json!([
        trigger("incomingRequest", "a"),
        state("a", "set-variables", json!({"variables": []}), &[("next", "a")]),
    ]));
    let mut one_loop = execution(&one, &asked());
    assert_eq!(codes(&effects(&mut one_loop)), [81001]);
    assert_eq!(one_loop.steps().len(), 11);
    let two = flow(&json!([
        trigger("incomingRequest", "a"),
        state("a", "set-variables", json!({"variables": []}), &[("next", "b")]),
        state("b", "set-variables", json!({"variables": []}), &[("next", "a")]),
    ]));
    let mut two_loop = execution(&two, &asked());
    assert_eq!(codes(&effects(&mut two_loop)), [81000]);
    assert_eq!(two_loop.steps().len(), 1_001);
}

#[test]
fn variables_that_grow_without_end_stop_the_execution() {
    let double =
        "{{flow.variables.x}}{{flow.variables.x}}xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    let variables: Vec<_> = (0..10)
        .map(|_| json!({"key": "x", "value": double}))
        .chain((0..9).map(|n| json!({"key": format!("y{n}"), "value": "{{flow.variables.x}}"})))
        .collect();
    let grows = flow(&json!([
        trigger("incomingRequest", "a"),
        state("a", "set-variables", json!({"variables": variables}), &[("next", "b")]),
        state("b", "set-variables", json!({"variables": []}), &[("next", "")]),
    ]));
    let mut execution = execution(&grows, &asked());
    let codes = codes(&effects(&mut execution));
    assert_eq!(codes.last(), Some(&81014), "{codes:?}");
    assert!(execution.steps().len() < 5);
}

#[test]
fn a_subflow_returns_its_results_and_may_not_run_another() {
    let properties = json!({"flow_sid": "FW1", "flow_revision": "LatestPublished", "parameters": [{"key": "who", "value": "Ann"}]});
    let outer = flow(&json!([
        trigger("incomingRequest", "sub"),
        state("sub", "run-subflow", properties.clone(), &[("completed", "after"), ("failed", "")]),
        state(
            "after",
            "set-variables",
            json!({"variables": [{"key": "got", "value": "{{widgets.sub.set.greeting}}"}]}),
            &[("next", "")]
        ),
    ]));
    let inner = flow(&json!([
        trigger("incomingParent", "set"),
        state(
            "set",
            "set-variables",
            json!({"variables": [{"key": "greeting", "value": "Hi {{trigger.parent.parameters.who}}"}]}),
            &[("next", "deeper")]
        ),
        state("deeper", "run-subflow", properties, &[("completed", ""), ("failed", "")]),
    ]));
    let mut execution = execution(&outer, &asked());
    let ordered = Order::Flow { sid: "FW1".to_owned(), is_draft: false };
    assert_eq!(effects(&mut execution), [Effect::Order(ordered)]);
    execution.handle(NOW, Input::Answer(Answer::Flow { flow: inner }));
    assert_eq!(codes(&effects(&mut execution)), [81024]);
    assert_eq!(execution.context_json()["flow"]["variables"]["got"], "Hi Ann");
    assert_eq!(execution.context_json()["trigger"].get("parent"), None);
}

#[test]
fn an_application_that_keeps_the_call_too_long_loses_it() {
    let redirected = flow(&json!([
        trigger("incomingCall", "away"),
        state(
            "away",
            "add-twiml-redirect",
            json!({"url": "https://app.example/x", "timeout": "60"}),
            &[("return", "back"), ("fail", ""), ("timeout", "")]
        ),
        state(
            "back",
            "say-play",
            json!({"say": "{{widgets.away.Colour}}"}),
            &[("audioComplete", "")]
        ),
    ]));
    let mut returns = execution(&redirected, &call());
    assert_eq!(
        document(&mut returns),
        "<Response><Redirect>https://app.example/x</Redirect></Response>"
    );
    let parameters = Data::texts([("Colour", "blue")]);
    returns.handle(NOW, Input::Request { event: "return".to_owned(), step: None, parameters });
    assert!(document(&mut returns).contains("<Say>blue</Say>"));
    let mut stays = execution(&redirected, &call());
    drop(document(&mut stays));
    let due = stays.poll_timeout().expect("a deadline");
    assert_eq!(due.since(NOW.mono), Duration::from_secs(60));
    stays.handle_timeout(Now { mono: due, ..NOW });
    assert_eq!(effects(&mut stays), [Effect::Ended]);
    assert_eq!(stays.steps().last().map(|step| step.event.as_str()), Some("timeout"));
}
