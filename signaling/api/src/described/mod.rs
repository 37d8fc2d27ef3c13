//! Every resource that its description in `store` says all about: found by its path, and its five verbs.
//!
//! The description decides the path, the parameters, the filters and the JSON; the rules that need the stored state
//! come later, with the write. So a new kind of resource changes nothing here.

mod given;
mod json;
mod live;
mod openapi;
mod path;

use store::{Condition, Described, Description, Page, Post, Posts, ResourceKey, Write, WriteError};

use crate::auth::unreadable;
use crate::context::{
    Answered, CollectionVerb, Context, InstanceVerb, READ_OR_WRITE, READ_WRITE_OR_DELETE,
};
use crate::filters;
use crate::lookup::{found, sid_bits};
use crate::paging::{ListRow, paging};
use crate::rendering::DescribedRows;
use crate::request::Method;
use crate::response::method_not_allowed;
pub(crate) use given::read as given_of;
pub(crate) use json::{json, json_of};
pub(crate) use live::with_figures;
pub use openapi::openapi_paths;
use path::Found;

/// Answers a request to a described resource; `None` where the path, given from below the version, leads to none.
pub(crate) fn answer(context: &Context<'_>, path: &[&str]) -> Option<Answered> {
    let found = path::find(path)?;
    // A POST that does not create a row has a route of its own.
    if found.posts == Posts::Elsewhere && found.sid.is_none() && context.method == Method::Post {
        return None;
    }
    Some(match found.sid {
        None => collection(context, &found),
        Some(sid) => instance(context, &found, sid),
    })
}

fn collection(context: &Context<'_>, found: &Found<'_>) -> Answered {
    let description = found.description;
    // Before the path's SIDs are read: a key learns nothing about them.
    if description.needs_auth_token {
        context.must_be_main_credentials()?;
    }
    let list = list_of(found)?;
    match context.collection_verb()? {
        CollectionVerb::List => {
            owner_must_be_there(context, description, list)?;
            let owner = list.unwrap_or(context.account.sid.0);
            page(context, found, owner)
        }
        CollectionVerb::Create => {
            if found.posts == Posts::OfOperator {
                context.must_be_operator()?;
            }
            // Whether the list exists is for the plan: it looks in the newest snapshot, where a read here
            // could be older.
            let given = given::read(&context.form, description, found.view, Post::Create)?;
            context.create(Write::Create { list, given })
        }
    }
}

fn instance(context: &Context<'_>, found: &Found<'_>, sid: &str) -> Answered {
    let description = found.description;
    if description.needs_auth_token {
        context.must_be_main_credentials()?;
    }
    let list = list_of(found)?;
    let sid = sid_bits(sid, description.prefix())?;
    let allow = if description.deletes { READ_WRITE_OR_DELETE } else { READ_OR_WRITE };
    match context.instance_verb_of(allow)? {
        InstanceVerb::Fetch => {
            owner_must_be_there(context, description, list)?;
            fetch(context, description, list, sid)
        }
        InstanceVerb::Update => {
            let given = given::read(&context.form, description, None, Post::Update)?;
            // The login and not the account of the path: a parent may set what the sub-account may not
            // (rest.md 4).
            let by = Some(context.login.account.sid);
            context.update(Write::Update { list, sid, given, by })
        }
        InstanceVerb::Delete if description.deletes => {
            let key = ResourceKey { kind: description.kind, sid };
            context.delete(Write::Delete { list, key })
        }
        // A row that is never deleted answers so whether it exists or not.
        InstanceVerb::Delete => Err(method_not_allowed(allow)),
    }
}

fn page(context: &Context<'_>, found: &Found<'_>, owner: u128) -> Answered {
    let (description, key) = (found.description, found.list_key);
    let paging = paging(&context.form)?;
    let mut conditions = filters::conditions(&context.form, description.filters)?;
    conditions.extend(found.view.map(|view| Condition::equal(view.column, view.value)));
    let page = context.reader.rows(description, owner, &conditions, paging.request);
    let page = page.map_err(unreadable)?;
    if description.is_live() {
        return live::ask(
            context,
            DescribedRows { description, rows: page, list: Some((paging, key)) },
        );
    }
    let page = page.map(|values| list_row(description, values));
    context.ok(&paging.v2010(context.frame, key, page))
}

fn fetch(
    context: &Context<'_>,
    description: &'static Description,
    list: Option<u128>,
    sid: u128,
) -> Answered {
    let account = context.account.sid.0;
    // The path's account has been found already, and it belongs to no other by which it could be.
    let is_account = description.lists_owner && sid == account;
    let owner = (!is_account).then(|| list.unwrap_or(account));
    let values = found(context.reader.row(description, owner, sid))?;
    if description.is_live() {
        let rows = Page { rows: vec![values], has_previous: false, has_next: false };
        return live::ask(context, DescribedRows { description, rows, list: None });
    }
    context.ok(&json(description, values))
}

/// A row of the account.
pub(crate) fn row<R: Described>(context: &Context<'_>, sid: u128) -> Result<Option<R>, WriteError> {
    let account = Some(context.account.sid.0);
    let values = context.reader.row(&R::DESCRIPTION, account, sid).map_err(unreadable)?;
    values
        .map(|values| R::from_values(values).map_err(|error| unreadable(error.into())))
        .transpose()
}

fn list_row(description: &'static Description, values: Vec<store::Value>) -> ListRow {
    // The first column is the SID; `json` takes the values, so it is read before.
    let bits = values.first().and_then(store::Value::sid_bits).unwrap_or_default();
    ListRow { json: json(description, values), prefix: description.prefix(), bits }
}

/// Checks that the account owns a row. Do this before reading what belongs to the row, which is found by its SID
/// alone.
pub(crate) fn must_be_there<R: Described>(
    context: &Context<'_>,
    sid: u128,
) -> Result<(), WriteError> {
    let account = Some(context.account.sid.0);
    found(context.reader.row(&R::DESCRIPTION, account, sid)).map(drop)
}

/// Checks that the account owns the list of the path, where the path has one.
fn owner_must_be_there(
    context: &Context<'_>,
    description: &'static Description,
    list: Option<u128>,
) -> Result<(), WriteError> {
    let Some(list) = list else { return Ok(()) };
    let account = Some(context.account.sid.0);
    found(context.reader.row(description.owned_by.description(), account, list)).map(drop)
}

/// Bits of the list that the path names; `None` where the account owns the rows.
fn list_of(found: &Found<'_>) -> Result<Option<u128>, WriteError> {
    let prefix = found.description.owned_by.description().prefix();
    found.list.map(|list| sid_bits(list, prefix)).transpose()
}
