//! From a path to the kind of resource whose description has it.

use store::{Collection, Description, Posts, ResourceKind, View};

/// The resource that a path leads to. Its SIDs are not read yet.
#[derive(Debug)]
pub(super) struct Found<'p> {
    pub description: &'static Description,
    /// Key of the array in a page of the list.
    pub list_key: &'static str,
    /// What a POST of the collection does.
    pub posts: Posts,
    /// The view that the path is of.
    pub view: Option<View>,
    /// The SID of the list that the rows belong to, where it is not the account.
    pub list: Option<&'p str>,
    /// The SID of the row; `None` for the collection.
    pub sid: Option<&'p str>,
}

/// Finds a path, given from below the version.
pub(super) fn find<'p>(path: &[&'p str]) -> Option<Found<'p>> {
    ResourceKind::ALL.iter().find_map(|kind| {
        let description = kind.description();
        // A walk over two dozen short paths: each differs within its first segments. A test asks that no
        // path leads to two kinds.
        let found = |collection: &Collection| {
            let (list, sid) = matches(collection.path, path)?;
            let Collection { list_key, view, posts, .. } = *collection;
            Some(Found { description, list_key, posts, view, list, sid })
        };
        // A path that is a collection's in full goes before a row of another: the last segment of a view stands
        // where a SID may.
        let all = description.collections.iter().filter_map(found);
        let whole = all.clone().find(|found| found.sid.is_none());
        whole.or_else(|| all.clone().find(|found| found.view.is_none()))
    })
}

/// The list and the row that a path names, where it is this collection or a row of it.
fn matches<'p>(collection: &str, path: &[&'p str]) -> Option<(Option<&'p str>, Option<&'p str>)> {
    let mut segments = path.iter().copied();
    let mut list = None;
    for part in collection.split('/') {
        let segment = segments.next()?;
        match part.strip_prefix('{') {
            // The routes have read the account.
            Some("account_sid}") => {}
            Some(_) => list = Some(segment),
            None if part == segment => {}
            None => return None,
        }
    }
    let sid = segments.next();
    segments.next().is_none().then_some((list, sid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_its_kind_with_the_list_and_the_row_it_names() {
        fn found(path: &str) -> Option<(ResourceKind, &str, Option<&str>, Option<&str>)> {
            let path: Vec<&str> = path.split('/').collect();
            let found = find(&path)?;
            Some((found.description.kind, found.list_key, found.list, found.sid))
        }
        let keys = Some((ResourceKind::Key, "signing_keys", None, Some("SK1")));
        assert_eq!(found("Accounts/AC1/SigningKeys/SK1"), keys);
        let addresses = "Accounts/AC1/SIP/IpAccessControlLists/AL1/Addresses";
        let expected = Some((ResourceKind::IpAddress, "ip_addresses", Some("AL1"), None));
        assert_eq!(found(addresses), expected);
        assert_eq!(found("Accounts"), Some((ResourceKind::Account, "accounts", None, None)));
        for path in ["Accounts/AC1/SIP", "Accounts/AC1/SIP/Domains/SD1/Registrations", "Calls"] {
            assert_eq!(found(path), None, "{path}");
        }
    }

    #[test]
    fn no_path_leads_to_two_kinds() {
        let paths: Vec<_> = ResourceKind::ALL
            .iter()
            .flat_map(|kind| kind.description().collections.iter().map(move |it| (*kind, it.path)))
            .collect();
        for (kind, path) in &paths {
            let segments: Vec<&str> = path.split('/').collect();
            let leading = paths.iter().filter(|(_, other)| matches(other, &segments).is_some());
            assert!(leading.clone().all(|(other, _)| other == kind), "{path}");
            assert_eq!(
                find(&segments).map(|found| (found.description.kind, found.sid)),
                Some((*kind, None))
            );
        }
    }
}
