//! Documents that a flow answers its call with.

use std::fmt::{self, Display, Write as _};

/// An element of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Element {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    text: String,
    children: Vec<Element>,
}

impl Element {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, attributes: Vec::new(), text: String::new(), children: Vec::new() }
    }

    /// The element with an attribute.
    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: impl Display) -> Self {
        self.attributes.push((name, value.to_string()));
        self
    }

    /// The element with an attribute, where there is a value.
    #[must_use]
    pub(crate) fn with_some(self, name: &'static str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    #[must_use]
    pub(crate) fn text(mut self, text: impl Into<String>) -> Self {
        self.text = text.into();
        self
    }

    #[must_use]
    pub(crate) fn child(mut self, child: Self) -> Self {
        self.children.push(child);
        self
    }

    #[must_use]
    pub(crate) fn children(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.children.extend(children);
        self
    }
}

/// The document with these verbs.
pub(crate) fn document(verbs: impl IntoIterator<Item = Element>) -> String {
    let response = Element::new("Response").children(verbs);
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{response}")
}

impl Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}", self.name)?;
        for (name, value) in &self.attributes {
            write!(f, " {name}=\"")?;
            escape(value, f)?;
            f.write_char('"')?;
        }
        if self.text.is_empty() && self.children.is_empty() {
            return f.write_str("/>");
        }
        f.write_char('>')?;
        escape(&self.text, f)?;
        for child in &self.children {
            child.fmt(f)?;
        }
        write!(f, "</{}>", self.name)
    }
}

fn escape(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for c in text.chars() {
        match c {
            '&' => f.write_str("&amp;")?,
            '<' => f.write_str("&lt;")?,
            '>' => f.write_str("&gt;")?,
            '"' => f.write_str("&quot;")?,
            '\n' => f.write_str("&#xA;")?,
            '\r' => f.write_str("&#xD;")?,
            '\t' => f.write_char(c)?,
            // XML has no place for the other controls, not even escaped.
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => f.write_char(c)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_attributes_are_escaped() {
        let say = Element::new("Say").with("voice", "a\"b").text("1 < 2 & \u{0}3");
        let gather = Element::new("Gather").with_some("timeout", None::<u32>).child(say);
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Gather>\
             <Say voice=\"a&quot;b\">1 &lt; 2 &amp; 3</Say></Gather><Pause/></Response>";
        assert_eq!(document([gather, Element::new("Pause")]), expected);
    }
}
