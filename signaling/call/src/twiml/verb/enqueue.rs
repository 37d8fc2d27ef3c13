//! `<Enqueue>`, and the noun `<Queue>` of `<Dial>`. Sans-IO.

use roxmltree::Node;
use shared::{Code, limits};

use super::{Link, Read, broken, link};
use crate::finding::Finding;
use crate::twiml::attribute::{Attribute, Attributes, Kind, attribute};
use crate::twiml::{Reading, own_text};

/// Waits in a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enqueue {
    /// The queue, by its name in the account.
    pub queue: String,
    /// Requested when the call has left the queue; `None`: the next verb follows.
    pub action: Option<Link>,
    /// The wait document. `None`: the built-in music. An empty URL: silence.
    pub wait: Option<Link>,
    /// The most calls that may wait; `None` is the queue's own.
    pub max_size: Option<u32>,
}

/// The call at the front of a queue, as the target of a `<Dial>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueNoun {
    /// The queue, by its name in the account.
    pub queue: String,
    /// The document that the queued call runs before the two are connected.
    pub whisper: Option<Link>,
}

pub(crate) const ATTRIBUTES: &[Attribute] = &[
    attribute("action", Kind::Url, "Requested when the call has left the queue."),
    attribute("method", Kind::Method, "Method of the action.")
        .default("POST")
        .code(Code::ENQUEUE_METHOD),
    attribute("waitUrl", Kind::Url, "What the call hears while it waits; empty: silence."),
    attribute("waitUrlMethod", Kind::Method, "Its method.")
        .default("POST")
        .code(Code::ENQUEUE_WAIT_METHOD),
    attribute("maxQueueSize", Kind::Whole(1, limits::QUEUE_SIZE_MAX), "Most calls that may wait."),
    attribute("workflowSid", Kind::Text, "Not supported."),
];

pub(crate) const NOUN: &[Attribute] = &[
    attribute("url", Kind::Url, "Document for the queued call before it is connected."),
    attribute("method", Kind::Method, "Its method.").default("POST").code(Code::QUEUE_METHOD),
    attribute("reservationSid", Kind::Ignored, "No effect."),
    attribute("postWorkActivitySid", Kind::Ignored, "No effect."),
];

pub(crate) fn read(node: Node<'_, '_>, reading: &mut Reading<'_>) -> Read<Enqueue> {
    let attributes = Attributes::read(node, ATTRIBUTES, reading)?;
    if attributes.is_written("workflowSid") {
        let message = "<Enqueue workflowSid> is not supported by this gateway";
        return Err(broken(Code::VERB_NOT_SUPPORTED, message, node, reading));
    }
    reading.no_children(node);
    let queue = name(node, reading, Code::ENQUEUE_NAME_SHORT, Code::ENQUEUE_NAME_LONG)?;
    Ok(Some(Enqueue {
        queue,
        action: link(&attributes, "action", "method"),
        wait: link(&attributes, "waitUrl", "waitUrlMethod"),
        max_size: attributes.whole_or_none("maxQueueSize"),
    }))
}

/// Reads the noun.
///
/// # Errors
/// A finding that breaks the `<Dial>`: a name that is empty or too long.
pub(crate) fn read_noun(
    node: Node<'_, '_>,
    reading: &mut Reading<'_>,
) -> Result<QueueNoun, Finding> {
    let attributes = Attributes::read(node, NOUN, reading)?;
    reading.no_children(node);
    let queue = name(node, reading, Code::QUEUE_NAME_SHORT, Code::QUEUE_NAME_LONG)?;
    let whisper = link(&attributes, "url", "method").filter(|link| !link.url.is_empty());
    Ok(QueueNoun { queue, whisper })
}

fn name(
    node: Node<'_, '_>,
    reading: &Reading<'_>,
    short: Code,
    long: Code,
) -> Result<String, Finding> {
    let (name, most) = (own_text(node), limits::QUEUE_NAME_CHARACTERS_MAX);
    if name.is_empty() {
        return Err(broken(short, "the queue has no name", node, reading));
    }
    if name.chars().count() > most {
        let message = format!("the name of a queue has at most {most} characters");
        return Err(broken(long, message, node, reading));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twiml::tests::one;
    use crate::twiml::verb::Verb;

    #[test]
    fn every_attribute_of_both_has_its_effect() {
        let Verb::Enqueue(enqueue) =
            one("<Enqueue action=\"/a\" waitUrl=\"\" maxQueueSize=\"5\">support</Enqueue>")
        else {
            panic!()
        };
        assert_eq!((enqueue.queue.as_str(), enqueue.max_size), ("support", Some(5)));
        assert_eq!(enqueue.wait.map(|link| link.url), Some(String::new()));
        let Verb::Dial(dial) = one("<Dial><Queue url=\"/w\">support</Queue></Dial>") else {
            panic!()
        };
        let noun = dial.queue.expect("a queue");
        assert_eq!(noun.whisper.map(|link| link.url).as_deref(), Some("/w"));
    }

    #[test]
    fn names_and_workflows_that_cannot_be_break_the_verb() {
        let long = "x".repeat(65);
        for (text, code) in [
            ("<Enqueue/>".to_owned(), Code::ENQUEUE_NAME_SHORT),
            (format!("<Enqueue>{long}</Enqueue>"), Code::ENQUEUE_NAME_LONG),
            ("<Enqueue workflowSid=\"WW1\"/>".to_owned(), Code::VERB_NOT_SUPPORTED),
            ("<Dial><Queue/></Dial>".to_owned(), Code::QUEUE_NAME_SHORT),
            (format!("<Dial><Queue>{long}</Queue></Dial>"), Code::QUEUE_NAME_LONG),
        ] {
            assert!(matches!(one(&text), Verb::Broken(finding) if finding.code == code), "{text}");
        }
    }
}
