//! Maps the voice and language of a `<Say>` to voices that are here. Pure.
//!
//! Documents name the voices of a cloud (`Polly.Joanna`, `Google.de-DE-Wavenet-A`) or none (`man`, `woman`,
//! `alice`). A `[[voice]]` of the settings that has the name is the voice; else one of the language and, if it can
//! be, of the gender; else the engines speak with what they have. The choice is a list, because an engine may
//! fail: each route is tried after the one before it.

use shared::config::{Gender, SpeechEngine, Voice};

use crate::language::Language;

/// One way to have a text spoken.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// Who speaks.
    pub engine: SpeechEngine,
    /// The name of the voice there: the locale for pico; empty = the engine's default.
    pub voice: String,
    /// The language that was asked for, as a locale.
    pub language: String,
}

/// The chosen voices, and whether the first is the requested one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoiceChoice {
    /// At least one, in the order of trying.
    pub routes: Vec<Route>,
    /// The sentence of the warning 13511; `None`: it is the requested voice.
    pub fell_back: Option<String>,
}

/// The voices of the settings.
#[derive(Clone, Debug)]
pub struct VoiceTable {
    /// `[[voice]]`, in the order of the file.
    pub voices: Vec<Voice>,
    /// `speech.engine`; not empty.
    pub engines: Vec<SpeechEngine>,
    /// `speech.voice`.
    pub default_voice: String,
}

/// What a document asks for.
struct Asked<'a> {
    voice: &'a str,
    language: &'a str,
    gender: Gender,
    /// No voice, or a legacy name: any voice of the language will do.
    is_basic: bool,
}

impl VoiceTable {
    /// The voices for a `<Say>`: `voice` and `language` as the document has them, empty when it has none.
    pub fn choose(&self, voice: &str, language: &str) -> VoiceChoice {
        let asked = Asked::new(voice, language);
        let fitting = self.voices.iter().filter_map(|voice| Some((fit(voice, &asked)?, voice)));
        // The first of the best: `max_by_key` would take the last.
        let best = fitting.reduce(|best, next| if next.0 > best.0 { next } else { best });
        let mut routes: Vec<Route> = best.iter().map(|(_, voice)| route(voice, &asked)).collect();
        for engine in &self.engines {
            if routes.iter().all(|route| route.engine != *engine) {
                routes.push(self.default_route(*engine, &asked));
            }
        }
        let fell_back = match best {
            Some((Fit::Name, _)) => None,
            Some(_) if asked.is_basic => None,
            Some((_, here)) => {
                let name = if here.voice.is_empty() { "default" } else { &*here.voice };
                Some(format!("voice `{voice}` is not here; the voice `{name}` speaks"))
            }
            None => self.default_fell_back(&asked),
        };
        VoiceChoice { routes, fell_back }
    }

    fn default_route(&self, engine: SpeechEngine, asked: &Asked<'_>) -> Route {
        let voice = match engine {
            SpeechEngine::Pico => built_in(asked.language).0.code().to_owned(),
            SpeechEngine::Command | SpeechEngine::Http => self.default_voice.clone(),
        };
        Route { engine, voice, language: asked.language.to_owned() }
    }

    /// The warning where no `[[voice]]` fits.
    fn default_fell_back(&self, asked: &Asked<'_>) -> Option<String> {
        let Asked { voice, language, is_basic, .. } = *asked;
        match self.engines.first().copied().unwrap_or_default() {
            SpeechEngine::Pico => {
                let (here, is_asked) = built_in(language);
                match (is_basic, is_asked) {
                    (true, true) => None,
                    (false, true) => Some(format!(
                        "voice `{voice}` is not here; the built-in {language} voice speaks"
                    )),
                    (_, false) => Some(format!(
                        "voice `{voice}` in language `{language}` is not here; the built-in {} voice speaks",
                        here.code()
                    )),
                }
            }
            // Its languages are the operator's business.
            SpeechEngine::Command | SpeechEngine::Http if is_basic => None,
            engine @ (SpeechEngine::Command | SpeechEngine::Http) => Some(format!(
                "voice `{voice}` is not here; the default voice of the engine {} speaks",
                engine.word()
            )),
        }
    }
}

/// How well a voice of the settings fits, the best last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Language,
    AnyGender,
    Gender,
    Name,
}

fn fit(voice: &Voice, asked: &Asked<'_>) -> Option<Fit> {
    let speaks = voice.languages.iter().any(|language| is_language(language, asked.language));
    let is_named = voice.names.iter().any(|name| is_name(name, asked.voice));
    if is_named && (speaks || voice.languages.is_empty()) {
        return Some(Fit::Name);
    }
    // A voice without a language stands for its names alone.
    let gender = || match (voice.gender, asked.gender) {
        (Gender::Any, _) | (_, Gender::Any) => Fit::AnyGender,
        (here, wanted) if here == wanted => Fit::Gender,
        _ => Fit::Language,
    };
    speaks.then(gender)
}

fn is_name(name: &str, asked: &str) -> bool {
    match name.strip_suffix('*') {
        Some(start) => asked.get(..start.len()).is_some_and(|it| it.eq_ignore_ascii_case(start)),
        None => name.eq_ignore_ascii_case(asked),
    }
}

/// `en` of either side stands for every English.
fn is_language(here: &str, asked: &str) -> bool {
    let base = |code: &str| code.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
    let is_base = |code: &str| !code.contains(['-', '_']);
    here.eq_ignore_ascii_case(asked)
        || ((is_base(here) || is_base(asked)) && base(here) == base(asked))
}

fn route(voice: &Voice, asked: &Asked<'_>) -> Route {
    let name = match voice.engine {
        SpeechEngine::Pico => Language::of_code(&voice.voice)
            .unwrap_or_else(|| built_in(asked.language).0)
            .code()
            .to_owned(),
        SpeechEngine::Command | SpeechEngine::Http => voice.voice.clone(),
    };
    Route { engine: voice.engine, voice: name, language: asked.language.to_owned() }
}

/// The built-in voice for a language, and whether it speaks exactly that language.
fn built_in(language: &str) -> (Language, bool) {
    let exact = Language::of_code(language);
    let chosen = exact.or_else(|| Language::of_relative(language));
    let is_asked = exact.is_some() || (language.len() == 2 && chosen.is_some());
    (chosen.unwrap_or(Language::AmericanEnglish), is_asked)
}

impl<'a> Asked<'a> {
    fn new(voice: &'a str, language: &'a str) -> Self {
        let named = meaning_of(voice);
        let of_voice = named.map(|(language, _)| language);
        // `en-US` is also the value of an absent attribute, so the language of a named voice has precedence.
        let language = match of_voice {
            Some(of_voice) if language.is_empty() || language.eq_ignore_ascii_case("en-US") => {
                of_voice
            }
            _ if language.is_empty() => "en-US",
            _ => language,
        };
        let gender = match voice.to_ascii_lowercase().as_str() {
            "man" => Gender::Male,
            "woman" | "alice" => Gender::Female,
            _ => named.map_or(Gender::Any, |(_, gender)| gender),
        };
        let is_basic = !voice.contains('.');
        Self { voice, language, gender, is_basic }
    }
}

/// Language and gender that the name of a provider's voice implies.
fn meaning_of(voice: &str) -> Option<(&str, Gender)> {
    if let Some(google) = voice.strip_prefix("Google.") {
        // Google.<locale>-<Voice>: the locale is the first two parts.
        let end = google.match_indices('-').nth(1).map(|(at, _)| at)?;
        return Some((google.get(..end)?, Gender::Any));
    }
    let name = voice.strip_prefix("Polly.")?.split('-').next()?;
    let found = |names: &str| names.split(' ').any(|other| other == name);
    POLLY.iter().find_map(|(language, female, male)| match (found(female), found(male)) {
        (true, _) => Some((*language, Gender::Female)),
        (false, true) => Some((*language, Gender::Male)),
        (false, false) => None,
    })
}

/// The voices of Amazon Polly by language: female ones, male ones.
const POLLY: &[(&str, &str, &str)] = &[
    (
        "en-US",
        "Danielle Ivy Joanna Kendra Kimberly Ruth Salli",
        "Gregory Joey Justin Kevin Matthew Stephen",
    ),
    ("en-GB", "Amy Emma", "Arthur Brian"),
    ("en-AU", "Nicole Olivia", "Russell"),
    ("en-IN", "Aditi Kajal Raveena", ""),
    ("en-IE", "Niamh", ""),
    ("en-NZ", "Aria", ""),
    ("en-ZA", "Ayanda", ""),
    ("en-GB-WLS", "", "Geraint"),
    ("de-DE", "Marlene Vicki", "Daniel Hans"),
    ("de-AT", "Hannah", ""),
    ("de-CH", "Sabrina", ""),
    ("es-ES", "Conchita Lucia", "Enrique Sergio"),
    ("es-MX", "Mia", "Andres"),
    ("es-US", "Lupe Penelope", "Miguel Pedro"),
    ("fr-FR", "Celine Lea", "Mathieu Remi"),
    ("fr-CA", "Chantal Gabrielle", "Liam"),
    ("fr-BE", "Isabelle", ""),
    ("it-IT", "Bianca Carla", "Adriano Giorgio"),
    ("pt-BR", "Camila Vitoria", "Ricardo Thiago"),
    ("pt-PT", "Ines", "Cristiano"),
    ("nl-NL", "Laura Lotte", "Ruben"),
    ("nl-BE", "Lisa", ""),
    ("pl-PL", "Ewa Maja Ola", "Jacek Jan"),
    ("ru-RU", "Tatyana", "Maxim"),
    ("da-DK", "Naja Sofie", "Mads"),
    ("nb-NO", "Ida Liv", ""),
    ("sv-SE", "Astrid Elin", ""),
    ("fi-FI", "Suvi", ""),
    ("is-IS", "Dora", "Karl"),
    ("ro-RO", "Carmen", ""),
    ("tr-TR", "Burcu Filiz", ""),
    ("ca-ES", "Arlet", ""),
    ("cs-CZ", "Jitka", ""),
    ("cy-GB", "Gwyneth", ""),
    ("ja-JP", "Kazuha Mizuki Tomoko", "Takumi"),
    ("ko-KR", "Jihye Seoyeon", ""),
    ("cmn-CN", "Zhiyu", ""),
    ("yue-CN", "Hiujin", ""),
    ("arb", "Zeina", ""),
    ("ar-AE", "Hala", "Zayd"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn pico() -> VoiceTable {
        let engines = vec![SpeechEngine::Pico];
        VoiceTable { voices: Vec::new(), engines, default_voice: String::new() }
    }

    fn voice(names: &[&str], languages: &[&str], gender: Gender, voice: &str) -> Voice {
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        let (names, languages) = (texts(names), texts(languages));
        Voice { names, languages, gender, engine: SpeechEngine::Command, voice: voice.to_owned() }
    }

    #[test]
    fn the_default_and_the_legacy_names_are_not_a_fallback() {
        for voice in ["", "man", "woman", "alice"] {
            for language in ["", "en-US", "en-us"] {
                assert_eq!(language_of(voice, language), ("en-US".to_owned(), false));
            }
        }
        assert_eq!(language_of("alice", "de-DE"), ("de-DE".to_owned(), false));
        assert_eq!(language_of("", "fr"), ("fr-FR".to_owned(), false));
    }

    #[test]
    fn a_related_language_speaks_with_a_warning() {
        assert_eq!(language_of("", "de-AT"), ("de-DE".to_owned(), true));
        assert_eq!(language_of("", "en-AU"), ("en-GB".to_owned(), true));
        assert_eq!(language_of("", "ja-JP"), ("en-US".to_owned(), true));
    }

    #[test]
    fn a_providers_voice_falls_back_in_its_own_language() {
        assert_eq!(language_of("Polly.Hans", ""), ("de-DE".to_owned(), true));
        assert_eq!(language_of("Polly.Vicki-Neural", "en-US"), ("de-DE".to_owned(), true));
        assert_eq!(language_of("Google.it-IT-Standard-A", "en-US"), ("it-IT".to_owned(), true));
        assert_eq!(language_of("Polly.Joanna", "es-ES"), ("es-ES".to_owned(), true));
        assert_eq!(language_of("Google.", ""), ("en-US".to_owned(), true));
    }

    #[test]
    fn a_voice_of_the_settings_is_found_by_name_then_by_language_and_gender() {
        let table = VoiceTable {
            voices: vec![
                voice(&[], &["en"], Gender::Female, "amy"),
                voice(&[], &["en-US"], Gender::Male, "joe"),
                voice(&["Polly.Ruth*", "alice"], &[], Gender::Any, "ruth"),
            ],
            engines: vec![SpeechEngine::Command, SpeechEngine::Pico],
            default_voice: "plain".to_owned(),
        };
        let chosen = |voice, language| {
            let VoiceChoice { routes, fell_back } = table.choose(voice, language);
            let last = routes.last().map(|route| (route.engine, route.voice.clone())).unwrap();
            assert_eq!(last.0, SpeechEngine::Pico, "takes over where the command fails");
            (routes[0].voice.clone(), last.1, fell_back.is_some())
        };
        let expect = |first: &str, last: &str, warned| (first.to_owned(), last.to_owned(), warned);
        assert_eq!(chosen("Polly.Ruth-Neural", ""), expect("ruth", "en-US", false));
        assert_eq!(chosen("alice", "en-GB"), expect("ruth", "en-GB", false));
        assert_eq!(chosen("man", ""), expect("joe", "en-US", false));
        assert_eq!(chosen("Polly.Joanna", ""), expect("amy", "en-US", true));
        assert_eq!(chosen("Polly.Brian", ""), expect("amy", "en-GB", true), "no male one here");
        assert_eq!(chosen("", "de-DE"), expect("plain", "de-DE", false));
        assert_eq!(chosen("Polly.Hans", ""), expect("plain", "de-DE", true));
    }

    fn language_of(voice: &str, language: &str) -> (String, bool) {
        let choice = pico().choose(voice, language);
        (choice.routes[0].voice.clone(), choice.fell_back.is_some())
    }
}
