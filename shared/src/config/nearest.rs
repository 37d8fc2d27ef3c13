//! Keys that are not settings, and the nearest key that is. Pure.

use super::layers::{Layers, Origin, Problem};
use super::{declared, setting};

impl Layers {
    /// A problem for every key that is not a setting, naming the nearest that is.
    pub(super) fn unknown_keys(&self) -> Vec<Problem> {
        let unknown = self.keys().filter(|(key, _)| setting(key).is_none());
        let tables = self.empty_tables().filter(|(key, _)| !is_section(key));
        unknown.chain(tables).map(|(key, origin)| unknown_key(key, origin)).collect()
    }
}

fn unknown_key(key: &str, origin: &Origin) -> Problem {
    let hint = match is_section(key) {
        true => format!(": it is a section, its keys are written `{key}.name`"),
        false => nearest(key).map_or_else(String::new, |near| format!("; did you mean `{near}`?")),
    };
    Problem { origin: origin.clone(), text: format!("`{key}` is not a setting{hint}") }
}

fn is_section(key: &str) -> bool {
    let declared = declared().any(|setting| {
        let mut pattern = setting.key.split('.');
        key.split('.').all(|part| pattern.next().is_some_and(|want| want == "*" || want == part))
    });
    declared && setting(key).is_none()
}

/// The known key with the fewest edits between; names that stand for `*` are kept as typed. A right name
/// in the wrong section is one edit away, however unlike the sections are.
fn nearest(key: &str) -> Option<String> {
    let name_of = |key: &str| key.rsplit('.').next().map(str::to_owned);
    let distance = |candidate: &String| match name_of(candidate) == name_of(key) {
        true => edit_distance(candidate, key).min(1),
        false => edit_distance(candidate, key),
    };
    let candidates = declared().map(|setting| with_names(setting.key, key));
    candidates.min_by_key(distance)
}

/// A pattern with its `*` filled from the key, or with `NAME` where the key is too short.
pub(super) fn with_names(pattern: &str, key: &str) -> String {
    let mut parts = key.split('.');
    let filled = pattern.split('.').map(|want| match (want, parts.next()) {
        ("*", Some(part)) => part,
        ("*", None) => "NAME",
        (want, _) => want,
    });
    filled.collect::<Vec<_>>().join(".")
}

/// Levenshtein's distance, in characters; a swap of neighbours counts as one edit.
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut next = vec![i];
        for j in 1..=b.len() {
            let same = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (row[j - 1] + same).min(row[j] + 1).min(next[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_sections_and_names_get_the_nearest_key() {
        let mut layers = Layers::default();
        layers
            .add_file(
                "a.toml",
                "[htpp]\nlisten = []\n[speach]\n[edges.x]\npublic_adress = \"auto\"\n",
            )
            .expect("valid TOML");
        let text: Vec<String> = layers.unknown_keys().iter().map(Problem::to_string).collect();
        assert!(text.iter().any(|text| text.contains("`http.listen`")), "{text:?}");
        assert!(text.iter().any(|text| text.contains("`speach`")), "{text:?}");
        assert!(text.iter().any(|text| text.contains("`edges.x.public_address`")), "{text:?}");
    }
}
