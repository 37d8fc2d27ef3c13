//! The report: Markdown sections of a table and notes. Pure.

use std::fmt::{self, Display};

/// A table with the notes that explain it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Section {
    title: String,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
    notes: Vec<String>,
}

impl Section {
    pub fn new(title: &str, columns: &[&str]) -> Self {
        let columns = columns.iter().map(|&column| column.to_owned()).collect();
        Self { title: title.to_owned(), columns, ..Self::default() }
    }

    /// A row; missing cells stay empty.
    pub fn row(&mut self, cells: impl IntoIterator<Item = impl Display>) {
        let mut row: Vec<String> = cells.into_iter().map(|cell| cell.to_string()).collect();
        row.resize(self.columns.len().max(row.len()), String::new());
        self.rows.push(row);
    }

    /// A sentence below the table.
    pub fn note(&mut self, sentence: impl Into<String>) {
        self.notes.push(sentence.into());
    }
}

impl Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## {}\n", self.title)?;
        if !self.rows.is_empty() {
            line(f, &self.columns)?;
            let rule: Vec<&str> = (0..self.columns.len())
                .map(|column| if column == 0 { "---" } else { "---:" })
                .collect();
            line(f, &rule)?;
            for row in &self.rows {
                line(f, row)?;
            }
            writeln!(f)?;
        }
        for note in &self.notes {
            writeln!(f, "* {note}")?;
        }
        if !self.notes.is_empty() {
            writeln!(f)?;
        }
        Ok(())
    }
}

fn line(f: &mut fmt::Formatter<'_>, cells: &[impl AsRef<str>]) -> fmt::Result {
    f.write_str("|")?;
    for cell in cells {
        write!(f, " {} |", cell.as_ref().replace('|', "\\|"))?;
    }
    writeln!(f)
}

/// A whole number with commas, or a dash for `None`.
pub(crate) fn whole(value: Option<f64>) -> String {
    let Some(value) = value else { return "–".to_owned() };
    let digits = format!("{:.0}", value.abs());
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if value <= -0.5 { format!("-{grouped}") } else { grouped }
}

/// A factor such as `1.42x`, or a dash for `None`.
pub(crate) fn factor(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.2}x"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_a_markdown_table_with_notes_below() {
        let mut section = Section::new("Title", &["what", "ns"]);
        section.row(["parse", "12"]);
        section.note("Said once.");
        let text = section.to_string();
        assert_eq!(
            text,
            "## Title\n\n| what | ns |\n| --- | ---: |\n| parse | 12 |\n\n* Said once.\n\n"
        );
    }

    #[test]
    fn a_bar_in_a_cell_does_not_end_it() {
        let mut section = Section::new("T", &["a"]);
        section.row(["x|y"]);
        assert!(section.to_string().contains("x\\|y"));
    }

    #[test]
    fn numbers_are_grouped_by_three() {
        assert_eq!(whole(Some(1_234_567.4)), "1,234,567");
        assert_eq!(whole(Some(999.0)), "999");
        assert_eq!(whole(Some(-1_000.0)), "-1,000");
        assert_eq!(whole(Some(-0.2)), "0");
        assert_eq!(whole(None), "–");
    }

    #[test]
    fn a_factor_of_nothing_is_a_dash() {
        assert_eq!(factor(Some(1.5)), "1.50x");
        assert_eq!(factor(None), "–");
    }
}
