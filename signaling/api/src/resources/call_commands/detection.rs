//! Parameters of answering-machine detection, of calls and of participants.

use shared::{Code, Detection};
use store::{DetectMachine, ParameterWarning, WriteError};

use super::webhook;
use crate::form::{Form, must_be};

/// Parameters that tune a detection; `MachineDetection` switches it on.
const TERMS: [&str; 4] = [
    "MachineDetectionSilenceTimeout",
    "MachineDetectionSpeechEndThreshold",
    "MachineDetectionSpeechThreshold",
    "MachineDetectionTimeout",
];

/// The detection of a call, and what has no effect of its parameters. `SendDigits` switches it off.
pub(super) fn of_call(
    form: &Form,
) -> Result<(Option<DetectMachine>, Option<ParameterWarning>), WriteError> {
    let callback = ["AsyncAmdStatusCallback", "AsyncAmdStatusCallbackMethod"];
    if form.value("MachineDetection").is_none() || form.value("SendDigits").is_some() {
        let names = TERMS.into_iter().chain(["AsyncAmd"]).chain(callback);
        let warning = without_effect(form, names).map(|warning| match form.value(callback[0]) {
            // The contract has a code of its own for that (rest.md 2).
            None if form.value("AsyncAmd").is_some() => {
                ParameterWarning { code: Code::ASYNC_AMD_CALLBACK, ..warning }
            }
            _ => warning,
        });
        return Ok((None, warning));
    }
    let is_async = form.boolean("AsyncAmd")?.unwrap_or(false);
    let callback = webhook(form, callback[0], callback[1])?;
    let warning = (is_async && callback.is_none()).then(|| ParameterWarning {
        code: Code::ASYNC_AMD_CALLBACK,
        sentence: "AsyncAmd without AsyncAmdStatusCallback: the result goes into the record only"
            .to_owned(),
    });
    let callback = callback.filter(|_| is_async);
    Ok((Some(DetectMachine { detection: terms(form)?, is_async, callback }), warning))
}

/// The detection of a participant: it enters the conference meanwhile.
pub(super) fn of_participant(
    form: &Form,
) -> Result<(Option<DetectMachine>, Option<ParameterWarning>), WriteError> {
    let callback = ["AmdStatusCallback", "AmdStatusCallbackMethod"];
    if form.value("MachineDetection").is_none() {
        return Ok((None, without_effect(form, TERMS.into_iter().chain(callback))));
    }
    let callback = webhook(form, callback[0], callback[1])?;
    Ok((Some(DetectMachine { detection: terms(form)?, is_async: true, callback }), None))
}

fn terms(form: &Form) -> Result<Detection, WriteError> {
    let to_end = match form.value("MachineDetection") {
        Some("DetectMessageEnd") => true,
        Some("Enable") | None => false,
        Some(_) => {
            let what = "Enable or DetectMessageEnd";
            return Err(must_be("MachineDetection", what, Code::MACHINE_DETECTION));
        }
    };
    let default = Detection::default();
    let number = |name, range, default: u16| -> Result<u16, WriteError> {
        let number = form.number(name, range, Code::MACHINE_DETECTION)?;
        Ok(number.and_then(|number| u16::try_from(number).ok()).unwrap_or(default))
    };
    let timeout_s = number("MachineDetectionTimeout", (3, 59), default.timeout_ms / 1_000)?;
    Ok(Detection {
        speech_ms: number("MachineDetectionSpeechThreshold", (1_000, 6_000), default.speech_ms)?,
        speech_end_ms: number(
            "MachineDetectionSpeechEndThreshold",
            (500, 5_000),
            default.speech_end_ms,
        )?,
        silence_ms: number("MachineDetectionSilenceTimeout", (2_000, 10_000), default.silence_ms)?,
        timeout_ms: timeout_s * 1_000,
        to_end,
    })
}

fn without_effect<'n>(
    form: &Form,
    names: impl Iterator<Item = &'n str>,
) -> Option<ParameterWarning> {
    let asked = |name: &&str| form.value(name).is_some_and(|v| !v.eq_ignore_ascii_case("false"));
    let names: Vec<&str> = names.filter(asked).collect();
    if names.is_empty() {
        return None;
    }
    let sentence = format!(
        "{} without effect: without MachineDetection, or with SendDigits, nothing is detected",
        names.join(", ")
    );
    Some(ParameterWarning { code: Code::MACHINE_DETECTION, sentence })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_terms_are_read_and_checked() {
        let form = form(&[
            ("MachineDetection", "DetectMessageEnd"),
            ("MachineDetectionTimeout", "9"),
            ("MachineDetectionSpeechThreshold", "1000"),
            ("AsyncAmd", "true"),
            ("AsyncAmdStatusCallback", "http://app.example/amd"),
        ]);
        let (Some(found), None) = of_call(&form).expect("valid") else { panic!("no detection") };
        assert_eq!((found.detection.timeout_ms, found.detection.speech_ms), (9_000, 1_000));
        assert!(found.detection.to_end && found.is_async && found.callback.is_some());
        for (name, value) in [
            ("MachineDetection", "Maybe"),
            ("MachineDetectionTimeout", "60"),
            ("MachineDetectionSpeechEndThreshold", "499"),
        ] {
            let on = ("MachineDetection", "Enable");
            let pairs = if name == on.0 { vec![(name, value)] } else { vec![on, (name, value)] };
            let form = self::form(&pairs);
            let error = of_call(&form).expect_err(name);
            assert_eq!(error.code, Code::MACHINE_DETECTION, "{name}");
        }
    }

    #[test]
    fn what_has_no_effect_is_named() {
        let warned = |pairs: &[(&str, &str)]| of_call(&form(pairs)).expect("valid").1;
        let timeout = warned(&[("MachineDetectionTimeout", "5")]).expect("a warning");
        assert!(timeout.sentence.starts_with("MachineDetectionTimeout"));
        let digits = [("MachineDetection", "Enable"), ("SendDigits", "1"), ("AsyncAmd", "true")];
        assert!(warned(&digits).is_some());
        let callback = warned(&[("MachineDetection", "Enable"), ("AsyncAmd", "true")]);
        assert_eq!(callback.map(|warning| warning.code), Some(Code::ASYNC_AMD_CALLBACK));
    }

    fn form(pairs: &[(&str, &str)]) -> Form {
        let encoded =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        Form::parse(encoded.as_bytes())
    }
}
