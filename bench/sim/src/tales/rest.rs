//! What an application does by REST in a tale.

use store::{
    CallCommand, CallDirection, CallEvents, CallRecord, CallTarget, CreateCall, HttpMethod, Patch,
    TwimlSource, UpdateAction, UpdateCall, Webhook,
};

use super::cast::ms;
use crate::ground::ACCOUNT;
use crate::world::World;

fn create() -> CallCommand {
    let webhook =
        |path: &str| Webhook { url: format!("http://10.0.0.9/{path}"), method: HttpMethod::Post };
    CallCommand::Create(Box::new(CreateCall {
        account: ACCOUNT,
        to: CallTarget::Sip("sip:bob@10.0.0.3".to_owned()),
        from: "desk".to_owned(),
        caller_id: None,
        display_name: None,
        application: None,
        twiml: TwimlSource::Url(webhook("answered")),
        fallback: None,
        status_callback: Some(webhook("progress")),
        status_callback_events: CallEvents {
            initiated: true,
            ringing: true,
            answered: true,
            completed: true,
        },
        detection: None,
        send_digits: None,
        timeout_s: 30,
        time_limit_s: 600,
        record: None,
        sip_auth: None,
        warnings: Vec::new(),
    }))
}

/// The application calls bob by REST.
pub fn call_bob(world: &mut World, at_ms: u64) {
    world.ask(ms(at_ms), Box::new(|_| Some(create())));
}

/// The application changes the first call of a direction by REST; nothing happens where there is none.
pub fn update(
    world: &mut World,
    at_ms: u64,
    direction: CallDirection,
    action: fn() -> UpdateAction,
) {
    let ask = move |world: &World| {
        let found = world.calls(direction).first().map(|record: &&CallRecord| record.sid)?;
        Some(CallCommand::Update(Box::new(UpdateCall {
            account: ACCOUNT,
            call: found,
            action: Some(action()),
            status_callback: Patch::Keep,
            time_limit_s: None,
        })))
    };
    world.ask(ms(at_ms), Box::new(ask));
}
