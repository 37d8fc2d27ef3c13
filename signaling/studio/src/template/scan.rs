//! Where the tags of a template are, for what looks at a template before the language reads it.

use super::filters::PRINTED;

/// The text before the next tag, the tag without its end, and the rest from its end on. `None` where no whole tag follows.
pub(super) fn next_tag(template: &str) -> Option<(&str, &str, &str)> {
    let begin = [template.find("{{"), template.find("{%")].into_iter().flatten().min()?;
    let (before, tag) = template.split_at(begin);
    let close = if tag.starts_with("{{") { "}}" } else { "%}" };
    // Behind its two signs: `{%}` is no tag that ends.
    let (tag, after) = tag.split_at(2 + tag[2..].find(close)?);
    Some((before, tag, after))
}

/// The template with [`PRINTED`] behind each value that it prints.
pub(super) fn printed_in_order(template: &str) -> String {
    let mut made = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, tag, after)) = next_tag(rest) {
        made.push_str(before);
        let trims = if tag.ends_with('-') { "-" } else { "" };
        let inner = tag[2..tag.len() - trims.len()].trim_start_matches('-').trim();
        if tag.starts_with("{{") && is_whole(inner) {
            made.push_str(&tag[..tag.len() - trims.len()]);
            made.extend([" | ", PRINTED, trims]);
        } else {
            made.push_str(tag);
        }
        rest = after;
        if tag.starts_with("{%") && inner == "raw" {
            let end = rest.find("endraw").unwrap_or(rest.len());
            made.push_str(&rest[..end]);
            rest = &rest[end..];
        }
    }
    made.push_str(rest);
    made
}

/// Whether the tag has a value and does not end within quotes, where its end is none.
fn is_whole(inner: &str) -> bool {
    let quotes = |quote| inner.matches(quote).count() % 2 == 0;
    !inner.is_empty() && quotes('"') && quotes('\'')
}

/// The first whole number inside of a tag that the language has no value for: it takes 64 bits.
pub(super) fn long_number(template: &str) -> Option<&str> {
    let mut rest = template;
    while let Some((_, tag, after)) = next_tag(rest) {
        if let Some(number) = long_number_in(tag) {
            return Some(number);
        }
        rest = after;
    }
    None
}

/// Texts in quotes, digits of names and the two halves of a real number do not count.
fn long_number_in(tag: &str) -> Option<&str> {
    let bytes = tag.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let (mut quote, mut at) = (None, 0);
    while at < bytes.len() {
        match (quote, bytes[at]) {
            (Some(open), byte) => {
                if byte == open {
                    quote = None;
                }
            }
            (None, byte @ (b'"' | b'\'')) => quote = Some(byte),
            (None, byte) if byte.is_ascii_alphanumeric() || byte == b'_' => {
                let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-".contains(byte);
                let length = bytes[at..].iter().take_while(|byte| is_word(byte)).count();
                let end = at + length;
                let is_real = |dot: usize| bytes.get(dot) == Some(&b'.') && is_digit(dot + 1);
                let is_half = is_real(end) || (at > 1 && is_real(at - 1) && is_digit(at - 2));
                let word = &tag[at..end];
                let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
                if is_number && !is_half && word.parse::<i64>().is_err() {
                    return Some(word);
                }
                at = end;
                continue;
            }
            (None, _) => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_that_is_printed_has_one_more_filter() {
        let cases = [
            (
                "a {{ b }} {{-c | d-}}",
                "a {{ b  | printed_in_order}} {{-c | d | printed_in_order-}}",
            ),
            ("{% if {{ %}", "{% if {{ %}"),
            ("{{ '}}' }}{{ }}{{-}}", "{{ '}}' }}{{ }}{{-}}"),
            ("{% raw %}{{ a }}{% endraw %}", "{% raw %}{{ a }}{% endraw %}"),
            ("{%} {{}} {{}", "{%} {{}} {{}"),
            ("{{ open", "{{ open"),
        ];
        for (template, expected) in cases {
            assert_eq!(printed_in_order(template), expected);
        }
    }

    #[test]
    fn a_number_past_64_bits_is_found_inside_of_tags_alone() {
        let long = "99999999999999999999";
        for template in ["{{ 99999999999999999999 }}", "a{{x | plus:99999999999999999999}}"] {
            assert_eq!(long_number(template), Some(long), "{template}");
        }
        assert_eq!(long_number("{{a}}{% if b > -99999999999999999999 %}"), Some(long));
        for template in [
            "99999999999999999999 {{ a }}",
            "{{ '99999999999999999999' }}",
            "{{ a99999999999999999999 }}",
            "{{ 99999999999999999999.5 }}{{ 0.99999999999999999999 }}",
            "{{ 9223372036854775807 }}",
            "{{ 99999999999999999999",
        ] {
            assert_eq!(long_number(template), None, "{template}");
        }
    }
}
