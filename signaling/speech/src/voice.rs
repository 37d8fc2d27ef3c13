//! Maps the voice and language of a `<Say>` to a built-in voice. Pure.

/// A language of the built-in voice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Language {
    /// `en-US`, the default.
    AmericanEnglish,
    /// `en-GB`.
    BritishEnglish,
    /// `de-DE`.
    German,
    /// `es-ES`.
    Spanish,
    /// `fr-FR`.
    French,
    /// `it-IT`.
    Italian,
}

impl Language {
    /// All languages. The index is the number in a frame of the worker.
    pub(crate) const ALL: [Self; 6] = [
        Self::AmericanEnglish,
        Self::BritishEnglish,
        Self::German,
        Self::Spanish,
        Self::French,
        Self::Italian,
    ];

    /// The locale code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::AmericanEnglish => "en-US",
            Self::BritishEnglish => "en-GB",
            Self::German => "de-DE",
            Self::Spanish => "es-ES",
            Self::French => "fr-FR",
            Self::Italian => "it-IT",
        }
    }

    /// File names of the voice: text analysis and signal generation.
    pub(crate) const fn files(self) -> [&'static str; 2] {
        match self {
            Self::AmericanEnglish => ["en-US_ta.bin", "en-US_lh0_sg.bin"],
            Self::BritishEnglish => ["en-GB_ta.bin", "en-GB_kh0_sg.bin"],
            Self::German => ["de-DE_ta.bin", "de-DE_gl0_sg.bin"],
            Self::Spanish => ["es-ES_ta.bin", "es-ES_zl0_sg.bin"],
            Self::French => ["fr-FR_ta.bin", "fr-FR_nk0_sg.bin"],
            Self::Italian => ["it-IT_ta.bin", "it-IT_cm0_sg.bin"],
        }
    }

    fn of_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.code().eq_ignore_ascii_case(code))
    }

    /// The closest language: `de-AT` is spoken as `de-DE`, any English except American as `en-GB`.
    fn of_relative(code: &str) -> Option<Self> {
        match code.split(['-', '_']).next()?.to_ascii_lowercase().as_str() {
            "en" if code.len() == 2 => Some(Self::AmericanEnglish),
            "en" => Some(Self::BritishEnglish),
            "de" => Some(Self::German),
            "es" => Some(Self::Spanish),
            "fr" => Some(Self::French),
            "it" => Some(Self::Italian),
            _ => None,
        }
    }
}

/// The chosen voice, and whether it is the requested one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoiceChoice {
    /// The voice, named by its language.
    pub language: Language,
    /// The sentence of the warning 13511; `None`: it is the requested voice.
    pub fell_back: Option<String>,
}

/// The voice for a `<Say>`: `voice` and `language` as the document has them, empty when it has none.
///
/// The legacy names `man`, `woman` and `alice` mean the default voice. The voices of providers (`Polly.`,
/// `Google.`) do not exist here, but their language is used if they name one.
pub fn choose(voice: &str, language: &str) -> VoiceChoice {
    let from_voice = language_of_voice(voice);
    // `en-US` is also the value of an absent attribute, so the language of a named voice has precedence.
    let asked = match from_voice {
        Some(of_voice) if language.is_empty() || language.eq_ignore_ascii_case("en-US") => of_voice,
        _ if language.is_empty() => "en-US",
        _ => language,
    };
    let exact = Language::of_code(asked);
    let is_bare = asked.len() == 2;
    let chosen = exact.or_else(|| Language::of_relative(asked));
    let chosen_or_default = chosen.unwrap_or(Language::AmericanEnglish);
    let is_basic = matches!(voice.to_ascii_lowercase().as_str(), "" | "man" | "woman" | "alice");
    let speaks_asked = exact.is_some() || (is_bare && chosen.is_some());
    let fell_back = match (is_basic, speaks_asked) {
        (true, true) => None,
        (false, true) => {
            Some(format!("voice `{voice}` is not here; the built-in {asked} voice speaks"))
        }
        (_, false) => Some(format!(
            "voice `{voice}` in language `{asked}` is not here; the built-in {} voice speaks",
            chosen_or_default.code()
        )),
    };
    VoiceChoice { language: chosen_or_default, fell_back }
}

/// The language that the name of a provider's voice implies.
fn language_of_voice(voice: &str) -> Option<&str> {
    if let Some(google) = voice.strip_prefix("Google.") {
        // Google.<locale>-<Voice>: the locale is the first two parts.
        let end = google.match_indices('-').nth(1).map(|(at, _)| at)?;
        return google.get(..end);
    }
    let name = voice.strip_prefix("Polly.")?.split('-').next()?;
    POLLY.iter().find(|(_, names)| names.contains(&name)).map(|(language, _)| *language)
}

/// The voices of Amazon Polly in the built-in languages, by language.
const POLLY: [(&str, &[&str]); 6] = [
    (
        "en-US",
        &[
            "Danielle", "Gregory", "Ivy", "Joanna", "Joey", "Justin", "Kendra", "Kevin",
            "Kimberly", "Matthew", "Ruth", "Salli", "Stephen",
        ],
    ),
    ("en-GB", &["Amy", "Arthur", "Brian", "Emma"]),
    ("de-DE", &["Daniel", "Hans", "Marlene", "Vicki"]),
    ("es-ES", &["Conchita", "Enrique", "Lucia", "Sergio"]),
    ("fr-FR", &["Celine", "Lea", "Mathieu", "Remi"]),
    ("it-IT", &["Adriano", "Bianca", "Carla", "Giorgio"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_and_the_legacy_names_are_not_a_fallback() {
        for voice in ["", "man", "woman", "alice"] {
            for language in ["", "en-US", "en-us"] {
                assert_eq!(language_of(voice, language), (Language::AmericanEnglish, false));
            }
        }
        assert_eq!(language_of("alice", "de-DE"), (Language::German, false));
        assert_eq!(language_of("", "fr"), (Language::French, false));
    }

    #[test]
    fn a_related_language_speaks_with_a_warning() {
        assert_eq!(language_of("", "de-AT"), (Language::German, true));
        assert_eq!(language_of("", "en-AU"), (Language::BritishEnglish, true));
        assert_eq!(language_of("", "ja-JP"), (Language::AmericanEnglish, true));
    }

    #[test]
    fn a_providers_voice_falls_back_in_its_own_language() {
        assert_eq!(language_of("Polly.Hans", ""), (Language::German, true));
        assert_eq!(language_of("Polly.Vicki-Neural", "en-US"), (Language::German, true));
        assert_eq!(language_of("Google.it-IT-Standard-A", "en-US"), (Language::Italian, true));
        assert_eq!(language_of("Polly.Joanna", "es-ES"), (Language::Spanish, true));
        assert_eq!(language_of("Google.", ""), (Language::AmericanEnglish, true));
    }

    fn language_of(voice: &str, language: &str) -> (Language, bool) {
        let choice = choose(voice, language);
        (choice.language, choice.fell_back.is_some())
    }
}
