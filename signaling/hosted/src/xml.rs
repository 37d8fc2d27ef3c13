//! Writes TwiML: a tree of elements, whose texts and attributes are escaped. Pure.

/// An element with its attributes in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Element {
    tag: &'static str,
    attributes: Vec<(&'static str, String)>,
    children: Vec<Self>,
    text: String,
}

impl Element {
    pub(crate) fn new(tag: &'static str) -> Self {
        Self { tag, ..Self::default() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.attributes.push((name, value.into()));
        self
    }

    /// An element has a text or children, never both.
    pub(crate) fn text(mut self, text: impl Into<String>) -> Self {
        debug_assert!(self.children.is_empty(), "a text beside children");
        self.text = text.into();
        self
    }

    pub(crate) fn child(mut self, child: Self) -> Self {
        debug_assert!(self.text.is_empty(), "a child beside a text");
        self.children.push(child);
        self
    }

    pub(crate) fn children(self, children: impl IntoIterator<Item = Self>) -> Self {
        children.into_iter().fold(self, Self::child)
    }

    fn write(&self, out: &mut String) {
        out.push('<');
        out.push_str(self.tag);
        for (name, value) in &self.attributes {
            out.push(' ');
            out.push_str(name);
            out.push_str("=\"");
            escape(value, out);
            out.push('"');
        }
        if self.children.is_empty() && self.text.is_empty() {
            out.push_str("/>");
            return;
        }
        out.push('>');
        escape(&self.text, out);
        for child in &self.children {
            child.write(out);
        }
        out.push_str("</");
        out.push_str(self.tag);
        out.push('>');
    }
}

/// A whole document with these verbs.
pub(crate) fn document(verbs: impl IntoIterator<Item = Element>) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    Element::new("Response").children(verbs).write(&mut out);
    out
}

/// Appends a text as XML 1.0 shows it, in a text or between quotes. Characters that no document can have are left out.
pub(crate) fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | '\r' => out.push_str(&format!("&#{};", u32::from(c))),
            '\u{FFFE}' | '\u{FFFF}' => {}
            c if c.is_ascii_control() => {}
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_value_holds_the_document_reads_back_equal() {
        let nasty = "a<b> & \"c\" 'd' ]]> \r\n\t é 😀";
        let text = document([
            Element::new("Say").with("voice", nasty).text(nasty),
            Element::new("Dial").child(Element::new("Number").text("1")),
            Element::new("Hangup"),
        ]);
        let read = roxmltree::Document::parse(&text).expect("XML");
        let say = read.root_element().first_element_child().expect("a verb");
        assert_eq!((say.text(), say.attribute("voice")), (Some(nasty), Some(nasty)));
        assert!(text.ends_with("<Dial><Number>1</Number></Dial><Hangup/></Response>"), "{text}");
        assert!(document([Element::new("Say").text("a\0b\u{1b}\u{fffe}")]).contains(">ab<"));
    }

    #[test]
    fn a_document_without_a_verb_is_one_empty_element() {
        assert_eq!(document([]), "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response/>");
    }
}
