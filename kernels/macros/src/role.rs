//! The derives: a struct and its roles.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{DeriveInput, Error, Fields, Token, Type, parse_macro_input};

use crate::plain;

/// What a struct is for.
#[derive(Clone, Copy, PartialEq)]
pub enum Role {
    State,
    Message,
    Reply,
    Emit,
}

impl Role {
    fn of(name: &Ident) -> Option<Role> {
        [("State", Role::State), ("Message", Role::Message), ("Reply", Role::Reply), ("Emit", Role::Emit)]
            .into_iter()
            .find_map(|(n, role)| (name == n).then_some(role))
    }

    fn what(self) -> &'static str {
        match self {
            Role::State => "a state",
            Role::Message => "a message",
            Role::Reply => "a reply",
            Role::Emit => "an emitted message",
        }
    }
}

/// Expands the derive of `role`, or of `Plain` alone.
pub fn derive(input: proc_macro::TokenStream, role: Option<Role>) -> proc_macro::TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    let what = role.map_or("a plain struct", Role::what);
    let mut out = TokenStream::new();
    let fields = match plain::fields(&input, what) {
        Ok(fields) => {
            out.extend(plain::implement(&input, &fields));
            fields
        }
        Err(error) => {
            out.extend(error.into_compile_error());
            out.extend(plain::refuse(&input));
            if !input.generics.params.is_empty() {
                return out.into();
            }
            match &input.data {
                syn::Data::Struct(data) => data.fields.clone(),
                _ => Fields::Unit,
            }
        }
    };
    match roles(&input, role) {
        Ok(roles) => {
            for role in roles {
                out.extend(implement(&input, &fields, role));
            }
        }
        Err(error) => out.extend(error.into_compile_error()),
    }
    out.into()
}

fn roles(input: &DeriveInput, role: Option<Role>) -> Result<Vec<Role>, Error> {
    let mut roles = Vec::from_iter(role);
    if let Some(also) = plain::attribute(&input.attrs, "also") {
        for name in also.parse_args_with(Punctuated::<Ident, Token![,]>::parse_terminated)? {
            let also = Role::of(&name).ok_or_else(|| Error::new_spanned(&name, "a role is `State`, `Message`, `Reply` or `Emit`"))?;
            if roles.contains(&also) {
                return Err(Error::new_spanned(&name, "this role is there already: leave it out here"));
            }
            roles.push(also);
        }
    }
    if let Some(reply) = plain::attribute(&input.attrs, "reply")
        && !roles.contains(&Role::Message)
    {
        return Err(Error::new_spanned(reply, "`#[reply(..)]` is for a `#[derive(Message)]`: leave it out here"));
    }
    Ok(roles)
}

fn implement(input: &DeriveInput, fields: &Fields, role: Role) -> TokenStream {
    let name = &input.ident;
    let text = name.to_string();
    let payload = quote!(::resident_kernels::wire::MAX_PAYLOAD);
    let small = |instead| plain::fits(name, role.what(), &payload, "960 bytes", instead);
    match role {
        Role::State => {
            let limit = quote!(::resident_kernels::wire::MAX_STATE);
            let fits = plain::fits(name, role.what(), &limit, "64 KiB", "divide it among several actors");
            quote! {
                #fits
                #[automatically_derived]
                impl ::resident_kernels::actor::State for #name {
                    const NAME: &'static str = #text;
                }
            }
        }
        Role::Message => message(input, fields, &small("send it in parts")),
        Role::Reply => {
            let fits = small("answer in parts");
            quote! {
                #fits
                #[automatically_derived]
                impl ::resident_kernels::actor::Reply for #name {}
            }
        }
        Role::Emit => {
            let fits = small("emit it in parts");
            quote! {
                #fits
                #[automatically_derived]
                impl ::resident_kernels::actor::Emit for #name {
                    const NAME: &'static str = #text;
                    const TYPE: u32 = ::resident_kernels::wire::fold(
                        <#name as ::resident_kernels::plain::Plain>::LAYOUT,
                        ::resident_kernels::wire::digest(#text.as_bytes()),
                    ) as u32;
                }
            }
        }
    }
}

fn message(input: &DeriveInput, fields: &Fields, fits: &TokenStream) -> TokenStream {
    let name = &input.ident;
    let text = name.to_string();
    let reply = match plain::attribute(&input.attrs, "reply").map(|a| a.parse_args::<Type>()) {
        None => syn::parse_quote!(()),
        Some(Ok(ty)) => ty,
        Some(Err(error)) => return Error::new(error.span(), "name the reply's type: `#[reply(Totals)]`").into_compile_error(),
    };
    let assigned = quote_spanned!(reply.span()=> type Reply = #reply;);
    let shape = if fields.is_empty() { quote!(unit) } else { quote!(fields) };
    let shape_macro = format_ident!("__resident_message_{}", name);
    quote! {
        #fits
        #[automatically_derived]
        impl ::resident_kernels::actor::Message for #name {
            #assigned
            const NAME: &'static str = #text;
        }
        #[automatically_derived]
        impl ::resident_kernels::__private::ReplyOf<#name> for #reply {}

        ::resident_kernels::__actix! {
            #[automatically_derived]
            impl ::resident_kernels::__private::actix::Message for #name {
                type Result = ::core::result::Result<#reply, ::resident_kernels::host::GpuFault>;
            }
        }

        // The struct's name as a macro tells `#[actor]`, which only knows that name, whether it has fields.
        #[doc(hidden)]
        #[allow(unused_macros)]
        macro_rules! #shape_macro {
            ($($rest:tt)*) => { ::resident_kernels::__private::__message_enum! { #shape $($rest)* } };
        }
        #[doc(hidden)]
        #[allow(unused_imports)]
        pub(crate) use #shape_macro as #name;
    }
}
