//! Uploads: forms of several parts (RFC 7578). Pure.

/// A part of a form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part<'a> {
    pub name: String,
    pub content_type: Option<String>,
    pub content: &'a [u8],
}

/// Most parts of a form. Past it the form is refused.
const PARTS_MAX: usize = 32;

/// Reads the parts of a form; `None`: the body is not one, or not whole.
pub(crate) fn parts<'a>(content_type: &str, body: &'a [u8]) -> Option<Vec<Part<'a>>> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameters.split(';').find_map(|one| {
        let (name, value) = one.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
    })?;
    let delimiter = format!("--{boundary}");
    let first = find(body, delimiter.as_bytes())?;
    let mut rest = &body[first + delimiter.len()..];
    let between = format!("\r\n{delimiter}");
    let mut parts = Vec::new();
    while !rest.starts_with(b"--") {
        if parts.len() == PARTS_MAX {
            return None;
        }
        rest = rest.strip_prefix(b"\r\n")?;
        let end = find(rest, between.as_bytes())?;
        parts.push(part(&rest[..end])?);
        rest = &rest[end + between.len()..];
    }
    Some(parts)
}

fn part(bytes: &[u8]) -> Option<Part<'_>> {
    let blank = find(bytes, b"\r\n\r\n")?;
    let (head, content) = (std::str::from_utf8(&bytes[..blank]).ok()?, &bytes[blank + 4..]);
    let mut part = Part { name: String::new(), content_type: None, content };
    for line in head.split("\r\n") {
        let (name, value) = line.split_once(':')?;
        if name.eq_ignore_ascii_case("content-disposition") {
            part.name = value
                .split(';')
                .find_map(|one| one.trim().strip_prefix("name="))?
                .trim_matches('"')
                .to_owned();
        } else if name.eq_ignore_ascii_case("content-type") {
            part.content_type = Some(value.trim().to_owned());
        }
    }
    (!part.name.is_empty()).then_some(part)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KIND: &str = "multipart/form-data; boundary=--7d";
    const BODY: &[u8] = b"----7d\r\nContent-Disposition: form-data; name=\"Path\"\r\n\r\n/a\r\n----7d\r\nContent-Disposition: form-data; name=\"Content\"; filename=\"a.js\"\r\nContent-Type: application/javascript\r\n\r\nline\r\n\r\nline\r\n----7d--\r\n";

    #[test]
    fn names_types_and_contents_are_read() {
        let parts = parts(KIND, BODY).expect("a form");
        assert_eq!((parts[0].name.as_str(), parts[0].content), ("Path", &b"/a"[..]));
        assert_eq!(parts[1].content_type.as_deref(), Some("application/javascript"));
        assert_eq!(parts[1].content, b"line\r\n\r\nline");
        assert_eq!(parts.len(), 2);
    }

    #[test]
    fn a_form_that_breaks_off_is_none() {
        for length in 0..BODY.len() - 4 {
            assert_eq!(parts(KIND, &BODY[..length]), None, "{length}");
        }
        assert_eq!(parts("text/plain", BODY), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>, kind in "multipart/form-data; boundary=.{0,4}") {
            let _ = parts(&kind, &bytes);
        }
    }
}
