//! Compares the registrar and the disk with the book of expected bindings.

use super::book::DOUBT;
use super::world::World;

/// Compares the registrar and the disk with the book.
pub fn check(world: &mut World) {
    let now = world.now;
    let mut wrong = Vec::new();
    let kept = world.disk.bindings().len();
    let bound = world.process.bindings();
    if bound != kept {
        wrong.push(format!("{bound} bindings are in use and {kept} on disk"));
    }
    for ((user, _), expected) in world.book.bindings() {
        let mut rows = world.disk.bindings();
        let row = rows.find(|row| row.user == *user && row.remote == expected.remote);
        let Some(row) = row else {
            if expected.until > now.mono + DOUBT {
                let left_s = expected.until.since(now.mono).as_secs();
                wrong.push(format!("{user} lost a binding that holds for {left_s} s"));
            }
            continue;
        };
        let left_ms = i64::try_from(expected.until.since(now.mono).as_millis()).unwrap_or(i64::MAX);
        let says_ms = row.expires_ms - now.unix_ms;
        let doubt_ms = i64::try_from(DOUBT.as_millis()).unwrap_or(0);
        if expected.until > now.mono && (left_ms - says_ms).abs() > doubt_ms {
            wrong.push(format!("{user}'s binding holds for {left_ms} ms, the disk says {says_ms}"));
        }
    }
    for row in world.disk.bindings() {
        let mut known = world.book.bindings().iter();
        let is_known = known.any(|((user, _), bound)| {
            row.user == *user && row.remote == bound.remote && bound.until + DOUBT > now.mono
        });
        if !is_known {
            wrong.push(format!("a binding of {} at {} is kept wrongly", row.user, row.remote));
        }
    }
    wrong.into_iter().for_each(|text| world.is_wrong(text));
}
