//! `sidetone media`: the legs of a running gateway, and why a leg is not relayed by the kernel. Shell.

use std::fmt::Write as _;
use std::process::ExitCode;

use serde_json::Value;

use crate::cli::MediaArguments;
use crate::own_page;
use crate::settings::Settings;

/// Prints the legs. Exit code: 0, or 1 where the gateway gives no answer.
pub fn run(arguments: MediaArguments, settings: &Settings) -> ExitCode {
    match answer(arguments, settings) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(sentence) => {
            eprintln!("sidetone: {sentence}");
            ExitCode::FAILURE
        }
    }
}

fn answer(arguments: MediaArguments, settings: &Settings) -> Result<String, String> {
    let gateway = own_page::gateway(settings)?;
    let body = gateway.get("/media.json")?;
    let body = String::from_utf8_lossy(&body).into_owned();
    if arguments.json {
        return Ok(body + "\n");
    }
    let list: Value = serde_json::from_str(&body)
        .map_err(|error| format!("the answer of the gateway is not JSON: {error}"))?;
    Ok(table(&list))
}

/// The list for people: one line a leg, then the sums, then one line an interface.
fn table(list: &Value) -> String {
    let legs = list["legs"].as_array().map_or(&[][..], Vec::as_slice);
    let mut out = String::new();
    if !legs.is_empty() {
        let _ = writeln!(out, "{}", columns(HEADINGS).trim_end());
    }
    for leg in legs {
        let _ = writeln!(out, "{}", line(leg).trim_end());
    }
    let is_below = |leg: &&Value| leg["tier"] == "kernel";
    let below = legs.iter().filter(is_below).count();
    let s = if legs.len() == 1 { "" } else { "s" };
    let _ = writeln!(out, "{} leg{s}, {below} of them relayed by the kernel", legs.len());
    for (field, what) in [
        ("left_out", "more legs are up and not listed"),
        ("unanswered", "of these legs are on a core that did not answer within 2 s"),
    ] {
        if let Some(count) = list[field].as_u64().filter(|count| *count > 0) {
            let _ = writeln!(out, "{count} {what}");
        }
    }
    for interface in list["interfaces"].as_array().map_or(&[][..], Vec::as_slice) {
        let text = |field: &str| interface[field].as_str().unwrap_or_default();
        let _ = write!(out, "{} relays at the {} hook", text("name"), text("hook"));
        let why = Some(text("why_not_xdp")).filter(|why| !why.is_empty());
        let _ = writeln!(out, "{}{}", if why.is_some() { ": " } else { "" }, why.unwrap_or(""));
    }
    out
}

fn line(leg: &Value) -> String {
    let text = |value: &Value| match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let sum = |packets: &Value| {
        let count = |tier: &str| packets[tier].as_u64().unwrap_or(0);
        format!("{}/{}", count("kernel"), count("kernel") + count("user_space"))
    };
    columns([
        &text(&leg["call_sid"]),
        &text(&leg["core"]),
        &text(&leg["slot"]),
        &text(&leg["codec"]),
        &text(&leg["tier"]),
        &sum(&leg["received"]),
        &sum(&leg["sent"]),
        &text(&leg["lost"]),
        &leg["jitter_ms"].as_f64().map_or("-".to_owned(), |jitter| format!("{jitter:.1}")),
        &text(&leg["remote"]),
        leg["why_not_kernel"]["sentence"].as_str().unwrap_or_default(),
    ])
}

/// One line of the table.
fn columns(cells: [&str; 11]) -> String {
    let [call, core, leg, codec, tier, received, sent, lost, jitter, remote, why] = cells;
    format!(
        "{call:34} {core:>4} {leg:>5} {codec:5} {tier:10} {received:>15} {sent:>15} {lost:>6} {jitter:>9} \
         {remote:23} {why}"
    )
}

const HEADINGS: [&str; 11] = [
    "call",
    "core",
    "leg",
    "codec",
    "tier",
    "in kernel/all",
    "out kernel/all",
    "lost",
    "jitter ms",
    "remote",
    "why not the kernel",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn leg(tier: &str, why: Value) -> Value {
        serde_json::json!({
            "call_sid": "CA0123456789abcdef0123456789abcdef", "core": 1, "slot": 12, "joined_call_sid": null,
            "codec": "PCMU", "remote": "192.0.2.1:4000", "tier": tier, "why_not_kernel": why,
            "received": { "kernel": 40, "user_space": 2 }, "sent": { "kernel": 0, "user_space": 7 },
            "lost": 3, "jitter_ms": 0.25,
        })
    }

    #[test]
    fn each_leg_has_a_line_below_the_headings_and_the_sums_come_last() {
        let why = serde_json::json!({ "reason": "tapped", "sentence": "its audio is recorded or streamed" });
        let legs = [leg("kernel", Value::Null), leg("user_space", why)];
        let text = table(&serde_json::json!({ "legs": legs, "left_out": 2, "unanswered": 0 }));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 5, "{text}");
        for line in &lines[1..3] {
            assert_eq!(line.find("192.0.2.1:4000"), lines[0].find("remote"), "{text}");
            assert!(line.contains(" 40/42 ") && line.contains(" 0/7 "), "{text}");
        }
        assert!(lines[2].ends_with("its audio is recorded or streamed"), "{text}");
        assert_eq!(lines[2].find("its audio"), lines[0].find("why not"), "{text}");
        assert_eq!(lines[3], "2 legs, 1 of them relayed by the kernel");
        assert_eq!(lines[4], "2 more legs are up and not listed");
    }

    #[test]
    fn a_gateway_without_legs_has_no_table() {
        let text = table(&serde_json::json!({ "legs": [], "left_out": 0, "unanswered": 0 }));
        assert_eq!(text, "0 legs, 0 of them relayed by the kernel\n");
    }

    #[test]
    fn each_interface_has_a_line_with_its_hook_and_why_it_is_not_xdp() {
        let interfaces = serde_json::json!([
            { "name": "eth0", "hook": "xdp", "why_not_xdp": null },
            { "name": "lo", "hook": "tc", "why_not_xdp": "the driver of lo does not offer it" },
        ]);
        let text = table(&serde_json::json!({ "legs": [], "interfaces": interfaces }));
        let expected = "0 legs, 0 of them relayed by the kernel\neth0 relays at the xdp hook\n\
                        lo relays at the tc hook: the driver of lo does not offer it\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_leg_without_a_description_has_no_figures() {
        let leg = serde_json::json!({ "call_sid": "CA1", "core": 0, "slot": 3 });
        let text = table(&serde_json::json!({ "legs": [leg], "left_out": 0, "unanswered": 1 }));
        assert!(text.contains("1 of these legs are on a core that did not answer"), "{text}");
        assert!(text.contains("1 leg, 0 of them"), "{text}");
    }
}
