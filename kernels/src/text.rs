//! The text of a fault, in place.

use core::fmt;
use core::panic::Location;

use crate::wire::MAX_FAULT_TEXT;

/// Writes into bytes and cuts what does not fit at the end of a character.
pub(crate) struct Text<'a> {
    bytes: &'a mut [u8; MAX_FAULT_TEXT],
    len: usize,
    /// Something was cut: what comes after is cut too.
    full: bool,
}

impl<'a> Text<'a> {
    pub(crate) const fn new(bytes: &'a mut [u8; MAX_FAULT_TEXT]) -> Self {
        Text { bytes, len: 0, full: false }
    }

    /// Writes where a panic was raised and what it said; the place first, so that a cut never takes it.
    pub(crate) fn panic(&mut self, place: Option<&Location<'_>>, message: &dyn fmt::Display) {
        // A `Text` never fails.
        let _ = match place {
            Some(place) => fmt::write(self, format_args!("{}:{}:{}: {message}", place.file(), place.line(), place.column())),
            None => fmt::write(self, format_args!("{message}")),
        };
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }
}

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let mut take = if self.full { 0 } else { s.len() };
        let room = MAX_FAULT_TEXT - self.len;
        if take > room {
            take = room;
            while !s.is_char_boundary(take) {
                take -= 1;
            }
            self.full = true;
        }
        if let (Some(to), Some(from)) = (self.bytes.get_mut(self.len..self.len + take), s.as_bytes().get(..take)) {
            to.copy_from_slice(from);
            self.len += take;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::fmt::Write;

    #[test]
    fn a_text_is_cut_at_a_character() {
        let mut bytes = [0; MAX_FAULT_TEXT];
        let mut text = Text::new(&mut bytes);
        text.write_str("a").unwrap();
        for _ in 0..MAX_FAULT_TEXT {
            text.write_str("é").unwrap();
        }
        text.write_str("b").unwrap();
        assert_eq!(text.len(), MAX_FAULT_TEXT - 1, "one byte is left, too small for another é");
        let text = core::str::from_utf8(&bytes[..MAX_FAULT_TEXT - 1]).unwrap();
        assert!(text.starts_with("aéé"));
        assert!(text.ends_with('é'), "after a cut nothing is added");
    }

    #[test]
    fn the_place_of_a_panic_comes_first() {
        let mut bytes = [0; MAX_FAULT_TEXT];
        let mut text = Text::new(&mut bytes);
        let place = Location::caller();
        text.panic(Some(place), &"no such gate");
        let len = text.len();
        let text = core::str::from_utf8(&bytes[..len]).unwrap();
        assert!(text.contains("text.rs:"), "{text}");
        assert!(text.ends_with(": no such gate"), "{text}");
    }
}
