//! SIP headers as webhook parameters. Sans-IO.

use shared::{Header, limits};

use crate::form::Form;

/// Whether the application gets this header: its name begins with `X-`, in any case.
pub(super) fn is_x_header(name: &str) -> bool {
    name.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("x-"))
}

/// Adds one parameter `prefix` + name a header that `passes`. Values of a repeated header are joined
/// by `, ` in their order (RFC 3261 §7.3.1); names are compared without case and shown as first seen.
/// Lines past [`limits::SIP_HEADER_LINES_MAX`] are left out.
pub(super) fn push_headers(
    form: &mut Form,
    prefix: &str,
    headers: &[Header],
    passes: impl Fn(&str) -> bool,
) {
    // A list in the order of the message. 256 lines at most keep the search short.
    let mut joined: Vec<(&str, String)> = Vec::new();
    let passing = headers.iter().filter(|header| passes(&header.name));
    for header in passing.take(limits::SIP_HEADER_LINES_MAX) {
        let known = joined.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(&header.name));
        if let Some((_, values)) = known {
            values.push_str(", ");
            values.push_str(&header.text());
        } else {
            joined.push((&header.name, header.text().into_owned()));
        }
    }
    for (name, value) in joined {
        form.push(format_args!("{prefix}{name}"), value);
    }
}
