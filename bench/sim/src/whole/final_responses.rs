//! A request has one final status, however often it is answered (RFC 3261 section 17.2).

use std::collections::BTreeMap;

/// The final status of every request so far.
#[derive(Default)]
pub struct FinalResponses {
    /// By branch and CSeq.
    statuses: BTreeMap<String, u16>,
}

impl FinalResponses {
    /// Reads a message that somebody sent; what is wrong where it answers a request with another final
    /// status than before.
    pub fn watch(&mut self, bytes: &[u8]) -> Option<String> {
        let (request, status) = final_response(bytes)?;
        let before = *self.statuses.entry(request.clone()).or_insert(status);
        (before != status).then(|| format!("{request} was answered {before} and {status}"))
    }

    /// The next process does not know what this one answered.
    pub fn forget(&mut self) {
        self.statuses.clear();
    }
}

/// Branch and CSeq of the request that a final response answers, and its status.
fn final_response(bytes: &[u8]) -> Option<(String, u16)> {
    let text = std::str::from_utf8(bytes.strip_prefix(b"SIP/2.0 ")?).ok()?;
    let status = text.get(..3)?.parse().ok().filter(|status| *status >= 200)?;
    let mut lines = text.split("\r\n");
    let via = lines.find(|line| line.starts_with("Via:"))?;
    let branch = via.split(";branch=").nth(1)?.split(';').next()?;
    let number = lines.find(|line| line.starts_with("CSeq:"))?;
    Some((format!("{branch} {number}"), status))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: &str) -> Vec<u8> {
        format!(
            "SIP/2.0 {status}\r\nVia: SIP/2.0/UDP 10.0.1.0:5060;branch=z9hG4bK7;rport=5060\r\n\
             From: <sip:a@b>;tag=1\r\nCall-ID: 1\r\nCSeq: 2 INVITE\r\n\r\n"
        )
        .into_bytes()
    }

    #[test]
    fn a_final_response_is_named_by_its_branch_and_number() {
        let busy = final_response(&response("486 Busy Here"));
        assert_eq!(busy, Some(("z9hG4bK7 CSeq: 2 INVITE".to_owned(), 486)));
        assert_eq!(final_response(&response("180 Ringing")), None);
        assert_eq!(final_response(b"BYE sip:a@b SIP/2.0\r\n\r\n"), None);
    }

    #[test]
    fn a_second_final_status_of_one_request_is_wrong() {
        let mut responses = FinalResponses::default();
        assert_eq!(responses.watch(&response("486 Busy Here")), None);
        assert_eq!(responses.watch(&response("486 Busy Here")), None);
        assert!(responses.watch(&response("200 OK")).is_some());
    }
}
