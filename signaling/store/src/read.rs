//! How lists and resources are read. The trait is the driver's to implement.

use shared::{
    AccountSid, BindingSid, CallSid, ConferenceSid, DomainSid, NotificationSid, RecordingSid,
};

use crate::account::{Account, AccountStatus};
use crate::binding::BindingRecord;
use crate::calls::{CallRecord, CallStatus};
use crate::domain::{Domain, MappedList, MappingKind};
use crate::record::{HttpExchange, NotificationLevel, NotificationRecord, RecordingRecord};
use crate::resource::{Damaged, Described, Description, Value};
use crate::write::{DomainAuth, MappingView};

/// Which rows of a list: rows are newest first (SIDs carry their time), a cursor is a row's SID,
/// so pages stay what they are while rows are inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// Rows at most, 1 to [`shared::limits::REST_PAGE_MAX`].
    pub size: u32,
    /// Where to begin.
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
    /// The rows.
    pub rows: Vec<T>,
    /// Whether rows come before these.
    pub has_previous: bool,
    /// Whether rows come after these.
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

/// A range of Unix milliseconds: from `from_ms` on, and before `before_ms`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeRange {
    /// First millisecond inside.
    pub from_ms: Option<i64>,
    /// First millisecond after.
    pub before_ms: Option<i64>,
}

/// Filters of the account list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountFilter {
    /// Exact.
    pub friendly_name: Option<String>,
    /// Exact.
    pub status: Option<AccountStatus>,
}

/// Filters of the call list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallFilter {
    /// Exact.
    pub to: Option<String>,
    /// Exact.
    pub from: Option<String>,
    /// Exact.
    pub parent: Option<CallSid>,
    /// Exact.
    pub status: Option<CallStatus>,
    /// On [`CallRecord::start_ms`].
    pub start: TimeRange,
    /// On [`CallRecord::end_ms`].
    pub end: TimeRange,
}

/// Filters of recording lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordingFilter {
    /// Exact.
    pub call: Option<CallSid>,
    /// Exact.
    pub conference: Option<ConferenceSid>,
    /// On [`RecordingRecord::created_ms`].
    pub created: TimeRange,
    /// Whether deleted ones are listed too.
    pub include_deleted: bool,
}

/// Filters of notification and alert lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotificationFilter {
    /// Exact.
    pub call: Option<CallSid>,
    /// Exact.
    pub level: Option<NotificationLevel>,
    /// On [`NotificationRecord::created_ms`].
    pub created: TimeRange,
}

/// Why something cannot be read. Ours or the system's fault; the caller hears 503.
#[derive(Debug, thiserror::Error)]
#[error("the store cannot be read: {0}")]
pub struct ReadError(pub String);

/// Reads committed state, and history that is on its way to disk. Whatever a [`crate::Reply`] or a webhook
/// said is visible to a read that begins after it.
///
/// A resource of another account than asked is `None`, so that its existence does not leak.
///
/// # Errors
/// Every method fails only when the store cannot be read.
pub trait Reader {
    /// Values of the row of a described kind that has this SID and, if given, this owner.
    fn row(
        &self,
        description: &'static Description,
        owner: Option<u128>,
        sid: u128,
    ) -> Result<Option<Vec<Value>>, ReadError>;
    /// Values of the rows of a described kind that have this owner; whose that is, the caller has checked.
    fn rows(
        &self,
        description: &'static Description,
        owner: u128,
        page: PageRequest,
    ) -> Result<Page<Vec<Value>>, ReadError>;
    /// An account, whoever its parent is: authentication asks this.
    fn account(&self, sid: AccountSid) -> Result<Option<Account>, ReadError>;
    /// A SIP domain, and which kinds of lists it has for calls.
    fn domain(
        &self,
        account: AccountSid,
        sid: DomainSid,
    ) -> Result<Option<(Domain, DomainAuth)>, ReadError>;
    /// One list mapped to one domain.
    fn mapping(
        &self,
        account: AccountSid,
        domain: DomainSid,
        list: MappedList,
    ) -> Result<Option<MappingView>, ReadError>;
    /// A registered contact; whose domain that is, the caller has checked.
    fn binding(
        &self,
        domain: DomainSid,
        sid: BindingSid,
    ) -> Result<Option<BindingRecord>, ReadError>;
    /// A call, live or ended.
    fn call(&self, account: AccountSid, sid: CallSid) -> Result<Option<CallRecord>, ReadError>;
    /// The JSON of an ended call's timeline.
    fn timeline(&self, account: AccountSid, call: CallSid) -> Result<Option<String>, ReadError>;
    /// A recording's metadata, a deleted one's too.
    fn recording(
        &self,
        account: AccountSid,
        sid: RecordingSid,
    ) -> Result<Option<RecordingRecord>, ReadError>;
    /// A notification.
    fn notification(
        &self,
        account: AccountSid,
        sid: NotificationSid,
    ) -> Result<Option<NotificationRecord>, ReadError>;

    /// The account itself and its sub-accounts.
    fn accounts(
        &self,
        account: AccountSid,
        filter: &AccountFilter,
        page: PageRequest,
    ) -> Result<Page<Account>, ReadError>;
    /// SIP domains of an account.
    fn domains(
        &self,
        account: AccountSid,
        page: PageRequest,
    ) -> Result<Page<(Domain, DomainAuth)>, ReadError>;
    /// Lists of one kind mapped to a domain, by the SID of the list.
    fn mappings(
        &self,
        account: AccountSid,
        domain: DomainSid,
        kind: MappingKind,
        page: PageRequest,
    ) -> Result<Page<MappingView>, ReadError>;
    /// Contacts that are registered at a domain at that moment (Unix milliseconds), of one user or
    /// of all; whose domain that is, the caller has checked.
    fn bindings(
        &self,
        domain: DomainSid,
        user: Option<&str>,
        unix_ms: i64,
        page: PageRequest,
    ) -> Result<Page<BindingRecord>, ReadError>;
    /// Calls of an account.
    fn calls(
        &self,
        account: AccountSid,
        filter: &CallFilter,
        page: PageRequest,
    ) -> Result<Page<CallRecord>, ReadError>;
    /// Recordings of an account.
    fn recordings(
        &self,
        account: AccountSid,
        filter: &RecordingFilter,
        page: PageRequest,
    ) -> Result<Page<RecordingRecord>, ReadError>;
    /// Notifications of an account.
    fn notifications(
        &self,
        account: AccountSid,
        filter: &NotificationFilter,
        page: PageRequest,
    ) -> Result<Page<NotificationRecord>, ReadError>;
    /// HTTP exchanges of a call, by their ids.
    fn exchanges(
        &self,
        account: AccountSid,
        call: CallSid,
        page: PageRequest,
    ) -> Result<Page<HttpExchange>, ReadError>;
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
    ) -> Result<Option<R>, ReadError> {
        Ok(self.row(&R::DESCRIPTION, owner, sid)?.map(R::from_values).transpose()?)
    }

    /// A page of an owner's resources of one kind; whose the owner is, the caller has checked.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn resources<R: Described>(
        &self,
        owner: u128,
        page: PageRequest,
    ) -> Result<Page<R>, ReadError> {
        let Page { rows, has_previous, has_next } = self.rows(&R::DESCRIPTION, owner, page)?;
        let rows = rows.into_iter().map(R::from_values).collect::<Result<_, _>>()?;
        Ok(Page { rows, has_previous, has_next })
    }
}

impl From<Damaged> for ReadError {
    fn from(damaged: Damaged) -> Self {
        Self(damaged.to_string())
    }
}
