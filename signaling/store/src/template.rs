//! The language of TwiML Bins: a document with the parameters of a request in braces. Sans-IO.
//!
//! ```text
//! {{Name}}  {{{Name}}}  {{&Name}}        a value: escaped, raw, raw
//! {{#Name}} … {{/Name}}                  shown where it is not empty; once an item of a list, {{.}} being the item
//! {{^Name}} … {{/Name}}                  shown where it is missing or empty
//! {{#e164}} … {{/e164}}                  its inside, made a phone number
//! {{! note }}                            nothing
//! ```
//!
//! It is the common part of Mustache and Handlebars (hosted.md 2). A name is the literal text between the braces,
//! because parameters are called `SipHeader_X-a` or `Dest[]`, which both languages would read as paths. Values are
//! put in before XML is read, so a check at save can see the tags only as blanks: [`Template::parse`] reads them,
//! [`Template::check`] reads what is around them. What values make of it shows at run time (12100).

use shared::limits::{BIN_DEPTH_MAX, BIN_OUTPUT_BYTES_MAX, BIN_STEPS_MAX};

/// A template, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
    /// The source with every tag blanked, for XML.
    masked: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Value { name: String, raw: bool },
    Section { name: String, inverted: bool, parts: Vec<Part> },
    E164(Vec<Part>),
}

/// A template that cannot be saved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {sentence}")]
pub struct TemplateError {
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// The cause.
    pub sentence: String,
}

/// A template whose output has no end within its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bin renders to more than {BIN_OUTPUT_BYTES_MAX} bytes or {BIN_STEPS_MAX} tags")]
pub struct TooLong;

/// The parameters of a request, as a template sees them.
pub trait Names {
    /// The values of a name: one of a plain parameter, all of a list.
    fn values(&self, name: &str) -> Vec<&str>;
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// A tag that is not closed, does not fit or is of a kind that bins do not have.
    pub fn parse(source: &str) -> Result<Self, TemplateError> {
        let mut reader = Reader { source, at: 0, masked: String::with_capacity(source.len()) };
        let parts = reader.parts(None, 0)?;
        Ok(Self { parts, masked: reader.masked })
    }

    /// Reads what is around the tags as a TwiML document.
    ///
    /// # Errors
    /// It is not well-formed XML with the root `Response`.
    pub fn check(&self) -> Result<(), TemplateError> {
        let failed = |at: roxmltree::TextPos, sentence: String| {
            Err(TemplateError { line: at.row, column: at.col, sentence })
        };
        match roxmltree::Document::parse(&self.masked) {
            Err(error) => failed(error.pos(), format!("not XML: {error}")),
            Ok(document) => {
                let root = document.root_element();
                if root.has_tag_name("Response") {
                    return Ok(());
                }
                let at = document.text_pos_at(root.range().start);
                failed(at, "the root element of TwiML is Response".to_owned())
            }
        }
    }

    /// The document with these parameters.
    ///
    /// # Errors
    /// It is too long.
    pub fn render(&self, names: &impl Names) -> Result<String, TooLong> {
        let mut writer = Writer { names, out: String::new(), steps: 0 };
        writer.parts(&self.parts, None)?;
        Ok(writer.out)
    }
}

struct Reader<'a> {
    source: &'a str,
    at: usize,
    masked: String,
}

impl<'a> Reader<'a> {
    /// The parts up to the end of the section `open`, or of the source.
    fn parts(
        &mut self,
        open: Option<(&str, usize)>,
        depth: usize,
    ) -> Result<Vec<Part>, TemplateError> {
        let mut parts = Vec::new();
        while let Some(length) = self.source[self.at..].find("{{") {
            let text = &self.source[self.at..self.at + length];
            self.masked.push_str(text);
            if !text.is_empty() {
                parts.push(Part::Text(text.to_owned()));
            }
            let begin = self.at + length;
            let (tag, raw) = self.tag(begin)?;
            let sign = if raw { '&' } else { tag.chars().next().unwrap_or(' ') };
            let name = if raw { tag } else { tag.get(sign.len_utf8()..).unwrap_or_default() };
            match sign {
                '!' => self.mask(begin, ' '),
                '&' => {
                    self.mask(begin, 'x');
                    parts.push(Part::Value { name: self.name(name, begin)?, raw: true });
                }
                '#' | '^' => {
                    self.mask(begin, ' ');
                    let name = self.name(name, begin)?;
                    if depth >= BIN_DEPTH_MAX {
                        let sentence = format!("more than {BIN_DEPTH_MAX} sections in one another");
                        return Err(self.error(begin, sentence));
                    }
                    let parts_of = self.parts(Some((&name, begin)), depth + 1)?;
                    parts.push(match (sign, name.as_str()) {
                        ('#', "e164") => Part::E164(parts_of),
                        _ => Part::Section { name, inverted: sign == '^', parts: parts_of },
                    });
                }
                '/' => {
                    self.mask(begin, ' ');
                    let closed = self.name(name, begin)?;
                    return match open {
                        Some((name, _)) if name == closed => Ok(parts),
                        Some((name, _)) => Err(self.error(
                            begin,
                            format!("{{{{/{closed}}}}} where {{{{#{name}}}}} is open"),
                        )),
                        None => Err(self.error(begin, format!("{{{{/{closed}}}}} closes nothing"))),
                    };
                }
                '>' | '=' => {
                    let sentence =
                        "bins have no partials and no delimiters of their own".to_owned();
                    return Err(self.error(begin, sentence));
                }
                _ => {
                    self.mask(begin, 'x');
                    parts.push(Part::Value { name: self.name(tag, begin)?, raw: false });
                }
            }
        }
        if let Some((name, begin)) = open {
            return Err(self.error(begin, format!("{{{{#{name}}}}} is not closed")));
        }
        let text = &self.source[self.at..];
        self.masked.push_str(text);
        self.at = self.source.len();
        if !text.is_empty() {
            parts.push(Part::Text(text.to_owned()));
        }
        Ok(parts)
    }

    /// The trimmed inside of the tag that begins here, and whether it has three braces; the reader is behind it then.
    fn tag(&mut self, begin: usize) -> Result<(&'a str, bool), TemplateError> {
        let raw = self.source[begin..].starts_with("{{{");
        let (open, close) = if raw { (3, "}}}") } else { (2, "}}") };
        let inside = &self.source[begin + open..];
        let Some(length) = inside.find(close) else {
            return Err(self.error(begin, format!("a tag that {close} does not close")));
        };
        self.at = begin + open + length + close.len();
        Ok((inside[..length].trim(), raw))
    }

    /// Blanks the tag that was just read, so that lines and columns stay.
    fn mask(&mut self, begin: usize, with: char) {
        let tag = &self.source[begin..self.at];
        self.masked.extend(tag.chars().map(|c| if c == '\n' { c } else { with }));
    }

    fn name(&self, name: &str, begin: usize) -> Result<String, TemplateError> {
        let name = name.trim();
        if name.is_empty() {
            return Err(self.error(begin, "a tag without a name".to_owned()));
        }
        if name.contains(|c: char| c.is_whitespace() || c == '{' || c == '}') {
            let sentence = format!("`{name}` is not the name of a parameter: bins have no helpers");
            return Err(self.error(begin, sentence));
        }
        Ok(name.to_owned())
    }

    fn error(&self, at: usize, sentence: String) -> TemplateError {
        let before = &self.source[..at];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let number = |number| u32::try_from(number).unwrap_or(u32::MAX);
        TemplateError { line: number(line), column: number(column), sentence }
    }
}

struct Writer<'a, N> {
    names: &'a N,
    out: String,
    /// Parts so far: sections in lists multiply, and may write nothing.
    steps: usize,
}

impl<N: Names> Writer<'_, N> {
    fn parts(&mut self, parts: &[Part], item: Option<&str>) -> Result<(), TooLong> {
        for part in parts {
            self.steps += 1;
            if self.steps > BIN_STEPS_MAX || self.out.len() > BIN_OUTPUT_BYTES_MAX {
                return Err(TooLong);
            }
            match part {
                Part::Text(text) => self.out.push_str(text),
                Part::Value { name, raw } => {
                    let value = self.values(name, item).join(",");
                    if *raw { self.out.push_str(&value) } else { escape(&value, &mut self.out) }
                }
                Part::Section { name, inverted, parts } => {
                    let values = self.values(name, item);
                    match (inverted, values.is_empty()) {
                        (true, true) => self.parts(parts, item)?,
                        (true, false) | (false, true) => {}
                        (false, false) => {
                            for value in
                                values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>()
                            {
                                self.parts(parts, Some(&value))?;
                            }
                        }
                    }
                }
                Part::E164(parts) => {
                    let begin = self.out.len();
                    self.parts(parts, item)?;
                    let number = e164(&self.out[begin..]);
                    self.out.replace_range(begin.., &number);
                }
            }
        }
        if self.out.len() > BIN_OUTPUT_BYTES_MAX { Err(TooLong) } else { Ok(()) }
    }

    /// The values of a name that are not empty; `.` is the item of the list around it.
    fn values<'b>(&'b self, name: &str, item: Option<&'b str>) -> Vec<&'b str> {
        let mut values = match name {
            "." => item.into_iter().collect(),
            name => self.names.values(name),
        };
        values.retain(|value| !value.is_empty());
        values
    }
}

/// A phone number of a SIP address, or of a number with punctuation. Of an address with a name, the name (hosted.md 2).
pub fn e164(text: &str) -> String {
    let text = text.trim();
    let address = text.strip_prefix("sips:").or_else(|| text.strip_prefix("sip:"));
    let user = address.unwrap_or(text).split(['@', ';']).next().unwrap_or_default();
    let is_number = |c: char| c.is_ascii_digit() || matches!(c, '+' | ' ' | '-' | '.' | '(' | ')');
    if !user.chars().all(is_number) {
        return user.to_owned();
    }
    let plus = if user.starts_with('+') { "+" } else { "" };
    let digits: String = user.chars().filter(char::is_ascii_digit).collect();
    format!("{plus}{digits}")
}

fn escape(value: &str, out: &mut String) {
    for c in value.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Pairs<'a>(&'a [(&'a str, &'a str)]);

    impl Names for Pairs<'_> {
        fn values(&self, name: &str) -> Vec<&str> {
            self.0.iter().filter(|(known, _)| *known == name).map(|(_, value)| *value).collect()
        }
    }

    fn render(source: &str, pairs: &[(&str, &str)]) -> String {
        Template::parse(source).expect("a template").render(&Pairs(pairs)).expect("short")
    }

    #[test]
    fn each_kind_of_tag_does_what_its_page_says() {
        let pairs = [
            ("From", "a<b>&\"'"),
            ("SipHeader_X-a", "1"),
            ("Empty", ""),
            ("Dest", "x"),
            ("Dest", "y"),
            ("To", "sip:+15125551212@d.sip.example.net"),
        ];
        for (source, expected) in [
            ("{{From}}", "a&lt;b&gt;&amp;&quot;&#39;"),
            ("{{ From }}", "a&lt;b&gt;&amp;&quot;&#39;"),
            ("{{{From}}} {{&From}}", "a<b>&\"' a<b>&\"'"),
            ("{{SipHeader_X-a}}{{Missing}}.", "1."),
            ("{{#Dest}}<{{.}}>{{/Dest}}", "<x><y>"),
            ("{{Dest}}", "x,y"),
            ("{{#Empty}}no{{/Empty}}{{^Empty}}yes{{/Empty}}", "yes"),
            ("{{^From}}no{{/From}}{{#From}}yes{{/From}}", "yes"),
            ("a{{! a note }}b", "ab"),
            ("{{#e164}}{{To}}{{/e164}}", "+15125551212"),
            ("{{#e164}} +1 (512) 555-1212 {{/e164}}", "+15125551212"),
            ("{{#e164}}sip:bob@x;a=b{{/e164}}", "bob"),
            ("{ {From} } }}", "{ {From} } }}"),
            ("{{#Dest}}{{#Dest}}{{.}}{{/Dest}}{{.}} {{/Dest}}", "xyx xyy "),
        ] {
            assert_eq!(render(source, &pairs), expected, "{source}");
        }
    }

    #[test]
    fn what_cannot_be_saved_is_said_with_its_place() {
        for (source, line, column, sentence) in [
            ("<a>\n é{{b", 2, 3, "does not close"),
            ("{{#a}}\n{{#b}}{{/a}}", 2, 7, "{{/a}} where {{#b}} is open"),
            (" {{#a}}", 1, 2, "{{#a}} is not closed"),
            ("{{/a}}", 1, 1, "closes nothing"),
            ("{{> a}}", 1, 1, "no partials"),
            ("{{=<% %>=}}", 1, 1, "no partials"),
            ("{{#if a}}{{/if}}", 1, 1, "no helpers"),
            ("{{}}", 1, 1, "without a name"),
        ] {
            let error = Template::parse(source).expect_err(source);
            assert_eq!((error.line, error.column), (line, column), "{source}: {error}");
            assert!(error.sentence.contains(sentence), "{source}: {error}");
        }
        let deep = "{{#a}}".repeat(BIN_DEPTH_MAX + 1);
        assert!(Template::parse(&deep).expect_err("deep").sentence.contains("sections"));
    }

    #[test]
    fn what_is_around_the_tags_is_a_document() {
        let check = |source: &str| Template::parse(source).expect("a template").check();
        let whole = "{{! note }}<Response>\n{{#A}}<Dial callerId=\"{{#e164}}{{To}}{{/e164}}\">{{B}}</Dial>{{/A}}\
                     <{{V}}/></Response>";
        assert_eq!(check(whole), Ok(()));
        let open = check("<Response>\n{{#A}}<Say>{{/A}}</Response>").expect_err("not closed");
        assert_eq!((open.line, open.column), (2, 18), "{open}");
        let root = check("<response/>").expect_err("another root");
        assert!(root.sentence.contains("Response"), "{root}");
        assert!(check("{{A}}<Response/>").is_err(), "a value before the root");
    }

    #[test]
    fn what_multiplies_comes_to_an_end() {
        let list: Vec<_> = (0..100).map(|_| ("L", "x")).collect();
        let nested = format!("{}{}", "{{#L}}".repeat(16), "{{/L}}".repeat(16));
        let template = Template::parse(&nested).expect("a template");
        assert_eq!(template.render(&Pairs(&list)), Err(TooLong));
        let long = "x".repeat(BIN_OUTPUT_BYTES_MAX);
        let twice = Template::parse("{{A}}{{A}}").expect("a template");
        assert_eq!(twice.render(&Pairs(&[("A", long.as_str())])), Err(TooLong));
        assert!(twice.render(&Pairs(&[("A", "x")])).is_ok());
    }
}
