//! Byte offsets of a document to lines and columns, each in bounded time. Sans-IO.

use super::Position;

/// The position of every [`STEP`]th byte of a text. A document may have thousands of findings in one long
/// line; counting each from the start would take quadratic time.
pub(super) struct Positions<'a> {
    text: &'a str,
    marks: Vec<Position>,
}

impl<'a> Positions<'a> {
    /// Reads the text once.
    pub fn new(text: &'a str) -> Self {
        let mut marks = Vec::with_capacity(text.len() / STEP + 1);
        let mut at = Position { line: 1, column: 1 };
        for (offset, byte) in text.bytes().enumerate() {
            if offset % STEP == 0 {
                marks.push(at);
            }
            at = behind(at, byte);
        }
        // The end of a text whose length is an exact multiple of `STEP`.
        marks.push(at);
        Self { text, marks }
    }

    /// Line and column of the character at a byte offset; those of the end for an offset past it.
    pub fn at(&self, offset: usize) -> Position {
        let offset = offset.min(self.text.len());
        let index = (offset / STEP).min(self.marks.len().saturating_sub(1));
        let mark = self.marks.get(index).copied().unwrap_or(Position { line: 1, column: 1 });
        let between = self.text.as_bytes().get(index * STEP..offset).unwrap_or_default();
        between.iter().fold(mark, |at, &byte| behind(at, byte))
    }
}

/// The position behind a byte: a character counts at its first one.
const fn behind(at: Position, byte: u8) -> Position {
    match byte {
        b'\n' => Position { line: at.line + 1, column: 1 },
        0x80..=0xBF => at,
        _ => Position { line: at.line, column: at.column + 1 },
    }
}

const STEP: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_where_the_xml_parser_sees_it() {
        let text = format!(
            "<a>\n{}\u{e9}<b/>\u{20ac}\n\n{}</a>",
            "xy\u{1f600}".repeat(200),
            "z".repeat(700)
        );
        let tree = roxmltree::Document::parse(&text).unwrap();
        let positions = Positions::new(&text);
        for (offset, _) in text.char_indices() {
            let wanted = tree.text_pos_at(offset);
            let wanted = Position { line: wanted.row, column: wanted.col };
            assert_eq!(positions.at(offset), wanted, "at byte {offset}");
        }
        assert_eq!(positions.at(usize::MAX), positions.at(text.len()));
    }

    #[test]
    fn an_exact_multiple_of_the_step_ends_in_its_last_place() {
        for len in [0, STEP - 1, STEP, STEP + 1, 4 * STEP] {
            let text = "x".repeat(len);
            let column = u32::try_from(len).unwrap() + 1;
            assert_eq!(Positions::new(&text).at(len), Position { line: 1, column });
        }
    }
}
