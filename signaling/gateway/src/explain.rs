//! `sidetone explain`: applies the rules of admission to a question and the store of a data folder.
//! Shell.

use std::fmt::Write as _;
use std::process::ExitCode;

use control::ControlSettings;
use control::explain::{Explanation, Outcome, Question, explain};
use shared::Transport;
use shared::ids::Origin;
use shared::refusal::generic_phrase;
use shared::rules::RULES;
use sip::{Method, Uri};

use crate::cli::ExplainArguments;
use crate::settings::Settings;

/// Prints the answer. Exit code: 0 served or challenged, 3 refused, 1 no answer.
pub fn run(arguments: &ExplainArguments, settings: &Settings) -> ExitCode {
    if arguments.rules {
        print!("{}", rules());
        return ExitCode::SUCCESS;
    }
    match answer(arguments, settings) {
        Ok((question, explanation)) => {
            print!("{}", shown(&question, &explanation));
            match explanation.outcome {
                Outcome::Served(_) | Outcome::Challenged { .. } => ExitCode::SUCCESS,
                Outcome::Refused { .. } => ExitCode::from(3),
            }
        }
        Err(sentence) => {
            eprintln!("sidetone: {sentence}");
            ExitCode::FAILURE
        }
    }
}

fn answer(
    arguments: &ExplainArguments,
    settings: &Settings,
) -> Result<(Question, Explanation), String> {
    let question = question(arguments)?;
    let snapshot = crate::stored::snapshot(settings)?;
    let origin = Origin { node: settings.config.node.id, generation: 0 };
    let control = ControlSettings::new(&settings.config, origin, "");
    let explanation = explain(&snapshot, &control, &question);
    Ok((question, explanation))
}

fn question(arguments: &ExplainArguments) -> Result<Question, String> {
    let text = arguments.target.as_deref().unwrap_or_default();
    let text = match text.split_once(':') {
        Some(("sip" | "sips" | "tel" | "SIP" | "SIPS", _)) => text.to_owned(),
        _ => format!("sip:{text}"),
    };
    let target = Uri::parse(text.as_bytes())
        .map_err(|error| format!("`{text}` is not a SIP URI: {error}"))?;
    Ok(Question {
        method: match arguments.method.as_str() {
            "REGISTER" | "register" => Method::Register,
            "OPTIONS" | "options" => Method::Options,
            _ => Method::Invite,
        },
        target,
        source: arguments.from,
        local: arguments.at,
        transport: match arguments.transport.as_str() {
            "tcp" => Transport::Tcp,
            "tls" => Transport::Tls,
            _ => Transport::Udp,
        },
        user: arguments.user.clone(),
        password: arguments.password.clone(),
    })
}

fn shown(question: &Question, explanation: &Explanation) -> String {
    let mut out = String::new();
    let Question { method, target, source, transport, user, .. } = question;
    let who = user.as_ref().map_or("without credentials".to_owned(), |user| format!("as {user}"));
    let _ = writeln!(
        out,
        "{method} {target} over {} from {}, {who}\n",
        transport.via_name(),
        source.ip()
    );
    for (number, step) in (1..).zip(&explanation.steps) {
        let mark = if step.passed { "pass" } else { "STOP" };
        let _ = writeln!(out, "  {number}. {:<15} {mark}  {}", step.name, step.found);
    }
    let _ = match &explanation.outcome {
        Outcome::Served(what) => writeln!(out, "\nserved: {what}"),
        Outcome::Challenged { status } => writeln!(
            out,
            "\nchallenged: {status} {}; the client tries again with its user and password.\n\
             Ask with --user to follow it further.",
            generic_phrase(*status)
        ),
        Outcome::Refused { refusal, is_trusted, is_alerted } => {
            let answer = refusal.status.map_or("nothing is sent".to_owned(), |status| {
                format!("{status} {}", generic_phrase(status))
            });
            let code = refusal.code.map_or("none".to_owned(), |code| code.to_string());
            let reads = match (refusal.status, is_trusted) {
                (None, _) => "silence",
                (Some(_), true) => "status, code and sentence (it has authenticated)",
                (Some(_), false) => "the status with its generic phrase, nothing more",
            };
            let account =
                if *is_alerted { "a notification with code and sentence" } else { "nothing" };
            writeln!(
                out,
                "\nrefused by rule {}\n  sentence       {}\n  SIP answer     {answer}\n  \
                 code           {code}\n  the peer reads {reads}\n  the account    {account}\n  \
                 log, metric    rule={}, signaling_refusals_requests_total",
                refusal.rule, refusal.sentence, refusal.rule
            )
        }
    };
    out
}

/// The table of all rules, as text.
fn rules() -> String {
    let mut out = String::from("rule                            answer  code   meaning\n");
    for rule in RULES {
        let code = rule.code.map_or(String::new(), |code| code.to_string());
        let _ = writeln!(out, "{:<31} {:<7} {code:<6} {}", rule.name, rule.answer, rule.meaning);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metric_has_a_label_for_each_rule() {
        assert!(RULES.len() < shell::LABELS_MAX);
        assert!(rules().contains("source_not_listed               drop    32201"));
    }
}
