//! TwiML documents in any encoding: refused with the contract's code, or read within the limits.

use call::twiml::{Document, decode};
use shared::Code;
use shared::limits::TWIML_ELEMENTS_MAX;

/// A first line `Content-Type: …` is the header, the rest the body.
pub fn check(bytes: &[u8]) {
    let (content_type, body) = header_of(bytes);
    let text = decode(body, content_type.as_deref());
    match Document::parse(&text) {
        Ok(document) => {
            assert!(document.verbs.len() <= TWIML_ELEMENTS_MAX);
            assert!(!format!("{document:?}").is_empty());
        }
        Err(finding) => {
            assert!((Code::TWIML_PARSE..=Code::TWIML_ROOT).contains(&finding.code), "{finding:?}");
            assert!(!finding.message.is_empty());
        }
    }
}

fn header_of(bytes: &[u8]) -> (Option<String>, &[u8]) {
    let header = || {
        let rest = bytes.strip_prefix(b"Content-Type: ")?;
        let end = rest.iter().position(|&byte| byte == b'\n')?;
        let (value, body) = rest.split_at_checked(end)?;
        Some((Some(String::from_utf8_lossy(value).into_owned()), body.get(1..)?))
    };
    header().unwrap_or((None, bytes))
}

/// Elements, attributes and the marks of XML.
pub const WORDS: &[&str] = &[
    "<Response>",
    "</Response>",
    "<Response/>",
    "<?xml version=\"1.0\" encoding=\"UTF-16\"?>",
    "<?xml version=\"1.1\"?>",
    "<!DOCTYPE a [<!ENTITY b \"c\">]>",
    "&b;",
    "&amp;",
    "&#0;",
    "&#x10FFFF;",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "<Say>",
    "</Say>",
    "<Play loop=\"0\">",
    "</Play>",
    "<Gather ",
    "</Gather>",
    "<Dial ",
    "</Dial>",
    "<Sip>sip:a@b?X-A=b</Sip>",
    "<Number>",
    "<Record/>",
    "<Start><Recording name=\"a\" channels=\"mono\"/></Start>",
    "<Stop><Recording name=\"a\"/></Stop>",
    "<Pause length=\"",
    "<Redirect>",
    "<Hangup/>",
    "<Reject reason=\"busy\"/>",
    " timeout=\"-1\"",
    " numDigits=\"99999999999\"",
    " finishOnKey=\"\"",
    " action=\"\u{0}\"",
    " method=\"PUT\"",
    " record=\"record-from-answer-dual\"",
    " xmlns:x=\"y\"",
    "\u{feff}",
    "\u{e9}",
    "<",
    ">",
    "\"",
    "Content-Type: text/xml; charset=utf-16le\n",
    "Content-Type: text/html;charset=\"windows-1252\"\n",
];
