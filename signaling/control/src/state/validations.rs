//! Calls that verify a caller id (`POST OutgoingCallerIds`): what each asks for and has got. Sans-IO.
//!
//! ```text
//! Asking --(the code)--> Saving --(the row is on disk)--> Verified
//!   |                      `--(it cannot be written)--.
//!   `--(the last try)----------------------------------+--> Failed
//! ```
//!
//! Control is the application of such a call: the call asks for its documents at [`ADDRESS`], and no request leaves. So the
//! call is one like any other, and only this machine knows the code.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use call::HttpId;
use shared::{AccountSid, CallSid, OutgoingCallerIdSid};

use crate::tokens::ApiToken;

/// Where a validation call asks for its documents. `.invalid` leads nowhere (RFC 2606 §2).
pub(crate) const ADDRESS: &str = "http://validation.invalid/";
/// Digits of a code.
const CODE_DIGITS: usize = 6;
/// How often a call asks for the code.
const TRIES: u8 = 3;

/// All validation calls. Each belongs to a live call, so the limit on calls bounds them.
#[derive(Debug, Default)]
pub(crate) struct Validations {
    calls: BTreeMap<CallSid, Validation>,
    saving: BTreeMap<ApiToken, CallSid>,
    last_token: u64,
}

/// One call that verifies a number.
#[derive(Debug)]
pub(crate) struct Validation {
    pub account: AccountSid,
    /// E.164 with `+`.
    pub phone_number: String,
    /// The name of the row; `None` is the number.
    pub friendly_name: Option<String>,
    /// The digits that the party has to press.
    pub code: String,
    tries: u8,
    progress: Progress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Asking,
    /// The row is being written, and this request of the call waits for that.
    Saving(HttpId),
    Verified(OutgoingCallerIdSid),
    Failed,
}

/// What to do with a request for a document.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Answer it with this document.
    Document(String),
    /// Write the row under this token; the request waits.
    Save(ApiToken),
}

/// Tokens of the writes here. The shell numbers its own from 0, queues have the highest bit.
const OWN_TOKENS: u64 = 1 << 62;

impl Validation {
    /// A call to this number. `random` makes the code.
    pub fn new(
        account: AccountSid,
        phone_number: String,
        friendly_name: Option<String>,
        random: u64,
    ) -> Self {
        let most = 10_u64.pow(CODE_DIGITS as u32);
        let code = format!("{:0CODE_DIGITS$}", random % most);
        let progress = Progress::Asking;
        Self { account, phone_number, friendly_name, code, tries: 0, progress }
    }

    /// `VerificationStatus` of the status callback.
    pub const fn status(&self) -> &'static str {
        match self.progress {
            Progress::Verified(_) => "success",
            Progress::Asking | Progress::Saving(_) | Progress::Failed => "failed",
        }
    }

    /// The row; `None` until the number is verified.
    pub const fn row(&self) -> Option<OutgoingCallerIdSid> {
        match self.progress {
            Progress::Verified(sid) => Some(sid),
            Progress::Asking | Progress::Saving(_) | Progress::Failed => None,
        }
    }

    fn next_document(&mut self) -> String {
        if self.tries >= TRIES {
            self.progress = Progress::Failed;
            return said_and_over("This number is not verified. Goodbye.");
        }
        let text = match self.tries {
            0 => {
                "This call verifies a caller I D. Please enter the six digits that you were given."
            }
            _ => "Please enter the six digits.",
        };
        self.tries += 1;
        // An empty `finishOnKey`: a code has no other keys, and the sixth ends it.
        format!(
            "<Response><Gather numDigits=\"{CODE_DIGITS}\" timeout=\"10\" finishOnKey=\"\" \
             action=\"{ADDRESS}\"><Say>{text}</Say></Gather><Redirect>{ADDRESS}</Redirect></Response>"
        )
    }
}

impl Validations {
    /// The call will verify a number.
    pub fn begin(&mut self, call: CallSid, validation: Validation) {
        let former = self.calls.insert(call, validation);
        debug_assert!(former.is_none(), "a call verifies one number");
    }

    /// The number that a call verifies.
    pub fn of(&self, call: CallSid) -> Option<&Validation> {
        self.calls.get(&call)
    }

    /// The validation whose row is written under this token.
    pub fn saving(&self, token: ApiToken) -> Option<&Validation> {
        self.calls.get(self.saving.get(&token)?)
    }

    /// The call is gone. A row that is on its way to disk still is written.
    pub fn end(&mut self, call: CallSid) {
        self.calls.remove(&call);
    }

    /// The call asks for a document, with the digits that were pressed; `None`: it verifies nothing.
    pub fn ask(&mut self, call: CallSid, request: HttpId, digits: Option<&str>) -> Option<Asked> {
        let validation = self.calls.get_mut(&call)?;
        if digits != Some(validation.code.as_str()) || validation.progress != Progress::Asking {
            return Some(Asked::Document(validation.next_document()));
        }
        validation.progress = Progress::Saving(request);
        self.last_token += 1;
        let token = ApiToken(OWN_TOKENS | self.last_token);
        self.saving.insert(token, call);
        Some(Asked::Save(token))
    }

    /// The write of this token is answered, by the row where it is on disk. Returns the call and, if that is still
    /// there, its request with the document for it; `None`: the token is none of ours.
    pub fn saved(
        &mut self,
        token: ApiToken,
        row: Option<OutgoingCallerIdSid>,
    ) -> Option<(CallSid, Option<(HttpId, String)>)> {
        let call = self.saving.remove(&token)?;
        let Some(validation) = self.calls.get_mut(&call) else { return Some((call, None)) };
        let Progress::Saving(request) = validation.progress else { return Some((call, None)) };
        let (progress, text) = match row {
            Some(sid) => (Progress::Verified(sid), "This number is verified. Goodbye."),
            None => (Progress::Failed, "This number cannot be verified now. Goodbye."),
        };
        validation.progress = progress;
        Some((call, Some((request, said_and_over(text)))))
    }
}

fn said_and_over(text: &str) -> String {
    let mut document = String::from("<Response>");
    // Writing to a String cannot fail.
    let _ = write!(document, "<Say>{text}</Say><Hangup/></Response>");
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: CallSid = CallSid(1);
    const ROW: OutgoingCallerIdSid = OutgoingCallerIdSid(7);

    fn begun() -> Validations {
        let mut all = Validations::default();
        let number = "+15550100".to_owned();
        all.begin(CALL, Validation::new(AccountSid(1), number, None, 7_000_042));
        all
    }

    #[test]
    fn a_code_has_six_digits_and_the_right_one_writes_the_row() {
        let mut all = begun();
        assert_eq!(all.of(CALL).expect("it is there").code, "000042");
        let Some(Asked::Document(asks)) = all.ask(CALL, HttpId(1), None) else { panic!() };
        assert!(asks.contains("<Gather"), "{asks}");
        let Some(Asked::Save(token)) = all.ask(CALL, HttpId(2), Some("000042")) else { panic!() };
        let of = |all: &Validations| all.of(CALL).map(|of| (of.status(), of.row()));
        assert_eq!(of(&all), Some(("failed", None)), "until the row is on disk");
        let (call, answer) = all.saved(token, Some(ROW)).expect("our token");
        assert_eq!((call, answer.map(|(request, _)| request)), (CALL, Some(HttpId(2))));
        assert_eq!(of(&all), Some(("success", Some(ROW))));
        assert_eq!(all.saved(token, Some(ROW)), None, "once");
    }

    #[test]
    fn three_wrong_codes_end_it_and_the_right_one_comes_too_late() {
        let mut all = begun();
        let mut answers = Vec::new();
        for digits in [None, Some("1"), Some("000041"), None, Some("000042")] {
            match all.ask(CALL, HttpId(1), digits) {
                Some(Asked::Document(text)) => answers.push(text.contains("<Gather")),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(answers, [true, true, true, false, false]);
        assert_eq!(all.of(CALL).map(Validation::status), Some("failed"));
    }

    #[test]
    fn a_call_that_is_gone_gets_no_answer_to_its_write() {
        let mut all = begun();
        let Some(Asked::Save(token)) = all.ask(CALL, HttpId(1), Some("000042")) else { panic!() };
        all.end(CALL);
        assert_eq!(all.saved(token, Some(ROW)), Some((CALL, None)));
        assert_eq!(all.ask(CALL, HttpId(2), None), None);
    }
}
