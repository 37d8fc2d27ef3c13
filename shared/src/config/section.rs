//! The declaration of a section of the settings, from which its type, its reader and its reference
//! entries are derived: a setting is written once. Pure.

use super::layers::{Layers, Problem};

/// One setting as declared: what `config show` and the nearest-key search work on.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Section and key with a dot between; `*` stands for a name or a number.
    pub key: &'static str,
    /// Keys that it had in earlier versions: still accepted, with a warning.
    pub former: &'static [&'static str],
    /// The default as TOML text.
    pub default: &'static str,
    /// The meaning, in a sentence with a leading blank.
    pub doc: &'static str,
    /// The form of a value, as in "expected SHAPE".
    pub shape: &'static str,
}

/// A table of the settings file as a type. Implemented by [`section!`] only.
pub(super) trait Section: Sized {
    /// The declarations, in the order of the reference page.
    const SETTINGS: &'static [Setting];

    /// Reads the table of that name (`sip`, `edges.frankfurt`, `trunk.0`); pushes a problem for each
    /// value of the wrong shape, and then gives `None`.
    fn read(layers: &Layers, table: &str, problems: &mut Vec<Problem>) -> Option<Self>;

    /// Reads every table below `section`, each with its name or number; those with problems are left out.
    fn read_named(
        layers: &Layers,
        section: &str,
        problems: &mut Vec<Problem>,
    ) -> Vec<(String, Self)> {
        let mut read = |name| {
            let table = Self::read(layers, &format!("{section}.{name}"), problems)?;
            Some((name, table))
        };
        layers.names_below(section).into_iter().filter_map(&mut read).collect()
    }
}

/// Declares a section: `Type in "name"`, or `Type in "name.*"` for one that stands once per name or
/// number. A key has its sentence, its type and its default as TOML text; `was former` after the key
/// gives the name it had in earlier versions.
macro_rules! section {
    (
        $(#[$meta:meta])*
        $Section:ident in $path:literal {
            $( $(#[doc = $doc:literal])+ $key:ident $(was $former:ident)?: $Type:ty = $default:literal, )+
        }
    ) => {
        $(#[$meta])*
        pub struct $Section { $( $(#[doc = $doc])+ pub $key: $Type, )+ }

        impl $crate::config::section::Section for $Section {
            const SETTINGS: &'static [$crate::config::section::Setting] = &[ $(
                $crate::config::section::Setting {
                    key: concat!($path, ".", stringify!($key)),
                    former: &[ $( concat!($path, ".", stringify!($former)) )? ],
                    default: $default,
                    doc: concat!($($doc),+),
                    shape: <$Type as $crate::config::value::SettingValue>::SHAPE,
                },
            )+ ];

            fn read(
                layers: &$crate::config::layers::Layers,
                table: &str,
                problems: &mut Vec<$crate::config::layers::Problem>,
            ) -> Option<Self> {
                // Every key is read before any is unwrapped, so that one run names all mistakes.
                $( let $key = layers.read(&format!("{table}.{}", stringify!($key)), problems); )+
                Some(Self { $( $key: $key?, )+ })
            }
        }
    };
}
pub(super) use section;
