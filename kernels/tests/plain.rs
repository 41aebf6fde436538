//! Values as bytes, and the layouts that both sides compare.

use std::mem::{offset_of, size_of};

use proptest::prelude::*;
use resident_kernels::prelude::*;
use resident_kernels::wire;

#[derive(Plain, Debug, Clone, PartialEq)]
#[repr(C)]
struct Inner {
    a: u8,
    b: [i16; 3],
}

#[derive(State, Debug, Clone, PartialEq)]
#[also(Reply, Emit)]
#[repr(C)]
struct Outer {
    first: u8,
    second: u64,
    inner: [Inner; 2],
    third: f32,
    fourth: i128,
    last: u8,
}

#[derive(Message, Debug, Clone, PartialEq)]
#[reply(Outer)]
#[repr(C)]
struct Pair(u16, f64);

#[derive(Message)]
struct Empty;

#[derive(Message)]
struct Braces {}

prop_compose! {
    fn inner()(a: u8, b: [i16; 3]) -> Inner { Inner { a, b } }
}
prop_compose! {
    fn outer()(first: u8, second: u64, x in inner(), y in inner(), third in -1e30f32..1e30, fourth: i128, last: u8) -> Outer {
        Outer { first, second, inner: [x, y], third, fourth, last }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 8 } else { 256 }, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_encoded_is_decoded(value in outer(), shift in 0usize..16) {
        let mut bytes = vec![0xaa; shift + size_of::<Outer>() + 3];
        value.encode(&mut bytes[shift..]);
        prop_assert_eq!(&Outer::decode(&bytes[shift..]), &value);
        prop_assert_eq!(&bytes[shift + size_of::<Outer>()..], &[0xaa; 3], "nothing is written behind the value");
    }

    #[test]
    fn any_bytes_are_a_value_and_the_padding_is_zero(bytes in proptest::collection::vec(any::<u8>(), size_of::<Outer>())) {
        let mut once = vec![0xff; size_of::<Outer>()];
        Outer::decode(&bytes).encode(&mut once);
        let mut twice = vec![0x00; size_of::<Outer>()];
        Outer::decode(&once).encode(&mut twice);
        prop_assert_eq!(&once, &twice);
        prop_assert_eq!(&once[1..8], &[0; 7]);
        prop_assert_eq!(&once[offset_of!(Outer, last) + 1..], &[0; 15]);
    }
}

#[test]
fn bytes_are_those_of_the_value_in_memory() {
    let pair = Pair(0x1234, 2.5);
    let mut bytes = [0xff; size_of::<Pair>()];
    pair.encode(&mut bytes);
    assert_eq!(bytes[..8], [0x34, 0x12, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bytes[8..], 2.5f64.to_le_bytes());
}

#[test]
fn a_message_without_fields_has_no_bytes() {
    Empty.encode(&mut []);
    Braces {}.encode(&mut []);
    assert_eq!(size_of::<Empty>(), 0);
    let _ = (Empty::decode(&[]), Braces::decode(&[]));
    assert_eq!(<Empty as Message>::NAME, "Empty");
}

/// The same fields in another order, under another name, of another type: each another layout.
#[test]
fn layouts_tell_types_apart() {
    mod a {
        #[derive(resident_kernels::Plain)]
        #[repr(C)]
        pub struct Same {
            pub x: u32,
            pub y: u32,
        }
    }
    mod b {
        #[derive(resident_kernels::Plain)]
        #[repr(C)]
        pub struct Same {
            pub x: u32,
            pub y: u32,
        }
    }
    mod order {
        #[derive(resident_kernels::Plain)]
        #[repr(C)]
        pub struct Same {
            pub y: u32,
            pub x: u32,
        }
    }
    mod sign {
        #[derive(resident_kernels::Plain)]
        #[repr(C)]
        pub struct Same {
            pub x: u32,
            pub y: i32,
        }
    }
    mod wide {
        #[derive(resident_kernels::Plain)]
        #[repr(C, align(16))]
        pub struct Same {
            pub x: u32,
            pub y: u32,
        }
    }
    assert_eq!(a::Same::LAYOUT, b::Same::LAYOUT);
    let others = [order::Same::LAYOUT, sign::Same::LAYOUT, wide::Same::LAYOUT, <[u32; 2]>::LAYOUT, <[u32; 3]>::LAYOUT, u64::LAYOUT];
    for (i, layout) in others.iter().enumerate() {
        assert_ne!(*layout, a::Same::LAYOUT);
        assert!(!others[..i].contains(layout));
    }
}

#[test]
fn an_emitted_type_is_known_by_name_and_layout() {
    let expected = wire::fold(Outer::LAYOUT, wire::digest(b"Outer")) as u32;
    assert_eq!(<Outer as Emit>::TYPE, expected);
    assert_eq!(<Outer as Emit>::NAME, "Outer");
}
