//! The ractor message enum of an actor.
//!
//! A variant's shape depends on whether its message has fields, and `#[actor]` sees only the message's name.
//! `#[derive(Message)]` knows, and leaves a macro of the struct's name. So the enum is made in steps: `#[actor]`
//! calls the first message's macro with what it knows, that calls `__message_enum!` with the shape in front, and
//! so on until no message is pending.

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Attribute, Error, Path, Type, braced, bracketed, parenthesized};

use crate::actor::Handler;

/// The first step.
pub fn start(actor: &Type, name: &Ident, handlers: &[Handler]) -> TokenStream {
    let enum_name = format_ident!("{name}Msg");
    let pending = handlers.iter().map(|h| {
        let (message, variant, docs) = (&h.message, &h.variant, &h.docs);
        let reply = h.reply.as_ref().map_or_else(TokenStream::new, ToTokens::to_token_stream);
        let docs = if docs.is_empty() {
            let doc = format!("Handled by `{name}::{}`.", h.name);
            quote!(#[doc = #doc])
        } else {
            quote!(#(#docs)*)
        };
        quote!({ (#message) #variant (#reply) [#docs] })
    });
    let first = &handlers[0].message;
    quote! {
        ::resident_kernels::__ractor! {
            #first! { (#actor) #enum_name [] [#(#pending)*] }
        }
    }
}

/// A message and, once known, whether it has fields.
struct Entry {
    message: Path,
    variant: Ident,
    reply: Option<Type>,
    docs: Vec<Attribute>,
}

impl Parse for Entry {
    fn parse(input: ParseStream<'_>) -> Result<Self, Error> {
        let (entry, message, reply, docs);
        braced!(entry in input);
        parenthesized!(message in entry);
        let variant = entry.parse()?;
        parenthesized!(reply in entry);
        bracketed!(docs in entry);
        Ok(Entry {
            message: message.parse()?,
            variant,
            reply: if reply.is_empty() { None } else { Some(reply.parse()?) },
            docs: docs.call(Attribute::parse_outer)?,
        })
    }
}

/// Input: `shape (actor) enum [done..] [pending..]`, where the shape is that of the first pending message.
pub fn step(input: TokenStream) -> TokenStream {
    let parse = |input: ParseStream<'_>| {
        let shape: Ident = input.parse()?;
        let actor: Group = input.parse()?;
        let name: Ident = input.parse()?;
        let done: Group = input.parse()?;
        let pending: Group = input.parse()?;
        Ok((shape, actor, name, done, pending))
    };
    let (shape, actor, name, done, pending) = match parse.parse2(input) {
        Ok(parts) => parts,
        Err(error) => return error.into_compile_error(),
    };
    let mut pending = pending.stream().into_iter();
    let (done, first) = (done.stream(), pending.next());
    let done = quote!(#done #shape #first);
    let pending: Vec<TokenTree> = pending.collect();
    let result = match pending.first() {
        None => (|input: ParseStream<'_>| {
            let mut entries = Vec::new();
            while !input.is_empty() {
                let shape: Ident = input.parse()?;
                entries.push((shape == "fields", input.parse::<Entry>()?));
            }
            syn::parse2(actor.stream()).map(|actor| finish(&actor, &name, &entries))
        })
        .parse2(done),
        Some(next) => syn::parse2::<Entry>(next.to_token_stream()).map(|next| {
            let next = next.message;
            quote!(#next! { #actor #name [#done] [#(#pending)*] })
        }),
    };
    result.unwrap_or_else(Error::into_compile_error)
}

fn finish(actor: &Type, name: &Ident, entries: &[(bool, Entry)]) -> TokenStream {
    let port = quote!(::resident_kernels::__private::ractor::RpcReplyPort);
    let (mut variants, mut names, mut texts) = (Vec::new(), Vec::new(), Vec::new());
    let (mut encodes, mut replying, mut answers, mut casts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (i, (has_fields, Entry { message, variant, reply, docs })) in entries.iter().enumerate() {
        let i = i as u16;
        names.push(quote!(#name::#variant { .. } => #i,));
        let text = variant.to_string();
        texts.push(quote!(#name::#variant { .. } => #text,));
        variants.push(match (has_fields, reply) {
            (true, None) => quote!(#(#docs)* #variant(#message),),
            (true, Some(reply)) => quote!(#(#docs)* #variant(#message, #port<#reply>),),
            (false, None) => quote!(#(#docs)* #variant,),
            (false, Some(reply)) => quote!(#(#docs)* #variant(#port<#reply>),),
        });
        if *has_fields {
            encodes.push(quote! {
                #name::#variant(message, ..) => {
                    ::resident_kernels::plain::Plain::encode(message, out);
                    ::core::mem::size_of::<#message>()
                }
            });
        }
        match (has_fields, reply) {
            (true, Some(_)) => answers.push(quote!(#name::#variant(_, port) => port_of(port),)),
            (false, Some(_)) => answers.push(quote!(#name::#variant(port) => port_of(port),)),
            (true, None) => casts.push(quote! {
                (#i, payload) if payload.len() == ::core::mem::size_of::<#message>() =>
                    #name::#variant(<#message as ::resident_kernels::plain::Plain>::decode(payload)),
            }),
            (false, None) => casts.push(quote!((#i, []) => #name::#variant,)),
        }
        if reply.is_some() {
            replying.push(quote!(#name::#variant { .. }));
        }
    }
    let wants_reply = if replying.is_empty() { quote!(false) } else { quote!(::core::matches!(self, #(#replying)|*)) };
    let doc = format!("The messages of [`{}`], as a ractor actor takes them.", actor.to_token_stream());
    quote! {
        #[doc = #doc]
        #[allow(private_interfaces)]
        pub enum #name {
            #(#variants)*
            /// Came from another node and is no message of this actor.
            #[doc(hidden)]
            __Undeliverable,
        }

        #[automatically_derived]
        impl ::core::fmt::Debug for #name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.write_str(match self {
                    #(#texts)*
                    #name::__Undeliverable => "undeliverable",
                })
            }
        }

        #[automatically_derived]
        impl ::resident_kernels::host::Resident for #actor {
            type Msg = #name;
        }

        #[automatically_derived]
        impl ::resident_kernels::host::Envelope for #name {
            fn index(&self) -> u16 {
                match self {
                    #(#names)*
                    #name::__Undeliverable => u16::MAX,
                }
            }

            #[allow(unused_variables, clippy::match_single_binding)]
            fn encode(&self, out: &mut [u8; ::resident_kernels::wire::MAX_PAYLOAD]) -> usize {
                match self {
                    #(#encodes)*
                    _ => 0,
                }
            }

            fn wants_reply(&self) -> bool {
                #wants_reply
            }

            #[allow(clippy::match_single_binding)]
            fn answer(self) -> ::core::option::Option<::resident_kernels::host::Answer> {
                #[allow(dead_code)]
                fn port_of<R: ::resident_kernels::actor::Reply>(
                    port: #port<R>,
                ) -> ::core::option::Option<::resident_kernels::host::Answer> {
                    ::core::option::Option::Some(::resident_kernels::host::answer_to(port))
                }
                match self {
                    #(#answers)*
                    _ => ::core::option::Option::None,
                }
            }
        }

        #[automatically_derived]
        impl ::resident_kernels::host::Cross for #name {
            fn to_bytes(self) -> ::resident_kernels::__private::std::vec::Vec<u8> {
                ::resident_kernels::host::to_bytes(self)
            }

            fn of_bytes(bytes: ::resident_kernels::__private::std::vec::Vec<u8>) -> Self {
                match ::resident_kernels::host::of_bytes(&bytes) {
                    #(#casts)*
                    _ => #name::__Undeliverable,
                }
            }
        }

        ::resident_kernels::__cross!(#name);
    }
}
