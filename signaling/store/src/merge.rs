//! A page of a list whose rows are partly on disk and partly waiting for the writer. Pure.
//!
//! The waiting rows are few and known whole; the database is read page by page. A waiting row hides the version on
//! disk, so a page from disk may shrink when the two are merged: then the next page is read, until enough rows are
//! kept or the disk has no more.

use std::collections::{BTreeMap, BTreeSet};

use shared::AccountSid;

use crate::change::Change;
use crate::error::StoreError;
use crate::history::{HistoryQueue, RowKey, RowKind};
use crate::read::{Cursor, Page, PageRequest};

/// Rows of history that are not on disk yet, as readers see them.
///
/// A reader asks here first and the database next: a row that is written in between is in both.
pub trait Unwritten: Send + Sync {
    /// The newest version of a row, where one waits.
    fn row(&self, key: RowKey) -> Option<Change>;
    /// All rows of one kind and account whose bits are within the bounds, both included.
    fn rows(&self, kind: RowKind, account: AccountSid, bounds: (u128, u128))
    -> Vec<(u128, Change)>;
}

impl Unwritten for HistoryQueue {
    fn row(&self, key: RowKey) -> Option<Change> {
        Self::row(self, key).cloned()
    }

    fn rows(
        &self,
        kind: RowKind,
        account: AccountSid,
        bounds: (u128, u128),
    ) -> Vec<(u128, Change)> {
        Self::rows(self, kind, account, bounds, usize::MAX)
    }
}

/// One page of the rows in `unwritten` and those that `read` finds on disk.
///
/// `unwritten` has the waiting rows within [`bounds`] of the page's cursor; `None` for a row that does not belong
/// to the list, though an older version on disk may. `read` returns pages of the list as it is on disk, `bits`
/// the SID by which a row is ordered.
///
/// # Errors
/// Those of `read`.
pub fn merge<T>(
    page: PageRequest,
    unwritten: Vec<(u128, Option<T>)>,
    bits: impl Fn(&T) -> u128,
    mut read: impl FnMut(PageRequest) -> Result<Page<T>, StoreError>,
) -> Result<Page<T>, StoreError> {
    // The usual case, as the queue drains with each commit: the page on disk is the answer.
    if unwritten.is_empty() {
        return read(page);
    }
    let size = page.size as usize;
    let backwards = matches!(page.cursor, Cursor::Before(_));
    // Also rows that wait and do not meet the filters hide their version on disk, which may meet them.
    let hidden: BTreeSet<u128> = unwritten.iter().map(|(bits, _)| *bits).collect();
    let mut rows: BTreeMap<u128, T> =
        unwritten.into_iter().filter_map(|(bits, row)| Some((bits, row?))).collect();
    // Rows on disk beyond this one may all be hidden, so that "more on disk" need not mean more to show.
    let hides_beyond = |last: u128| match backwards {
        true => hidden.range(last..).next().is_some(),
        false => hidden.range(..last).next().is_some(),
    };
    let (mut cursor, mut kept) = (page.cursor, 0);
    let more_on_disk = loop {
        let found = read(PageRequest { cursor, ..page })?;
        let last = if backwards { found.rows.first() } else { found.rows.last() };
        let last = last.map(&bits);
        let more = if backwards { found.has_previous } else { found.has_next };
        debug_assert!(found.rows.len() <= size, "a page has at most the rows asked for");
        debug_assert!(
            found.rows.windows(2).all(|pair| bits(&pair[0]) > bits(&pair[1])),
            "a page is newest first, each row once"
        );
        for row in found.rows {
            let bits = bits(&row);
            if !hidden.contains(&bits) {
                rows.insert(bits, row);
                kept += 1;
            }
        }
        match last {
            // Read on while the page is short, and while the rows that the disk still has may all be hidden
            // ones: `more` must not promise a next page that would be empty.
            Some(last) if more && (kept < size || rows.len() <= size && hides_beyond(last)) => {
                cursor = if backwards { Cursor::Before(last) } else { Cursor::After(last) };
            }
            _ => break more,
        }
    };
    let more = more_on_disk || rows.len() > size;
    // Newest first; the page before a cursor is the one nearest to it.
    let mut rows: Vec<T> = match backwards {
        true => rows.into_values().take(size).collect(),
        false => rows.into_values().rev().take(size).collect(),
    };
    if backwards {
        rows.reverse();
        // The row of the cursor comes after this page, so there is a next one.
        return Ok(Page { rows, has_previous: more, has_next: true });
    }
    Ok(Page { rows, has_previous: page.cursor != Cursor::Start, has_next: more })
}

/// Lowest and highest bits that the rows at a cursor and beyond it can have.
pub fn bounds(cursor: Cursor) -> (u128, u128) {
    match cursor {
        Cursor::Start => (0, u128::MAX),
        Cursor::After(bits) => (0, bits.saturating_sub(1)),
        Cursor::Before(bits) => (bits.saturating_add(1), u128::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A list on disk: even numbers, newest first.
    fn disk(rows: &[u128], request: PageRequest) -> Page<u128> {
        let (first, last) = bounds(request.cursor);
        let mut found: Vec<u128> =
            rows.iter().copied().filter(|row| (first..=last).contains(row)).collect();
        found.sort_unstable();
        let backwards = matches!(request.cursor, Cursor::Before(_));
        if !backwards {
            found.reverse();
        }
        let more = found.len() > request.size as usize;
        found.truncate(request.size as usize);
        if backwards {
            found.reverse();
            return Page { rows: found, has_previous: more, has_next: true };
        }
        let has_previous = request.cursor != Cursor::Start;
        Page { rows: found, has_previous, has_next: more }
    }

    fn page_of(stored: &[u128], waiting: &[(u128, bool)], size: u32, cursor: Cursor) -> Page<u128> {
        let (first, last) = bounds(cursor);
        let inside = waiting.iter().filter(|(bits, _)| (first..=last).contains(bits));
        let unwritten = inside.map(|(bits, fits)| (*bits, fits.then_some(*bits))).collect();
        merge(PageRequest { size, cursor }, unwritten, |bits| *bits, |p| Ok(disk(stored, p)))
            .expect("readable")
    }

    #[test]
    fn a_row_that_waits_is_listed_once_and_hides_its_older_version() {
        let page = page_of(&[1, 2, 3], &[(2, false), (3, true), (4, true)], 9, Cursor::Start);
        assert_eq!(page, Page { rows: vec![4, 3, 1], has_previous: false, has_next: false });
    }

    #[test]
    fn a_page_is_full_although_rows_on_disk_are_hidden() {
        let stored: Vec<u128> = (0..10).collect();
        let waiting: Vec<_> = (4..10).map(|bits| (bits, false)).collect();
        let page = page_of(&stored, &waiting, 2, Cursor::Start);
        assert_eq!((page.rows, page.has_next), (vec![3, 2], true));
        let page = page_of(&stored, &waiting, 2, Cursor::Before(1));
        assert_eq!((page.rows, page.has_previous), (vec![3, 2], false));
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(256))]

        #[test]
        fn pages_in_both_directions_are_the_list_whatever_is_where(
            stored in proptest::collection::btree_set(0_u128..40, 0..30),
            waiting in proptest::collection::btree_map(0_u128..40, proptest::bool::ANY, 0..30),
            size in 1_u32..6,
        ) {
            let stored: Vec<u128> = stored.into_iter().collect();
            let hidden = |bits: &u128| waiting.contains_key(bits);
            let mut list: Vec<u128> = stored.iter().copied().filter(|bits| !hidden(bits)).collect();
            list.extend(waiting.iter().filter(|(_, fits)| **fits).map(|(bits, _)| *bits));
            list.sort_unstable_by(|a, b| b.cmp(a));
            let waiting: Vec<(u128, bool)> = waiting.into_iter().collect();

            let (mut forwards, mut cursor) = (Vec::new(), Cursor::Start);
            loop {
                let page = page_of(&stored, &waiting, size, cursor);
                forwards.extend(page.rows.iter().copied());
                match page.rows.last() {
                    Some(last) if page.has_next => cursor = Cursor::After(*last),
                    _ => break,
                }
            }
            proptest::prop_assert_eq!(&forwards, &list);

            let (mut backwards, mut cursor) = (Vec::new(), Cursor::Before(0));
            if list.last() == Some(&0) {
                list.pop();
            }
            loop {
                let page = page_of(&stored, &waiting, size, cursor);
                backwards.splice(0..0, page.rows.iter().copied());
                match page.rows.first() {
                    Some(first) if page.has_previous => cursor = Cursor::Before(*first),
                    _ => break,
                }
            }
            proptest::prop_assert_eq!(&backwards, &list);
        }
    }
}
