//! `message`: speaks texts and plays files, in their order. Pure.

use super::Answer;
use super::parts::spoken;
use crate::parameters::Parameters;

pub(super) fn answer(parameters: &Parameters) -> Answer {
    Answer::Verbs(parameters.list("Message").into_iter().filter_map(spoken).collect())
}

#[cfg(test)]
mod tests {
    use crate::twimlets::tests::ask;

    #[test]
    fn texts_are_spoken_and_urls_played_in_order() {
        for (query, verbs) in [
            ("", "<Response/>"),
            ("Message=", "<Response/>"),
            ("Message=Fish+%26+chips", "<Response><Say>Fish &amp; chips</Say></Response>"),
            (
                "Message%5B1%5D=two&Message%5B0%5D=http%3A%2F%2Fa%2Fb.mp3",
                "<Response><Play>http://a/b.mp3</Play><Say>two</Say></Response>",
            ),
            ("Message%5B%5D=a&Message%5B%5D=b", "<Response><Say>a</Say><Say>b</Say></Response>"),
        ] {
            assert_eq!(ask("message", query), verbs, "{query}");
        }
    }
}
