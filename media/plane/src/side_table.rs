//! A slab for state that few legs need at a time. Sans-IO.

/// Places for the state of legs, at most one a leg. Grows within memory that was reserved at the start, so
/// that unused memory is never touched and nothing is allocated after [`SideTable::new`] (I2).
#[derive(Debug)]
pub(crate) struct SideTable<T> {
    places: Vec<T>,
    free: Vec<u16>,
}

impl<T> SideTable<T> {
    /// Reserves places for `max` legs at once; the caller sees to it that no more have one.
    pub fn new(max: usize) -> Self {
        Self { places: Vec::with_capacity(max), free: Vec::with_capacity(max) }
    }

    /// Puts a value into a free place.
    pub fn put(&mut self, value: T) -> u16 {
        match self.free.pop() {
            Some(place) => {
                self.places[usize::from(place)] = value;
                place
            }
            None => {
                debug_assert!(self.places.len() < self.places.capacity(), "I2: it would allocate");
                self.places.push(value);
                (self.places.len() - 1) as u16
            }
        }
    }

    /// The value in a place.
    #[inline]
    pub fn at(&mut self, place: Option<u16>) -> Option<&mut T> {
        self.places.get_mut(usize::from(place?))
    }

    /// Gives a place back.
    pub fn free(&mut self, place: Option<u16>) {
        let Some(place) = place else { return };
        debug_assert!(self.free.len() < self.free.capacity(), "I2: it would allocate");
        debug_assert!(!self.free.contains(&place), "a place was given back twice");
        self.free.push(place);
    }

    /// Places that were ever used.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.places.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_was_given_back_is_used_before_a_new_one() {
        let mut table = SideTable::new(2);
        let (one, two) = (table.put('a'), table.put('b'));
        table.free(Some(one));
        assert_eq!(table.put('c'), one);
        assert_eq!(table.at(Some(one)), Some(&mut 'c'));
        assert_eq!(table.at(Some(two)), Some(&mut 'b'));
        assert_eq!(table.at(None), None);
        assert_eq!(table.len(), 2);
    }

    #[test]
    fn who_has_no_place_gives_none_back_even_when_all_are_free() {
        let mut table = SideTable::new(1);
        let one = table.put(());
        table.free(Some(one));
        table.free(None);
        assert_eq!(table.put(()), one);
    }
}
