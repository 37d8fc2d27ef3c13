//! Pages of lists, in the envelope of v2010 and in that of v1.
//!
//! A page is addressed by the SID of a row at its border, in `PageToken`; `Page` only numbers it for display. So a page
//! stays the same while newer rows are inserted, and costs the same however far down the list it is.

use std::borrow::Cow;
use std::cmp::Reverse;

use serde_json::{Value, json};
use shared::Code;
use shared::limits::REST_PAGE_MAX;
use store::{Cursor, Page, PageRequest, WriteError};

use crate::form::Form;
use crate::response::{Frame, invalid_parameter};

/// Rows of a page where the request names no size.
const PAGE_SIZE: u32 = 50;

/// The page that a request asks for.
#[derive(Clone, Debug)]
pub(crate) struct Paging {
    pub request: PageRequest,
    /// Number of the page, for display only: the cursor decides.
    number: u64,
    token: Option<String>,
    /// The query, whose filters every link repeats.
    query: Form,
}

/// Reads `PageSize`, `Page` and `PageToken`. A size above 1,000 is cut to that, as the
/// SDKs send any limit that the caller gives.
pub(crate) fn paging(query: &Form) -> Result<Paging, WriteError> {
    let size = match query.value("PageSize") {
        None => PAGE_SIZE,
        Some(text) => {
            // A wide type: SDKs pass any limit on, and a large one is cut and not refused (rest.md 1.2).
            let number: u64 = text.parse().unwrap_or(0);
            if number == 0 {
                return Err(invalid_parameter("PageSize must be a whole number of at least 1"));
            }
            u32::try_from(number).unwrap_or(REST_PAGE_MAX).min(REST_PAGE_MAX)
        }
    };
    let number = match query.value("Page") {
        None => 0,
        Some(text) => text
            .parse::<u32>()
            .map(u64::from)
            .map_err(|_| invalid_parameter("Page must be a whole number"))?,
    };
    let token = query.value("PageToken");
    let cursor = match token {
        Some(token) => cursor(token).ok_or_else(|| {
            WriteError::invalid(Code::PAGE_TOKEN, "PageToken is not a token of this list")
        })?,
        // A number alone would skip or repeat rows while new ones come in.
        None if number > 0 => {
            let message = "A page after the first needs the PageToken of its link";
            return Err(WriteError::invalid(Code::PAGE_WITHOUT_TOKEN, message));
        }
        None => Cursor::Start,
    };
    // Copies, as the page of a live list is made when Control has answered.
    let (token, query) = (token.map(str::to_owned), query.clone());
    Ok(Paging { request: PageRequest { size, cursor }, number, token, query })
}

/// A row of a list: its JSON, and the SID by which a cursor names it.
pub(crate) struct ListRow {
    pub json: Value,
    /// Prefix of the SID, two letters.
    pub prefix: &'static str,
    pub bits: u128,
}

impl Paging {
    /// The page of a list that is whole in memory. Its order is that of `bits`, highest first, by which a cursor names
    /// a row; the row itself may be gone.
    pub(crate) fn page_of<T>(&self, mut rows: Vec<T>, bits: impl Fn(&T) -> u128) -> Page<T> {
        rows.sort_unstable_by_key(|row| Reverse(bits(row)));
        let size = self.request.size as usize;
        let (first, end) = match self.request.cursor {
            Cursor::Start => (0, size),
            Cursor::After(border) => {
                let first = rows.partition_point(|row| bits(row) >= border);
                (first, first + size)
            }
            Cursor::Before(border) => {
                let end = rows.partition_point(|row| bits(row) > border);
                (end.saturating_sub(size), end)
            }
        };
        let (has_previous, has_next) = (first > 0, end < rows.len());
        rows.truncate(end);
        rows.drain(..first);
        Page { rows, has_previous, has_next }
    }

    /// The v2010 envelope: the meta keys and one list. The SDKs take any further key for the list.
    pub(crate) fn v2010(&self, frame: &Frame, key: &str, page: Page<ListRow>) -> Value {
        let start = self.number * u64::from(self.request.size);
        let count = page.rows.len() as u64;
        let links = self.links(&json_path(&frame.path), &page);
        json!({
            "start": if count == 0 { 0 } else { start },
            "end": if count == 0 { 0 } else { start + count - 1 },
            "page": self.number,
            "page_size": self.request.size,
            "uri": links.this,
            "first_page_uri": links.first,
            "next_page_uri": links.next,
            "previous_page_uri": links.previous,
            key: page.rows.into_iter().map(|row| row.json).collect::<Vec<_>>(),
        })
    }

    /// The v1 envelope. Its URLs are absolute, because the SDKs follow them as they are.
    pub(crate) fn v1(&self, frame: &Frame, key: &str, page: Page<ListRow>) -> Value {
        let links = self.links(&format!("{}{}", frame.base, frame.path), &page);
        json!({
            "meta": {
                "key": key,
                "page": self.number,
                "page_size": self.request.size,
                "url": links.this,
                "first_page_url": links.first,
                "next_page_url": links.next,
                "previous_page_url": links.previous,
            },
            key: page.rows.into_iter().map(|row| row.json).collect::<Vec<_>>(),
        })
    }

    fn links(&self, path: &str, page: &Page<ListRow>) -> Links {
        debug_assert!(
            page.rows.len() <= self.request.size as usize,
            "a page has the size asked for"
        );
        debug_assert!(
            page.rows.windows(2).all(|pair| pair[0].bits > pair[1].bits),
            "a page is newest first, or the tokens of its links would skip rows"
        );
        let token = |way: &str, row: &ListRow| format!("{way}{}{:032x}", row.prefix, row.bits);
        let link = |number, token: Option<&str>| self.link(path, number, token);
        let next = page.rows.last().filter(|_| page.has_next).map(|row| token("PA", row));
        let previous = page.rows.first().filter(|_| page.has_previous).map(|row| token("PB", row));
        Links {
            this: link(self.number, self.token.as_deref()),
            first: link(0, None),
            next: next.map(|token| link(self.number + 1, Some(&token))),
            // A page before the first may exist: rows that came in since lie there.
            previous: previous.map(|token| link(self.number.saturating_sub(1), Some(&token))),
        }
    }

    fn link(&self, path: &str, number: u64, token: Option<&str>) -> String {
        let mut link = String::with_capacity(path.len() + 64);
        link.push_str(path);
        link.push('?');
        let start = link.len();
        let mut query = url::form_urlencoded::Serializer::for_suffix(link, start);
        // The filters go on as they came. These three are written anew, the size as it was cut.
        let own = |name: &str| matches!(name, "PageSize" | "Page" | "PageToken");
        query.extend_pairs(self.query.pairs().filter(|(name, _)| !own(name)));
        query.append_pair("PageSize", &self.request.size.to_string());
        query.append_pair("Page", &number.to_string());
        if let Some(token) = token {
            query.append_pair("PageToken", token);
        }
        query.finish()
    }
}

struct Links {
    this: String,
    first: String,
    next: Option<String>,
    previous: Option<String>,
}

/// Reads a token: `PA` and a SID is the page after that row, `PB` and a SID the page that ends before it.
fn cursor(token: &str) -> Option<Cursor> {
    let (way, sid) = (token.get(..2)?, token.get(2..)?);
    let (prefix, digits) = (sid.get(..2)?, sid.get(2..)?);
    // Any prefix is taken: the bits alone order a list, and a page of it holds only its own rows.
    let is_sid = prefix.bytes().all(|byte| byte.is_ascii_uppercase())
        && digits.len() == 32
        && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_sid {
        return None;
    }
    let bits = u128::from_str_radix(digits, 16).ok()?;
    match way {
        "PA" => Some(Cursor::After(bits)),
        "PB" => Some(Cursor::Before(bits)),
        _ => None,
    }
}

/// Links of v2010 end in `.json`, also where the request had no suffix.
fn json_path(path: &str) -> Cow<'_, str> {
    if path.ends_with(".json") { path.into() } else { format!("{path}.json").into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<PageRequest, Code> {
        let query = Form::parse(query.as_bytes());
        paging(&query).map(|paging| paging.request).map_err(|error| error.code)
    }

    #[test]
    fn sizes_are_clamped_and_bad_ones_refused() {
        assert_eq!(read("").unwrap().size, 50);
        assert_eq!(read("PageSize=5000").unwrap().size, 1_000);
        assert_eq!(read("PageSize=99999999999").unwrap().size, 1_000);
        for bad in ["PageSize=0", "PageSize=-1", "PageSize=x"] {
            assert_eq!(read(bad).unwrap_err(), Code::INVALID_PARAMETER, "{bad}");
        }
    }

    #[test]
    fn a_list_in_memory_is_paged_from_its_highest_row_whatever_came_and_went() {
        let page = |query: &str, rows: &[u128]| {
            let paging = paging(&Form::parse(query.as_bytes())).unwrap();
            let page = paging.page_of(rows.to_vec(), |row| *row);
            (page.rows, page.has_previous, page.has_next)
        };
        let rows = [3, 1, 5, 4, 2];
        assert_eq!(page("", &rows), (vec![5, 4, 3, 2, 1], false, false));
        assert_eq!(page("", &[]), (vec![], false, false));
        assert_eq!(page("PageSize=2", &rows), (vec![5, 4], false, true));
        let token = |way: &str, row: u128| format!("PageSize=2&PageToken={way}CA{row:032x}");
        assert_eq!(page(&token("PA", 4), &rows), (vec![3, 2], true, true));
        assert_eq!(page(&token("PA", 4), &[6, 5, 2, 1]), (vec![2, 1], true, false), "4 is gone");
        assert_eq!(page(&token("PA", 1), &rows), (vec![], true, false));
        assert_eq!(page(&token("PB", 3), &rows), (vec![5, 4], false, true));
        assert_eq!(page(&token("PB", 2), &rows), (vec![4, 3], true, true));
        assert_eq!(page(&token("PB", 9), &rows), (vec![], false, true));
    }

    #[test]
    fn a_page_after_the_first_needs_a_token_of_ours() {
        assert_eq!(read("Page=1").unwrap_err(), Code::PAGE_WITHOUT_TOKEN);
        for bad in ["PAxx", "PACA", "XXCA00000000000000000000000000000001", "PA\u{e9}\u{e9}"] {
            assert_eq!(read(&format!("PageToken={bad}")).unwrap_err(), Code::PAGE_TOKEN, "{bad}");
        }
        let good = read("Page=1&PageToken=PACA00000000000000000000000000000001").unwrap();
        assert_eq!(good.cursor, Cursor::After(1));
    }
}
