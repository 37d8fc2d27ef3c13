//! Several messages in one input: a control byte, a 16-bit length, the bytes; over and over.

/// One message of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Read by each target: sender, destination, time since the message before.
    pub control: u8,
    /// As long as its length states, or as the input is.
    pub bytes: &'a [u8],
}

/// The messages of an input, at most [`RECORDS_MAX`].
pub fn records(input: &[u8]) -> impl Iterator<Item = Record<'_>> {
    let mut rest = input;
    std::iter::from_fn(move || {
        let (&[control, high, low], tail) = rest.split_first_chunk()?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let (bytes, tail) = tail.split_at_checked(length).unwrap_or((tail, &[]));
        rest = tail;
        Some(Record { control, bytes })
    })
    .take(RECORDS_MAX)
}

/// More messages find nothing new and take long.
pub const RECORDS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_beyond_the_input_takes_what_is_there() {
        let input = [7, 0, 2, b'a', b'b', 9, 0xFF, 0xFF, b'c'];
        let found: Vec<Record<'_>> = records(&input).collect();
        let wanted = [Record { control: 7, bytes: b"ab" }, Record { control: 9, bytes: b"c" }];
        assert_eq!(found, wanted);
    }
}
