//! `impl Plain`: a struct as its bytes, field by field.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Error, Fields, Type};

/// The struct's fields, or everything that keeps it from the GPU.
pub fn fields(input: &DeriveInput, what: &str) -> Result<Fields, Error> {
    let name = &input.ident;
    let fields = match &input.data {
        Data::Struct(data) => data.fields.clone(),
        Data::Enum(_) => {
            return Err(Error::new_spanned(
                name,
                format!("{what} is a struct: an enum has bytes that are no value. Use a `u32` that says which, and fields for the rest"),
            ));
        }
        Data::Union(_) => {
            return Err(Error::new_spanned(name, format!("{what} is a struct, not a union: a union has bytes that are no value")));
        }
    };
    let mut errors = Errors::default();
    if let Some(parameter) = input.generics.params.first() {
        errors.add(Error::new_spanned(
            parameter,
            format!("{what} has no parameters: it crosses to the GPU by its bytes, with one layout on both sides. Name the types here; a reference cannot cross"),
        ));
    }
    repr(input, &fields, what, &mut errors);
    for field in &fields {
        owned(&field.ty, what, &mut errors);
    }
    match errors.0 {
        Some(error) => Err(error),
        None => Ok(fields),
    }
}

/// Errors side by side.
#[derive(Default)]
struct Errors(Option<Error>);

impl Errors {
    fn add(&mut self, error: Error) {
        match &mut self.0 {
            Some(all) => all.combine(error),
            none => *none = Some(error),
        }
    }
}

fn repr(input: &DeriveInput, fields: &Fields, what: &str, errors: &mut Errors) {
    let (mut fixed, mut packed) = (fields.is_empty(), None);
    for attribute in input.attrs.iter().filter(|a| a.path().is_ident("repr")) {
        // What is no list here is rustc's to refuse.
        let _ = attribute.parse_nested_meta(|meta| {
            fixed |= meta.path.is_ident("C") || meta.path.is_ident("transparent");
            if meta.path.is_ident("packed") {
                packed = Some(Error::new_spanned(
                    &meta.path,
                    format!("{what} is not packed, because its fields are read in place: write `#[repr(C)]` alone"),
                ));
            }
            if meta.input.peek(syn::token::Paren) {
                let _: proc_macro2::Group = meta.input.parse()?;
            }
            Ok(())
        });
    }
    if !fixed {
        errors.add(Error::new_spanned(
            &input.ident,
            format!(
                "{what} needs `#[repr(C)]`: host and GPU code may come from different compilers, and only then do both lay it out alike"
            ),
        ));
    }
    if let Some(packed) = packed {
        errors.add(packed);
    }
}

/// Refuses what a name alone shows to be no plain type, with a word on what to write instead.
fn owned(ty: &Type, what: &str, errors: &mut Errors) {
    let error = |text: String| Error::new_spanned(ty, text);
    match ty {
        Type::Reference(_) | Type::Ptr(_) => errors.add(error(format!(
            "a reference cannot cross to the GPU, {what} is nothing but its bytes: put the value itself here, or an array like `[u8; 32]`"
        ))),
        Type::BareFn(_) | Type::TraitObject(_) => {
            errors.add(error(format!("a function cannot cross to the GPU, {what} is nothing but its bytes: use a `u32` that says which")));
        }
        Type::Tuple(tuple) if !tuple.elems.is_empty() => {
            errors.add(error("the layout of a tuple is not fixed: use a `#[repr(C)]` struct with `#[derive(Plain)]`".into()));
        }
        Type::Array(array) => owned(&array.elem, what, errors),
        Type::Group(group) => owned(&group.elem, what, errors),
        Type::Paren(paren) => owned(&paren.elem, what, errors),
        Type::Path(path) => {
            let Some(last) = path.path.segments.last() else { return };
            let name = last.ident.to_string();
            let instead = match name.as_str() {
                "Vec" | "VecDeque" | "HashMap" | "BTreeMap" | "HashSet" | "BTreeSet" | "BinaryHeap" => {
                    "it points to memory of the host. Use an array `[T; N]`, and a `u32` for how many are in use"
                }
                "String" | "CString" | "OsString" | "PathBuf" => {
                    "it points to memory of the host. Use a `[u8; N]`, and a `u32` for how many are in use"
                }
                "Box" | "Rc" | "Arc" | "Cow" => "it points to memory of the host. Put the value itself here",
                "Option" => "not all of its bytes are values. Use a `u32` that says whether there is one",
                "bool" => "not all of its bytes are values. Use a `u32`, 0 for false",
                "char" => "not all of its bytes are values. Use a `u32`, and `char::from_u32`",
                "usize" | "isize" => "its size is not fixed. Use `u64` or `i64`",
                _ => return,
            };
            errors.add(error(format!("`{name}` cannot cross to the GPU: {instead}")));
        }
        _ => {}
    }
}

/// `impl Plain for #name`.
pub fn implement(input: &DeriveInput, fields: &Fields) -> TokenStream {
    let name = &input.ident;
    let text = name.to_string();
    let members: Vec<_> = fields.members().collect();
    let types: Vec<_> = fields.iter().map(|f| &f.ty).collect();
    let labels = members.iter().map(|m| match m {
        syn::Member::Named(ident) => ident.to_string(),
        syn::Member::Unnamed(index) => index.index.to_string(),
    });
    let layouts = members.iter().zip(&types).zip(labels).map(|((member, ty), label)| {
        let layout = quote_spanned!(ty.span()=> <#ty as ::resident_kernels::plain::Plain>::LAYOUT);
        quote! {
            hash = ::resident_kernels::wire::fold(hash, ::resident_kernels::wire::digest(#label.as_bytes()));
            hash = ::resident_kernels::wire::fold(hash, ::core::mem::offset_of!(#name, #member) as u64);
            hash = ::resident_kernels::wire::fold(hash, #layout);
        }
    });
    let encodes = members.iter().zip(&types).map(|(member, ty)| {
        let encode = quote_spanned!(ty.span()=> <#ty as ::resident_kernels::plain::Plain>::encode);
        quote! {
            let start = ::core::mem::offset_of!(#name, #member);
            let end = start + ::core::mem::size_of::<#ty>();
            out[at..start].fill(0);
            #encode(&self.#member, &mut out[start..end]);
            at = end;
        }
    });
    let decodes = members.iter().zip(&types).map(|(member, ty)| {
        let decode = quote_spanned!(ty.span()=> <#ty as ::resident_kernels::plain::Plain>::decode);
        quote! {
            #member: {
                let start = ::core::mem::offset_of!(#name, #member);
                #decode(&bytes[start..start + ::core::mem::size_of::<#ty>()])
            },
        }
    });
    quote! {
        // SAFETY: a `repr(C)` struct whose fields are all `Plain`, checked below by calling each; its alignment
        // is asserted with its size.
        #[automatically_derived]
        unsafe impl ::resident_kernels::plain::Plain for #name {
            const LAYOUT: u64 = {
                #[allow(unused_mut)]
                let mut hash = ::resident_kernels::wire::digest(#text.as_bytes());
                #(#layouts)*
                ::resident_kernels::wire::fold(
                    ::resident_kernels::wire::fold(hash, ::core::mem::size_of::<#name>() as u64),
                    ::core::mem::align_of::<#name>() as u64,
                )
            };

            #[inline]
            #[allow(unused_mut, unused_variables, unused_assignments)]
            fn encode(&self, out: &mut [u8]) {
                let out = &mut out[..::core::mem::size_of::<#name>()];
                let mut at = 0;
                #(#encodes)*
                out[at..].fill(0);
            }

            #[inline]
            #[allow(unused_variables)]
            fn decode(bytes: &[u8]) -> Self {
                let bytes = &bytes[..::core::mem::size_of::<#name>()];
                #name { #(#decodes)* }
            }
        }
    }
}

/// `impl Plain` that only keeps the errors of a refused struct from drawing more behind them.
pub fn refuse(input: &DeriveInput) -> TokenStream {
    let name = &input.ident;
    let (with, types, bounds) = input.generics.split_for_impl();
    if !input.generics.params.is_empty() {
        return TokenStream::new();
    }
    quote! {
        // SAFETY: this crate does not compile.
        unsafe impl #with ::resident_kernels::plain::Plain for #name #types #bounds {
            const LAYOUT: u64 = 0;
            fn encode(&self, _: &mut [u8]) {}
            fn decode(_: &[u8]) -> Self { loop {} }
        }
    }
}

/// Asserts size and alignment at the struct's name.
pub fn fits(name: &syn::Ident, what: &str, limit: &TokenStream, bytes: &str, instead: &str) -> TokenStream {
    let large = format!("{what} is at most {bytes}, this one is larger: {instead}");
    let wide = format!("{what} is aligned to at most 16 bytes");
    let span: Span = name.span();
    quote_spanned! {span=>
        const _: () = ::core::assert!(::core::mem::size_of::<#name>() <= #limit, #large);
        const _: () = ::core::assert!(::core::mem::align_of::<#name>() <= 16, #wide);
    }
}

/// The attribute `name` of a struct, if it is there.
pub fn attribute<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a Attribute> {
    attributes.iter().find(|a| a.path().is_ident(name))
}
