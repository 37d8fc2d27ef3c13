//! Reads of resources and lists: a trait that the driver of a database implements.

use shared::{
    AccountSid, BindingSid, CallSid, ConferenceSid, DomainSid, ExecutionSid, FlowSid,
    NotificationSid, RecordingSid,
};

use crate::account::Account;
use crate::binding::BindingRecord;
use crate::calls::CallRecord;
use crate::conferences::ConferenceRecord;
use crate::domain::{MappedList, MappingKind};
use crate::error::StoreError;
use crate::filter::Condition;
use crate::record::{HttpExchange, NotificationRecord, RecordingRecord};
use crate::resource::{Damaged, Described, Description};
use crate::studio::{ExecutionRecord, Flow};
use crate::value::Value;
use crate::write::MappingView;

/// A page of a list. Rows are newest first, as SIDs carry their time. The cursor is a row's SID and not a number of
/// rows, so that inserted rows do not shift a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// Most rows, 1 to [`shared::limits::REST_PAGE_MAX`].
    pub size: u32,
    /// Where the page begins.
    pub cursor: Cursor,
}

/// Where a page begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cursor {
    /// At the list's beginning.
    #[default]
    Start,
    /// After the row with these SID bits.
    After(u128),
    /// The page that ends right before the row with these SID bits.
    Before(u128),
}

/// Rows of a list, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows of the page, in the order of the list.
    pub rows: Vec<T>,
    /// True where rows come before these.
    pub has_previous: bool,
    /// True where rows come after these.
    pub has_next: bool,
}

impl<T> Page<T> {
    /// The same page with every row changed.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page {
            rows: self.rows.into_iter().map(change).collect(),
            has_previous: self.has_previous,
            has_next: self.has_next,
        }
    }
}

/// Reads committed state, and history that waits for the writer. A read that begins after a [`crate::Reply`] or a
/// webhook was sent sees all that it said.
///
/// A resource of an account other than the given one is `None`, so that its existence does not leak.
///
/// # Errors
/// Every method fails with [`StoreError::CannotRead`], and only when the disk or the file is at fault.
pub trait Reader {
    /// Values of the row of a described kind that has this SID and, if given, this owner: first those of the columns,
    /// then those of the derived fields that are not live.
    fn row(
        &self,
        description: &'static Description,
        owner: Option<u128>,
        sid: u128,
    ) -> Result<Option<Vec<Value>>, StoreError>;
    /// Values, as [`Reader::row`] gives them, of the rows of a described kind that have this owner and meet every
    /// condition. The caller has checked that the owner is the account's.
    fn rows(
        &self,
        description: &'static Description,
        owner: u128,
        conditions: &[Condition],
        page: PageRequest,
    ) -> Result<Page<Vec<Value>>, StoreError>;
    /// An account, whatever its parent. For authentication.
    fn account(&self, sid: AccountSid) -> Result<Option<Account>, StoreError>;
    /// One list mapped to one domain.
    fn mapping(
        &self,
        account: AccountSid,
        domain: DomainSid,
        list: MappedList,
    ) -> Result<Option<MappingView>, StoreError>;
    /// A registered contact. The caller has checked that the domain is the account's.
    fn binding(
        &self,
        domain: DomainSid,
        sid: BindingSid,
    ) -> Result<Option<BindingRecord>, StoreError>;
    /// A call, live or ended.
    fn call(&self, account: AccountSid, sid: CallSid) -> Result<Option<CallRecord>, StoreError>;
    /// A conference, live or ended.
    fn conference(
        &self,
        account: AccountSid,
        sid: ConferenceSid,
    ) -> Result<Option<ConferenceRecord>, StoreError>;
    /// The JSON of an ended call's timeline.
    fn timeline(&self, account: AccountSid, call: CallSid) -> Result<Option<String>, StoreError>;
    /// An execution of a flow.
    fn execution(
        &self,
        account: AccountSid,
        sid: ExecutionSid,
    ) -> Result<Option<ExecutionRecord>, StoreError>;
    /// Numbers of the revisions that a flow keeps, at most [`shared::limits::FLOW_REVISIONS_MAX`].
    fn flow_revisions(&self, flow: FlowSid) -> Result<Vec<u64>, StoreError>;
    /// Addresses whose calls walk the flow's newest revision, separated by blanks.
    fn flow_test_users(&self, flow: FlowSid) -> Result<String, StoreError>;
    /// A flow as it was in a revision.
    fn flow_revision(&self, flow: FlowSid, number: u64) -> Result<Option<Flow>, StoreError>;
    /// A recording's metadata, also of a deleted one.
    fn recording(
        &self,
        account: AccountSid,
        sid: RecordingSid,
    ) -> Result<Option<RecordingRecord>, StoreError>;
    /// A notification.
    fn notification(
        &self,
        account: AccountSid,
        sid: NotificationSid,
    ) -> Result<Option<NotificationRecord>, StoreError>;

    /// Lists of one kind mapped to a domain, by the SID of the list.
    fn mappings(
        &self,
        account: AccountSid,
        domain: DomainSid,
        kind: MappingKind,
        page: PageRequest,
    ) -> Result<Page<MappingView>, StoreError>;
    /// Contacts registered at a domain that meet every condition. The caller has checked that the domain is the
    /// account's, and excludes those that have expired.
    fn bindings(
        &self,
        domain: DomainSid,
        conditions: &[Condition],
        page: PageRequest,
    ) -> Result<Page<BindingRecord>, StoreError>;
    /// Calls of an account that meet every condition.
    fn calls(
        &self,
        account: AccountSid,
        conditions: &[Condition],
        page: PageRequest,
    ) -> Result<Page<CallRecord>, StoreError>;
    /// Conferences of an account that meet every condition.
    fn conferences(
        &self,
        account: AccountSid,
        conditions: &[Condition],
        page: PageRequest,
    ) -> Result<Page<ConferenceRecord>, StoreError>;
    /// Executions of an account that meet every condition.
    fn executions(
        &self,
        account: AccountSid,
        conditions: &[Condition],
        page: PageRequest,
    ) -> Result<Page<ExecutionRecord>, StoreError>;
    /// Recordings of an account that meet every condition.
    fn recordings(
        &self,
        account: AccountSid,
        conditions: &[Condition],
        page: PageRequest,
    ) -> Result<Page<RecordingRecord>, StoreError>;
    /// Notifications of an account that meet every condition.
    fn notifications(
        &self,
        account: AccountSid,
        conditions: &[Condition],
        page: PageRequest,
    ) -> Result<Page<NotificationRecord>, StoreError>;
    /// HTTP exchanges of a call, by their ids.
    fn exchanges(
        &self,
        account: AccountSid,
        call: CallSid,
        page: PageRequest,
    ) -> Result<Page<HttpExchange>, StoreError>;
}

impl dyn Reader + '_ {
    /// The resource that has this SID and, if given, this owner: an account, or the list it belongs to.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn resource<R: Described>(
        &self,
        owner: Option<u128>,
        sid: u128,
    ) -> Result<Option<R>, StoreError> {
        Ok(self.row(&R::DESCRIPTION, owner, sid)?.map(R::from_values).transpose()?)
    }

    /// A page of an owner's resources of one kind. The caller has checked that the owner is the account's.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn resources<R: Described>(
        &self,
        owner: u128,
        page: PageRequest,
    ) -> Result<Page<R>, StoreError> {
        let Page { rows, has_previous, has_next } = self.rows(&R::DESCRIPTION, owner, &[], page)?;
        let rows = rows.into_iter().map(R::from_values).collect::<Result<_, _>>()?;
        Ok(Page { rows, has_previous, has_next })
    }
}

impl From<Damaged> for StoreError {
    fn from(damaged: Damaged) -> Self {
        Self::CannotRead(damaged.to_string())
    }
}
