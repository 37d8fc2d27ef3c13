//! The languages of the built-in voice. Pure.

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

    pub(crate) fn of_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.code().eq_ignore_ascii_case(code))
    }

    /// The closest language: `de-AT` is spoken as `de-DE`, any English except American as `en-GB`.
    pub(crate) fn of_relative(code: &str) -> Option<Self> {
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
