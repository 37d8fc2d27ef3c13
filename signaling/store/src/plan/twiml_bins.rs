//! Rules of TwiML Bins. Sans-IO.

use shared::limits::BIN_BYTES_MAX;
use shared::{AccountSid, BinSid, Code};

use super::{Plan, Rules};
use crate::kind::ResourceKind;
use crate::patch::Patch;
use crate::rules;
use crate::template::Template;
use crate::twiml_bin::{TwimlBin, TwimlBinParameters};
use crate::write::WriteError;

impl Rules for TwimlBin {
    fn create(
        plan: &Plan<'_>,
        sid: u128,
        _: u128,
        given: &TwimlBinParameters,
    ) -> Result<Self, WriteError> {
        let sid = given.sid.value().copied().unwrap_or(BinSid(sid));
        if plan.snapshot.tables.twiml_bins.get(sid.0).is_some() {
            return Err(rules::name_taken(ResourceKind::TwimlBin));
        }
        let mut row = Self {
            sid,
            account: plan.account.sid,
            friendly_name: given.friendly_name.value().cloned().unwrap_or_default(),
            content: String::new(),
            created_ms: plan.mint.unix_ms,
            updated_ms: plan.mint.unix_ms,
            revision: 1,
        };
        rules::friendly_name(ResourceKind::TwimlBin, &row.friendly_name)?;
        set_content(&mut row, &given.content)?;
        Ok(row)
    }

    fn update(
        &mut self,
        _: &Plan<'_>,
        given: &TwimlBinParameters,
        _: Option<AccountSid>,
    ) -> Result<(), WriteError> {
        rules::rename(ResourceKind::TwimlBin, &mut self.friendly_name, &given.friendly_name)?;
        set_content(self, &given.content)
    }
}

/// A bin that could never answer a document is not saved. Its place is said, since nobody finds it otherwise.
fn set_content(row: &mut TwimlBin, given: &Patch<String>) -> Result<(), WriteError> {
    let content = match given {
        Patch::Keep => return Ok(()),
        Patch::Clear => return Err(WriteError::invalid(Code::TWIML_PARSE, "Content is required")),
        Patch::Set(content) => content,
    };
    if content.len() > BIN_BYTES_MAX {
        let sentence = format!("Content may have at most {BIN_BYTES_MAX} bytes");
        return Err(WriteError::invalid(Code::TWIML_PARSE, sentence));
    }
    let checked = Template::parse(content).and_then(|template| template.check());
    checked.map_err(|error| WriteError::invalid(Code::TWIML_PARSE, format!("Content, {error}")))?;
    row.content.clone_from(content);
    Ok(())
}
