//! The parameters of a request: its query, then its form. Pure.

use http::header::CONTENT_TYPE;
use url::form_urlencoded;
use webhook::HostedRequest;

/// Names and values in the order of the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Those of a request. A body counts where it is a form.
    pub fn of(request: &HostedRequest) -> Self {
        let kind = request.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let is_form = kind.is_some_and(|kind| {
            let media_type = kind.split(';').next().unwrap_or_default().trim();
            media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded")
        });
        let form: &[u8] = if is_form { &request.body } else { b"" };
        Self::from_encoded(request.url.query().unwrap_or_default(), form)
    }

    /// Those of a query and a form, both encoded.
    pub fn from_encoded(query: &str, form: &[u8]) -> Self {
        let query = form_urlencoded::parse(query.as_bytes());
        let pairs = query.chain(form_urlencoded::parse(form)).take(PARAMETERS_MAX);
        Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The last value of a name, as with PHP: a field of the form replaces one of the query.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The last value of a name; an empty one counts as none.
    pub fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// A list: `NAME[3]` by its number, `NAME[]` behind the largest number so far (as PHP reads forms), then values of
    /// the bare name. Empty values are left out.
    pub fn list(&self, name: &str) -> Vec<&str> {
        let mut numbered: Vec<(u64, &str)> = Vec::new();
        let mut bare = Vec::new();
        for (known, value) in self.iter() {
            let Some(rest) = known.strip_prefix(name) else { continue };
            let index = rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            match index {
                None if rest.is_empty() => bare.push(value),
                Some("") => {
                    let next = numbered.iter().map(|(number, _)| number + 1).max().unwrap_or(0);
                    numbered.push((next, value));
                }
                // A number of 19 digits fits; the next one after it does, too.
                Some(digits) if digits.len() < 20 => {
                    numbered.extend(digits.parse().ok().map(|number| (number, value)));
                }
                _ => {}
            }
        }
        numbered.sort_by_key(|(number, _)| *number);
        let values = numbered.into_iter().map(|(_, value)| value).chain(bare);
        values.filter(|value| !value.is_empty()).collect()
    }

    /// A map: `NAME[key]` to its value, in order.
    pub fn map(&self, name: &str) -> Vec<(&str, &str)> {
        let keyed = self.iter().filter_map(|(known, value)| {
            let key = known.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']')?;
            Some((key, value))
        });
        keyed.collect()
    }
}

/// Further parameters are ignored. A webhook has about 40; a request of 64 KiB could have 30,000.
const PARAMETERS_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_in_the_order_of_its_numbers_with_bare_values_last() {
        for (query, expected) in [
            ("", &[][..]),
            ("M=a", &["a"]),
            ("M[1]=b&M[0]=a", &["a", "b"]),
            ("M[7]=b&M[]=c&M[2]=a&M=d", &["a", "b", "c", "d"]),
            ("M[]=a&M[]=&M[]=b", &["a", "b"]),
            ("M[x]=a&Mx=b&M[99999999999999999999]=c&M[0]=d", &["d"]),
        ] {
            let parameters = Parameters::from_encoded(query, b"");
            assert_eq!(parameters.list("M"), expected, "{query}");
        }
    }

    #[test]
    fn a_field_of_the_form_replaces_one_of_the_query() {
        let parameters = Parameters::from_encoded("a=1&b=x+y", b"a=2");
        assert_eq!((parameters.get("a"), parameters.get("b")), (Some("2"), Some("x y")));
        let all: Vec<_> = parameters.iter().collect();
        assert_eq!(all, [("a", "1"), ("b", "x y"), ("a", "2")]);
    }

    #[test]
    fn parameters_past_their_bound_are_ignored() {
        let query = "a=1&".repeat(PARAMETERS_MAX + 5);
        assert_eq!(Parameters::from_encoded(&query, b"").iter().count(), PARAMETERS_MAX);
    }
}
