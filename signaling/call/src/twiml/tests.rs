//! Tests of reading documents, and the helpers that verb tests share.

use proptest::prelude::*;
use shared::Code;

use super::*;

/// The only verb of a document.
pub(crate) fn one(verb: &str) -> Verb {
    let mut document = read(verb);
    assert_eq!(document.verbs.len(), 1, "{document:?}");
    document.verbs.remove(0).verb
}

/// The codes of the warnings of a document, in order.
pub(crate) fn codes(verbs: &str) -> Vec<Code> {
    read(verbs).warnings.iter().map(|finding| finding.code).collect()
}

/// The same, of a document whose only verb is skipped.
pub(crate) fn skipped(verb: &str) -> Vec<Code> {
    assert!(read(verb).verbs.is_empty());
    codes(verb)
}

fn read(verbs: &str) -> Document {
    Document::parse(&format!("<Response>{verbs}</Response>")).expect("it is well-formed")
}

fn error(text: &str) -> Finding {
    Document::parse(text).expect_err("it must be refused")
}

#[test]
fn the_root_must_be_response() {
    assert_eq!(error("<response/>").code, Code::TWIML_ROOT);
    assert_eq!(error("<Foo><Response/></Foo>").code, Code::TWIML_ROOT);
}

#[test]
fn a_document_that_is_not_well_formed_is_reported_with_line_and_column() {
    let finding = error("<Response>\n  <Say>x</say>\n</Response>");
    assert_eq!(finding.code, Code::TWIML_PARSE);
    assert_eq!(finding.position.map(|at| at.line), Some(2));
    assert_eq!(error("").code, Code::TWIML_PARSE);
    assert_eq!(error("hello").code, Code::TWIML_PARSE);
    assert_eq!(error("<Response>&nbsp;</Response>").code, Code::TWIML_PARSE);
}

#[test]
fn only_xml_1_0_is_read() {
    assert_eq!(error("<?xml version='1.1'?><Response/>").code, Code::TWIML_XML_VERSION);
    assert!(Document::parse("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response/>").is_ok());
}

#[test]
fn a_dtd_is_refused_whatever_it_says() {
    assert_eq!(error("<!DOCTYPE Response><Response/>").code, Code::TWIML_PARSE);
    assert_eq!(
        error("<!DOCTYPE R [<!ENTITY a \"b\">]><Response>&a;</Response>").code,
        Code::TWIML_PARSE
    );
    assert_eq!(
        error("<!DOCTYPE R SYSTEM \"file:///etc/passwd\"><Response/>").code,
        Code::TWIML_PARSE
    );
}

#[test]
fn documents_past_a_limit_are_refused() {
    let deep = format!("<Response>{}{}</Response>", "<Say>".repeat(20), "</Say>".repeat(20));
    assert_eq!(error(&deep).code, Code::TWIML_PARSE);
    let endless = "<a>".repeat(20_000);
    assert_eq!(error(&endless).code, Code::TWIML_PARSE);
    let many = format!("<Response>{}</Response>", "<Pause/>".repeat(1_001));
    assert_eq!(error(&many).code, Code::TWIML_PARSE);
    let attributes: String = (0..40).map(|n| format!(" a{n}=\"\"")).collect();
    assert_eq!(
        error(&format!("<Response><Say{attributes}>x</Say></Response>")).code,
        Code::TWIML_PARSE
    );
    let long = format!("<Response><Say>{}</Say></Response>", "a".repeat(70_000));
    assert_eq!(error(&long).code, Code::TWIML_PARSE);
}

#[test]
fn unknown_elements_and_attributes_warn_with_line_and_column() {
    let document = read("\n <say>x</say>\n <Say volume=\"9\">x</Say>text");
    assert_eq!(document.verbs.len(), 1);
    let found: Vec<_> = document.warnings.iter().map(|f| (f.code, f.position)).collect();
    let at = |line, column| Some(Position { line, column });
    assert_eq!(
        found,
        [
            (Code::TWIML_SCHEMA, at(2, 2)),
            (Code::TWIML_SCHEMA, at(3, 7)),
            (Code::TWIML_SCHEMA, at(3, 25))
        ]
    );
}

#[test]
fn a_document_causes_at_most_twenty_warnings() {
    let document = read(&"<Oops/>".repeat(500));
    assert_eq!(document.warnings.len(), 20);
    assert!(document.warnings.last().is_some_and(|last| last.message.contains("and 480 more")));
}

#[test]
fn comments_and_instructions_are_nothing() {
    let document = read("<!-- <Say>no</Say> --><?php echo ?><Pause/>");
    assert_eq!((document.verbs.len(), document.warnings.len()), (1, 0));
}

#[test]
fn known_verbs_that_are_not_built_are_named() {
    for verb in ["Pay", "Sms", "Connect", "Annotate"] {
        let Verb::Unsupported { what, goes_on, .. } = one(&format!("<{verb}/>")) else {
            panic!("{verb} must be unsupported")
        };
        assert!(what.contains(verb) && !goes_on);
    }
    let Verb::Unsupported { what, goes_on, .. } = one("<Start><Assistant/></Start>") else {
        panic!("Start must be unsupported")
    };
    assert!(what.contains("<Start><Assistant>") && goes_on);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn reading_any_text_ends_in_a_document_or_a_finding(text in ".{0,200}") {
        let _ = Document::parse(&text);
    }

    #[test]
    fn reading_any_bytes_ends(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Document::parse(&decode(&bytes, Some("text/xml; charset=utf-16")));
        let _ = Document::parse(&decode(&bytes, None));
    }

    #[test]
    fn reading_anything_that_looks_like_twiml_ends(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                "<Say>", "</Say>", "<Gather ", "numDigits=\"1\"", ">", "</Gather>", "<Dial>", "</Dial>",
                "<Sip>", "sip:a@b?x=", "</Sip>", "<Number>", "+1 415", "</Number>", "<Record/>", "&amp;",
                "<Play loop='0'>", "</Play>", "<![CDATA[", "]]>", "<!--", "-->", " ", "x", "\u{e9}",
            ]),
            0..40,
        )
    ) {
        let _ = Document::parse(&format!("<Response>{}</Response>", pieces.concat()));
    }
}
