//! State that few legs need at a time. Sans-IO.

/// Places for the state of legs, one a leg at most. Grows within what was reserved for all legs, so that
/// memory which nobody used is never touched, and nothing is allocated after it was made.
#[derive(Debug)]
pub(crate) struct Spare<T> {
    places: Vec<T>,
    free: Vec<u16>,
}

impl<T> Spare<T> {
    /// For so many legs.
    pub fn new(legs_max: usize) -> Self {
        Self { places: Vec::with_capacity(legs_max), free: Vec::with_capacity(legs_max) }
    }

    /// Puts a value into a place that is free. A leg has one place at most, so there always is one.
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

    /// What lies in a place that was given out.
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
        let mut spare = Spare::new(2);
        let (one, two) = (spare.put('a'), spare.put('b'));
        spare.free(Some(one));
        assert_eq!(spare.put('c'), one);
        assert_eq!(spare.at(Some(one)), Some(&mut 'c'));
        assert_eq!(spare.at(Some(two)), Some(&mut 'b'));
        assert_eq!(spare.at(None), None);
        assert_eq!(spare.len(), 2);
    }

    #[test]
    fn who_has_no_place_gives_none_back_even_when_all_are_free() {
        let mut spare = Spare::new(1);
        let one = spare.put(());
        spare.free(Some(one));
        spare.free(None);
        assert_eq!(spare.put(()), one);
    }
}
