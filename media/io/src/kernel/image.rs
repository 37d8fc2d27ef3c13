//! A BPF program as a value: instruction words and the maps that they name. Sans-IO.

/// A program as the compiler left it. `cargo run -p tidy -- bpf` makes them.
#[derive(Debug)]
pub(super) struct Image {
    /// Instructions; a 64-bit immediate takes two.
    pub words: &'static [u64],
    /// Places of the instructions that name a map, in order.
    pub relocations: &'static [(usize, Target)],
}

/// What an instruction names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The map of legs, for the helper that looks values up.
    Entries,
    /// A byte of the one value of the settings.
    Settings,
    /// The map of interfaces, for the helper.
    Interfaces,
}

impl Image {
    /// The instructions with the file numbers of maps in place.
    pub fn linked(&self, file_of: impl Fn(Target) -> u32) -> Vec<u64> {
        let mut words = self.words.to_vec();
        for &(at, target) in self.relocations {
            let source = match target {
                Target::Entries | Target::Interfaces => MAP_FILE,
                Target::Settings => MAP_VALUE,
            };
            let [low, high] = &mut words[at..at + 2] else { unreachable!("two words follow") };
            // The compiler left the offset into the value in the first half's immediate.
            let offset = *low >> 32;
            *low = *low & 0xFFFF_0FFF | source << 12 | u64::from(file_of(target)) << 32;
            *high |= offset << 32;
        }
        words
    }
}

/// Source register of a 64-bit immediate that is a map (`BPF_PSEUDO_MAP_FD`).
const MAP_FILE: u64 = 1;
/// Source register of one that is the address of a map's value (`BPF_PSEUDO_MAP_VALUE`).
const MAP_VALUE: u64 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_a_value_keeps_its_offset_and_a_map_has_none() {
        let image = Image {
            words: &[0xB7, 0x0000_0010_0000_0318, 0, 0x0000_0000_0000_0118, 0],
            relocations: &[(1, Target::Settings), (3, Target::Entries)],
        };
        let linked = image.linked(|target| if target == Target::Entries { 7 } else { 9 });
        let expected =
            [0xB7, 0x0000_0009_0000_2318, 0x0000_0010_0000_0000, 0x0000_0007_0000_1118, 0];
        assert_eq!(linked, expected);
    }
}
