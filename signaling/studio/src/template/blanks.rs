//! Blanks round the dots of a path: `{{flow.variables. x}}` stands in flows in production.

use std::borrow::Cow;

use super::scan::next_tag;

/// The template without the blanks beside dots inside of its tags. Texts in quotes stay.
pub(super) fn joined_paths(template: &str) -> Cow<'_, str> {
    if !template.contains(". ") && !template.contains(" .") {
        return Cow::Borrowed(template);
    }
    let mut joined = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, tag, after)) = next_tag(rest) {
        joined.push_str(before);
        join(tag, &mut joined);
        rest = after;
    }
    joined.push_str(rest);
    Cow::Owned(joined)
}

fn join(tag: &str, joined: &mut String) {
    let mut quote = None;
    let mut characters = tag.chars().peekable();
    while let Some(c) = characters.next() {
        match quote {
            Some(open) if c == open => quote = None,
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None if c == '.' && characters.peek() != Some(&'.') => {
                // A second dot is a range: its blanks do no harm.
                let is_range = joined.ends_with('.');
                let length = joined.trim_end_matches(' ').len();
                if !is_range {
                    joined.truncate(length);
                    while characters.next_if_eq(&' ').is_some() {}
                }
            }
            _ => {}
        }
        joined.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_beside_dots_go_inside_of_tags_alone() {
        let cases = [
            ("{{flow.variables. x}}", "{{flow.variables.x}}"),
            ("{{ a . b }}. {{c .d}} .", "{{ a.b }}. {{c.d}} ."),
            ("{{ a | default: \"x . y\" }}", "{{ a | default: \"x . y\" }}"),
            ("{% for i in (1 .. 3) %}", "{% for i in (1 .. 3) %}"),
            ("{{ open . ended", "{{ open . ended"),
            ("no tag . here", "no tag . here"),
        ];
        for (template, expected) in cases {
            assert_eq!(joined_paths(template), expected);
        }
    }
}
