//! What may cross to the GPU: values that are nothing but their bytes.

use core::mem::size_of;

use crate::wire;

/// A value that crosses to the GPU by its bytes.
///
/// Implemented for integers of a fixed width, floats, arrays and `()`, and by the derives [`State`],
/// [`Message`], [`Reply`], [`Emit`] and, for a struct that is only a field of others, [`Plain`].
///
/// ```
/// use resident_kernels::prelude::*;
///
/// #[derive(Plain, Debug, PartialEq)]
/// #[repr(C)]
/// struct Fix {
///     at: u32,
///     place: [f64; 2],
/// }
///
/// let fix = Fix { at: 7, place: [40.64, -73.78] };
/// let mut bytes = [0xff; size_of::<Fix>()];
/// fix.encode(&mut bytes);
/// assert_eq!(bytes[..8], [7, 0, 0, 0, 0, 0, 0, 0]); // the padding is zero
/// assert_eq!(Fix::decode(&bytes), fix);
/// ```
///
/// [`State`]: derive@crate::State
/// [`Message`]: derive@crate::Message
/// [`Reply`]: derive@crate::Reply
/// [`Emit`]: derive@crate::Emit
/// [`Plain`]: derive@crate::Plain
///
/// # Safety
///
/// Every pattern of `size_of::<Self>()` initialised bytes is a value, the alignment is at most 16, and the
/// type holds no pointer.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot cross to the GPU",
    label = "not a type that is nothing but its bytes",
    note = "use integers of a fixed width (`u32`, `i64`), floats, arrays of them, or a `#[repr(C)]` struct of such with `#[derive(Plain)]`",
    note = "a flag is a `u32`, a text is a `[u8; N]` with its length"
)]
pub unsafe trait Plain: Sized + Send + Sync + 'static {
    /// Digest of the names, types, offsets and size: host and GPU compare it before they speak.
    const LAYOUT: u64;

    /// Writes `size_of::<Self>()` bytes to the front of `out`, padding as zero.
    ///
    /// # Panics
    ///
    /// If `out` is shorter than that.
    fn encode(&self, out: &mut [u8]);

    /// Reads a value from the first `size_of::<Self>()` bytes, at any alignment.
    ///
    /// # Panics
    ///
    /// If `bytes` is shorter than that.
    fn decode(bytes: &[u8]) -> Self;
}

macro_rules! numbers {
    ($($ty:ty)*) => {$(
        // SAFETY: a number of a fixed width has no invalid bit pattern, no pointer, and an alignment of at most 16.
        unsafe impl Plain for $ty {
            const LAYOUT: u64 = wire::fold(wire::digest(stringify!($ty).as_bytes()), size_of::<$ty>() as u64);

            #[inline]
            fn encode(&self, out: &mut [u8]) {
                out[..size_of::<$ty>()].copy_from_slice(&self.to_le_bytes());
            }

            #[inline]
            fn decode(bytes: &[u8]) -> Self {
                let mut own = [0; size_of::<$ty>()];
                own.copy_from_slice(&bytes[..size_of::<$ty>()]);
                <$ty>::from_le_bytes(own)
            }
        }
    )*};
}

numbers!(u8 u16 u32 u64 u128 i8 i16 i32 i64 i128 f32 f64);

// SAFETY: no bytes, so no invalid ones.
unsafe impl Plain for () {
    const LAYOUT: u64 = wire::digest(b"()");

    #[inline]
    fn encode(&self, _: &mut [u8]) {}

    #[inline]
    fn decode(_: &[u8]) -> Self {}
}

// SAFETY: an array is its elements one after another, without padding between them, and aligned as they are.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {
    const LAYOUT: u64 = wire::fold(wire::fold(wire::digest(b"[]"), T::LAYOUT), N as u64);

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        let out = &mut out[..size_of::<Self>()];
        for (i, item) in self.iter().enumerate() {
            item.encode(&mut out[i * size_of::<T>()..(i + 1) * size_of::<T>()]);
        }
    }

    #[inline]
    fn decode(bytes: &[u8]) -> Self {
        let bytes = &bytes[..size_of::<Self>()];
        core::array::from_fn(|i| T::decode(&bytes[i * size_of::<T>()..(i + 1) * size_of::<T>()]))
    }
}
