//! The message of the bare peers: a 64-byte line, and how host and GPU hand it over.
//!
//! A line is four chunks of 16 bytes. The last 16 bits of each chunk are a tag; a reader that finds the tag it
//! waits for in all four has the whole line. The GPU reads and writes a chunk in one access; the host writes a
//! line in one where it can (AVX-512), else a chunk's first word before the word that holds the tag.

use std::sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};

/// What [`Line::answer`] adds to the first word of each chunk.
const ADD: u64 = 0x9e37_79b9_7f4a_7c15;
/// What it flips in the second.
const FLIP: u64 = 0x0000_5a5a_5a5a_5a5a;
/// Bits of a chunk's second word below its tag.
pub const MESSAGE_BITS: u64 = 0x0000_ffff_ffff_ffff;

/// A message, its tags included.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line(pub [u64; 8]);

impl Line {
    /// The request that carries `nonce`, below 2^48 - 4: a word of its own in each half chunk.
    #[inline]
    pub fn request(nonce: u64, tag: u16) -> Line {
        let tag = u64::from(tag) << 48;
        Line([nonce, nonce | tag, nonce + 1, (nonce + 1) | tag, nonce + 2, (nonce + 2) | tag, nonce + 3, (nonce + 3) | tag])
    }

    /// The work that every bare peer does: `answer` in peers/peers.cu.
    #[inline]
    pub fn answer(self) -> Line {
        let w = self.0;
        Line([
            w[0].wrapping_add(ADD),
            w[1] ^ FLIP,
            w[2].wrapping_add(ADD),
            w[3] ^ FLIP,
            w[4].wrapping_add(ADD),
            w[5] ^ FLIP,
            w[6].wrapping_add(ADD),
            w[7] ^ FLIP,
        ])
    }

    /// The tags are all `tag`.
    #[inline]
    pub fn tagged(&self, tag: u16) -> bool {
        let tag = u64::from(tag);
        self.0[1] >> 48 == tag && self.0[3] >> 48 == tag && self.0[5] >> 48 == tag && self.0[7] >> 48 == tag
    }

    /// All words less their tags, added up: what the kernel `sink` adds up of its answers.
    pub fn sum(&self) -> u64 {
        self.0.chunks_exact(2).fold(0u64, |sum, c| sum.wrapping_add(c[0]).wrapping_add(c[1] & MESSAGE_BITS))
    }
}

/// A line in memory that the GPU reads or writes.
#[repr(C, align(64))]
#[derive(Default)]
pub struct SharedLine([AtomicU64; 8]);

impl SharedLine {
    /// Writes a line for the GPU.
    #[inline]
    pub fn write(&self, line: &Line) {
        for k in 0..4 {
            self.0[2 * k].store(line.0[2 * k], Relaxed);
            // SYNC chunk: pairs with the GPU's load of the whole chunk (`load` in peers.cu).
            self.0[2 * k + 1].store(line.0[2 * k + 1], Release);
        }
    }

    /// Reads whatever is there, chunk by chunk.
    #[inline]
    pub fn read(&self) -> Line {
        let mut line = Line([0; 8]);
        for k in 0..4 {
            // SYNC chunk: pairs with the GPU's store of the whole chunk (`store` in peers.cu).
            line.0[2 * k + 1] = self.0[2 * k + 1].load(Acquire);
            line.0[2 * k] = self.0[2 * k].load(Relaxed);
        }
        line
    }
}

/// How the host hands lines over. Two ways, so that the fast one is compiled for the machines that have it.
///
/// # Safety
/// Callers make sure that the processor has what the implementation is named after.
pub unsafe trait Handover {
    /// Writes the request that carries `nonce`.
    ///
    /// # Safety
    /// The processor has what this implementation needs.
    unsafe fn request(line: &SharedLine, nonce: u64, tag: u16);
    /// True once the answer to that request is there, and right.
    ///
    /// # Safety
    /// The processor has what this implementation needs.
    unsafe fn answered(line: &SharedLine, nonce: u64, tag: u16) -> bool;
}

/// Word by word: any processor.
pub struct Words;

// SAFETY: needs nothing of the processor.
unsafe impl Handover for Words {
    #[inline(always)]
    unsafe fn request(line: &SharedLine, nonce: u64, tag: u16) {
        line.write(&Line::request(nonce, tag));
    }

    #[inline(always)]
    unsafe fn answered(line: &SharedLine, nonce: u64, tag: u16) -> bool {
        line.read() == Line::request(nonce, tag).answer()
    }
}

/// A line at a time, by AVX-512.
#[cfg(target_arch = "x86_64")]
pub struct Avx512;

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::{ADD, FLIP, SharedLine};
    use core::arch::{asm, x86_64::*};

    /// The second words of the chunks.
    const HIGH: __mmask8 = 0b1010_1010;

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn line(nonce: u64, tag: u16) -> __m512i {
        let words = _mm512_add_epi64(_mm512_set1_epi64(nonce as i64), _mm512_set_epi64(3, 3, 2, 2, 1, 1, 0, 0));
        _mm512_mask_or_epi64(words, HIGH, words, _mm512_set1_epi64((u64::from(tag) << 48) as i64))
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub fn request(to: &SharedLine, nonce: u64, tag: u16) {
        let line = line(nonce, tag);
        // SAFETY: `to` is 64 writable bytes, aligned; its words are atomic, so no reader assumes them still.
        // An instruction of the assembler's, as the memory is shared.
        unsafe { asm!("vmovdqa64 [{to}], {line}", to = in(reg) to.0.as_ptr(), line = in(zmm_reg) line, options(nostack, preserves_flags)) };
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub fn answered(from: &SharedLine, nonce: u64, tag: u16) -> bool {
        let request = line(nonce, tag);
        let answer = _mm512_mask_add_epi64(request, !HIGH, request, _mm512_set1_epi64(ADD as i64));
        let answer = _mm512_mask_xor_epi64(answer, HIGH, answer, _mm512_set1_epi64(FLIP as i64));
        let found: __m512i;
        // SAFETY: `from` is 64 readable bytes, aligned.
        unsafe {
            asm!("vmovdqa64 {found}, [{from}]", from = in(reg) from.0.as_ptr(), found = out(zmm_reg) found, options(nostack, preserves_flags, readonly))
        };
        _mm512_cmpeq_epi64_mask(found, answer) == 0xff
    }
}

// SAFETY: both need AVX-512F, as the name says.
#[cfg(target_arch = "x86_64")]
unsafe impl Handover for Avx512 {
    #[inline(always)]
    unsafe fn request(line: &SharedLine, nonce: u64, tag: u16) {
        // SAFETY: the caller has AVX-512F.
        unsafe { avx512::request(line, nonce, tag) }
    }

    #[inline(always)]
    unsafe fn answered(line: &SharedLine, nonce: u64, tag: u16) -> bool {
        // SAFETY: the caller has AVX-512F.
        unsafe { avx512::answered(line, nonce, tag) }
    }
}

/// Whether [`Avx512`] may be used here.
pub fn has_avx512() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        std::arch::is_x86_feature_detected!("avx512f")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handover<H: Handover>() {
        let line = SharedLine::default();
        for (nonce, tag) in [(1, 1), (77_000, 0xfffe), ((1 << 48) - 5, 0xffff)] {
            // SAFETY: the tests below ask for the processor's features first.
            unsafe { H::request(&line, nonce, tag) };
            assert_eq!(line.read(), Line::request(nonce, tag));
            // SAFETY: as above.
            assert!(!unsafe { H::answered(&line, nonce, tag) }, "a request is not its answer");
            line.write(&line.read().answer());
            assert!(line.read().tagged(tag));
            // SAFETY: as above.
            assert!(unsafe { H::answered(&line, nonce, tag) });
            // SAFETY: as above.
            assert!(!unsafe { H::answered(&line, nonce + 1, tag) });
        }
    }

    #[test]
    fn words_hand_over() {
        handover::<Words>();
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn avx512_hands_over_the_same() {
        if has_avx512() {
            handover::<Avx512>();
        }
    }

    #[test]
    fn a_torn_line_is_not_an_answer() {
        let line = SharedLine::default();
        let answer = Line::request(5, 2).answer();
        let mut torn = answer;
        torn.0[4] = 0;
        torn.0[5] = 0;
        line.write(&torn);
        // SAFETY: `Words` needs nothing.
        assert!(!unsafe { Words::answered(&line, 5, 2) });
        assert!(!torn.tagged(2) && answer.tagged(2));
    }
}
