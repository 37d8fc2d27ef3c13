//! Call records on disk, held to the model.

use shared::CallSid;
use store::{CallDirection, CallStatus};

use super::world::World;

pub fn check_statuses(world: &mut World, sid: CallSid, own: CallStatus, children: &[CallStatus]) {
    let status = world.disk.record(sid).map(|record| record.status);
    let of_parent = world.disk.records().filter(|record| record.parent == Some(sid));
    let found: Vec<CallStatus> = of_parent.map(|record| record.status).collect();
    if status != Some(own) || found != children {
        world.is_wrong(format!("records say {status:?} {found:?}, not {own:?} {children:?}"));
    }
}

/// Every call has one end, after its start, whatever the clock did.
pub fn check(world: &mut World) {
    let mut wrong = Vec::new();
    for record in world.disk.records() {
        let (sid, status) = (record.sid, record.status);
        if !status.is_final() {
            wrong.push(format!("{sid} is {} for ever", status.name()));
        }
        let endings = world.disk.endings(sid);
        if endings != 1 {
            wrong.push(format!("{sid} ended {endings} times"));
        }
        if record.start_ms.is_none() || record.start_ms > record.end_ms {
            let (start, end) = (record.start_ms, record.end_ms);
            wrong.push(format!("{sid} began {start:?} and ended {end:?}"));
        }
        let told = world
            .application
            .asked()
            .iter()
            .filter(|asked| asked.call == sid && asked.path() == "status");
        let most = usize::from(record.direction == CallDirection::Inbound);
        if told.count() > most {
            wrong.push(format!("{sid} has more than one final status callback"));
        }
    }
    wrong.into_iter().for_each(|text| world.is_wrong(text));
}
