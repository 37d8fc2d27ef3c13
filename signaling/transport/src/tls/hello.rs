//! The name in a ClientHello whose version is too old for rustls. Pure.

/// The `server_name` extension (RFC 6066 §3) of a ClientHello in one record (RFC 5246 §7.4.1.2); `None`
/// where there is none or the bytes are not whole.
pub fn server_name(record: &[u8]) -> Option<String> {
    let mut record = Reader(record);
    record.take(3)?; // content type, version
    let mut hello = Reader(record.vector(2)?);
    hello.take(4 + 2 + 32)?; // handshake type and length, version, random
    hello.vector(1)?; // session id
    hello.vector(2)?; // cipher suites
    hello.vector(1)?; // compression methods
    let mut extensions = Reader(hello.vector(2)?);
    while let Some(kind) = extensions.number(2) {
        let data = extensions.vector(2)?;
        if kind == SERVER_NAME {
            return host_name(data);
        }
    }
    None
}

fn host_name(data: &[u8]) -> Option<String> {
    let mut names = Reader(Reader(data).vector(2)?);
    while let Some(kind) = names.number(1) {
        let name = names.vector(2)?;
        if kind == HOST_NAME {
            return std::str::from_utf8(name).ok().map(str::to_ascii_lowercase);
        }
    }
    None
}

/// The unread rest of some bytes.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// A number of `bytes` bytes, most significant first.
    fn number(&mut self, bytes: usize) -> Option<usize> {
        let taken = self.take(bytes)?;
        Some(taken.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    /// Bytes behind their length, a number of `length_bytes` bytes.
    fn vector(&mut self, length_bytes: usize) -> Option<&'b [u8]> {
        let length = self.number(length_bytes)?;
        self.take(length)
    }
}

const SERVER_NAME: usize = 0;
const HOST_NAME: usize = 0;

#[cfg(test)]
mod tests {
    use super::*;

    /// A ClientHello of TLS 1.1 with two extensions, the name last.
    fn hello(name: &str) -> Vec<u8> {
        let vector = |bytes: usize, data: &[u8]| {
            let length = (data.len() as u32).to_be_bytes();
            [&length[4 - bytes..], data].concat()
        };
        let names = vector(2, &[&[0][..], &vector(2, name.as_bytes())].concat());
        let extensions = [&[0, 35][..], &vector(2, b""), &[0, 0], &vector(2, &names)].concat();
        let hello = [
            &[3, 2][..],
            &[7; 32],
            &vector(1, b"session"),
            &vector(2, &[0, 0x2f]),
            &vector(1, &[0]),
            &vector(2, &extensions),
        ]
        .concat();
        let handshake = [&[1][..], &vector(3, &hello)].concat();
        [&[22, 3, 1][..], &vector(2, &handshake)].concat()
    }

    #[test]
    fn the_name_is_found_behind_other_extensions() {
        let record = hello("Desk.sip.sidetone.test");
        assert_eq!(server_name(&record).as_deref(), Some("desk.sip.sidetone.test"));
    }

    #[test]
    fn bytes_that_are_cut_or_changed_have_no_name_and_never_panic() {
        let record = hello("desk.sip.sidetone.test");
        for length in 0..record.len() {
            assert_eq!(server_name(&record[..length]), None, "{length}");
        }
        for place in 0..record.len() {
            for value in [0, 1, 127, 255] {
                let mut changed = record.clone();
                changed[place] = value;
                let _ = server_name(&changed);
            }
        }
    }
}
