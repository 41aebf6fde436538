//! `export!`: a handler crate's actors, for the engine and for the application.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Error, Path, Token};

const NO_BUILD_SCRIPT: &str = "its crate has no build script: add a build.rs with `fn main() { resident_build::handlers() }`, \
                               and `resident-build` under [build-dependencies]";

pub fn expand(input: TokenStream) -> TokenStream {
    let actors = match Punctuated::<Path, Token![,]>::parse_terminated.parse2(input) {
        Ok(actors) if actors.is_empty() => {
            return Error::new(proc_macro2::Span::call_site(), "name the crate's actors: `export!(Aircraft, Gate);`").into_compile_error();
        }
        Ok(actors) => actors,
        Err(error) => {
            return Error::new(error.span(), "name the crate's actors, by commas: `export!(Aircraft, Gate);`").into_compile_error();
        }
    };
    let actors: Vec<_> = actors.iter().collect();
    let numbers = 0..actors.len() as u32;
    let (ones_of, widths_of) = (numbers.clone(), numbers.clone());
    let count = actors.len();
    // The crate's build script sets one of them for the compiler, and so for this macro.
    let ptx = if std::env::var_os("RESIDENT_PTX").is_some() {
        quote!(Ptx(::core::include_str!(::core::env!("RESIDENT_PTX"))))
    } else if std::env::var_os("RESIDENT_PTX_MISSING").is_some() {
        quote!(Missing(::core::env!("RESIDENT_PTX_MISSING")))
    } else {
        quote!(Missing(#NO_BUILD_SCRIPT))
    };
    quote! {
        #[cfg(target_arch = "nvptx64")]
        const _: () = {
            #[unsafe(no_mangle)]
            extern "C" fn resident_kind(kind: u32) -> ::core::option::Option<::resident_kernels::actor::Dispatch> {
                match kind {
                    #(#numbers => ::core::option::Option::Some(::resident_kernels::__private::entry::<#actors>),)*
                    _ => ::core::option::Option::None,
                }
            }

            #[unsafe(no_mangle)]
            extern "C" fn resident_kind_one(kind: u32) -> ::core::option::Option<::resident_kernels::actor::DispatchOne> {
                match kind {
                    #(#ones_of => ::core::option::Option::Some(::resident_kernels::__private::entry_one::<#actors>),)*
                    _ => ::core::option::Option::None,
                }
            }

            #[unsafe(no_mangle)]
            extern "C" fn resident_kind_width(kind: u32) -> u32 {
                match kind {
                    #(#widths_of => <#actors as ::resident_kernels::actor::Actor>::KIND.width,)*
                    _ => ::resident_kernels::wire::WIDTH_LANE as u32,
                }
            }

            #[unsafe(no_mangle)]
            extern "C" fn resident_kind_of(fingerprint: u64) -> u32 {
                RESIDENT_MODULE.kinds.iter().position(|kind| kind.fingerprint == fingerprint).map_or(u32::MAX, |kind| kind as u32)
            }

            #[unsafe(no_mangle)]
            #[used]
            static RESIDENT_MODULE: ::resident_kernels::__private::ModuleTable<#count> =
                ::resident_kernels::__private::table([#(::resident_kernels::__private::kind_entry::<#actors>()),*]);
        };

        ::resident_kernels::__host! {
            const _: () = {
                #[::resident_kernels::__private::linkme::distributed_slice(::resident_kernels::host::MODULES)]
                #[linkme(crate = ::resident_kernels::__private::linkme)]
                static MODULE: ::resident_kernels::host::Module = ::resident_kernels::host::Module {
                    krate: ::core::env!("CARGO_PKG_NAME"),
                    kinds: &[#(<#actors as ::resident_kernels::actor::Actor>::KIND),*],
                    ptx: ::resident_kernels::host::Gpu::#ptx,
                };
            };
        }
    }
}
