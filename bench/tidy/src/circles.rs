//! The circles of imports that stand today; the list can only shrink.

use std::path::Path;

use crate::cycles;
use crate::source::ROOT;

/// A circle that waits to be broken.
struct Known {
    package: &'static str,
    /// Relative to the `src` folder of the package.
    files: &'static [&'static str],
    /// What ties the files to each other.
    reason: &'static str,
}

impl Known {
    fn holds(&self, package: &str, path: &str) -> bool {
        let inside = path.strip_prefix(package).and_then(|path| path.strip_prefix("/src/"));
        self.package == package && inside.is_some_and(|inside| self.files.contains(&inside))
    }
}

const KNOWN: &[Known] = &[];

/// Circles of a package, as [`cycles::circles`] returns them.
type Circles = Vec<(String, Vec<Vec<String>>)>;

/// What stands in `found` and not in `known`, and what stands in `known` alone.
fn differences(found: &Circles, known: &[Known]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (package, circles) in found {
        for circle in circles {
            let is_known = |known: &Known| circle.iter().all(|path| known.holds(package, path));
            if !known.iter().any(is_known) {
                wrong.push(format!("these import each other in a circle: {}", circle.join(" ")));
            }
        }
    }
    for Known { package, files, reason } in known {
        for file in *files {
            let path = format!("{package}/src/{file}");
            let circles = found.iter().filter(|(name, _)| name == package);
            if !circles.flat_map(|(_, circles)| circles.iter().flatten()).any(|at| *at == path) {
                wrong.push(format!("{path} is in no circle any more ({reason}): take it off"));
            }
        }
    }
    wrong
}

#[test]
fn no_new_circles() {
    let found = cycles::circles(Path::new(ROOT)).into_iter().collect();
    let wrong = differences(&found, KNOWN);
    assert!(wrong.is_empty(), "move types below what uses them:\n{}", wrong.join("\n"));
}

#[test]
fn the_list_may_shrink_and_must_not_grow() {
    let found = |files: &[&str]| -> Circles {
        let circle = files.iter().map(|file| format!("a/src/{file}")).collect();
        vec![("a".to_owned(), vec![circle])]
    };
    let known = [Known { package: "a", files: &["b.rs", "c.rs", "d.rs"], reason: "why" }];
    assert_eq!(differences(&found(&["b.rs", "c.rs", "d.rs"]), &known), Vec::<String>::new());
    assert_eq!(
        differences(&found(&["b.rs", "c.rs"]), &known),
        ["a/src/d.rs is in no circle any more (why): take it off"]
    );
    assert_eq!(
        differences(&found(&["b.rs", "c.rs", "d.rs", "e.rs"]), &known),
        ["these import each other in a circle: a/src/b.rs a/src/c.rs a/src/d.rs a/src/e.rs"]
    );
    assert_eq!(differences(&Vec::new(), &known).len(), 3);
}
