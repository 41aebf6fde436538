//! `#[actor]`: handlers become a kind.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, Expr, ExprLit, ExprPath, FnArg, ImplItem, ImplItemFn, ItemImpl, Lit, MetaNameValue, Path, ReturnType, Token, Type,
};

use crate::message_enum;

/// What a message may take unless its kind says otherwise.
const BUDGET_MS: u32 = 1000;

const SHAPE: &str = "a handler is `fn name(&mut self, msg: &SomeMessage, ctx: &mut Ctx)`, with `-> Reply` if the message has one";

/// One handler, as its signature says.
pub struct Handler {
    pub name: Ident,
    pub docs: Vec<Attribute>,
    pub message: Path,
    /// The last part of the message's path.
    pub variant: Ident,
    /// `None` for nothing.
    pub reply: Option<Type>,
}

pub fn expand(args: TokenStream, input: TokenStream) -> TokenStream {
    let block: ItemImpl = match syn::parse2(input.clone()) {
        Ok(block) => block,
        Err(_) => {
            let error = Error::new_spanned(
                input.clone(),
                "`#[actor]` goes on the `impl` block that holds an actor's handlers; the state itself has `#[derive(State)]`",
            );
            let error = error.into_compile_error();
            return quote!(#input #error);
        }
    };
    match kind(&args, &block) {
        Ok(kind) => quote!(#block #kind),
        Err(error) => {
            let error = error.into_compile_error();
            quote!(#block #error)
        }
    }
}

/// What stands in the attribute's brackets.
struct Settings {
    budget_ms: u32,
    /// The function that makes a state of an older one.
    migrate: Option<ExprPath>,
    /// One of `resident_kernels::wire::WIDTHS`.
    width: Ident,
}

/// `budget_ms = 250`, `width = warp`, `migrate = path`, some of them or nothing.
fn settings(args: &TokenStream) -> Result<Settings, Error> {
    const TAKES: &str = "`#[actor]` takes `budget_ms = 250`, at least 1, `width = lane`, `warp` or `block`, and \
                         `migrate = path::to::function` in brackets, or nothing";
    let wrong = |span: &dyn ToTokens| Error::new_spanned(span, TAKES);
    let parsed = Punctuated::<MetaNameValue, Token![,]>::parse_terminated.parse2(args.clone()).map_err(|_| wrong(args))?;
    let (mut budget_ms, mut migrate, mut width) = (None, None, None);
    for setting in &parsed {
        match &setting.value {
            Expr::Lit(ExprLit { lit: Lit::Int(millis), .. }) if setting.path.is_ident("budget_ms") && budget_ms.is_none() => {
                budget_ms = Some(millis.base10_parse().ok().filter(|millis| *millis > 0).ok_or_else(|| wrong(millis))?);
            }
            Expr::Path(path) if setting.path.is_ident("width") && width.is_none() => {
                let widths = [("lane", "WIDTH_LANE"), ("warp", "WIDTH_WARP"), ("block", "WIDTH_BLOCK")];
                let name = widths.iter().find(|(said, _)| path.path.is_ident(said)).ok_or_else(|| wrong(path))?.1;
                width = Some(Ident::new(name, path.span()));
            }
            Expr::Path(path) if setting.path.is_ident("migrate") && migrate.is_none() => migrate = Some(path.clone()),
            _ => return Err(wrong(setting)),
        }
    }
    let width = width.unwrap_or_else(|| Ident::new("WIDTH_LANE", Span::call_site()));
    Ok(Settings { budget_ms: budget_ms.unwrap_or(BUDGET_MS), migrate, width })
}

/// The kind's `migrate`: on the GPU nothing refers to the function but the check of its type.
fn migrate(actor: &Type, path: Option<&ExprPath>) -> TokenStream {
    let Some(path) = path else {
        return quote!(
            const MIGRATE: ::core::option::Option<::resident_kernels::actor::Migrate> = ::core::option::Option::None;
        );
    };
    // Said once, at the path, where it has another type.
    let checked = quote_spanned! {path.span()=>
        #[allow(dead_code)]
        const FROM_OLDER: fn(u64, &[u8]) -> ::core::option::Option<#actor> = #path;
    };
    quote! {
        #checked
        #[cfg(target_arch = "nvptx64")]
        const MIGRATE: ::core::option::Option<::resident_kernels::actor::Migrate> = ::core::option::Option::None;
        #[cfg(not(target_arch = "nvptx64"))]
        const MIGRATE: ::core::option::Option<::resident_kernels::actor::Migrate> = {
            fn migrate(layout: u64, old: &[u8], new: &mut [u8]) -> bool {
                FROM_OLDER(layout, old).map(|state| ::resident_kernels::plain::Plain::encode(&state, new)).is_some()
            }
            ::core::option::Option::Some(migrate)
        };
    }
}

fn kind(args: &TokenStream, block: &ItemImpl) -> Result<TokenStream, Error> {
    let Settings { budget_ms, migrate: migration, width } = settings(args)?;
    if let Some((_, path, _)) = &block.trait_ {
        return Err(Error::new_spanned(path, "an actor's handlers are in an `impl` block of its own, not in one of a trait"));
    }
    if let Some(parameter) = block.generics.params.first() {
        return Err(Error::new_spanned(parameter, "an actor has no parameters: its state has one layout on host and GPU"));
    }
    let actor = &block.self_ty;
    let Type::Path(path) = &**actor else {
        return Err(Error::new_spanned(actor, "an actor is a struct with `#[derive(State)]`"));
    };
    let Some(actor_name) = path.path.segments.last().map(|s| &s.ident) else {
        return Err(Error::new_spanned(actor, "an actor is a struct with `#[derive(State)]`"));
    };

    let mut handlers = Vec::new();
    let mut errors: Option<Error> = None;
    for item in &block.items {
        match handler(item, actor_name) {
            Ok(handler) => handlers.push(handler),
            Err(error) => match &mut errors {
                Some(all) => all.combine(error),
                none => *none = Some(error),
            },
        }
    }
    if let Some(errors) = errors {
        return Err(errors);
    }
    if handlers.is_empty() {
        return Err(Error::new_spanned(actor, format!("`{actor_name}` has no handler: {SHAPE}")));
    }
    for (i, handler) in handlers.iter().enumerate() {
        if let Some(first) = handlers[..i].iter().find(|h| h.variant == handler.variant) {
            return Err(Error::new_spanned(
                &handler.message,
                format!("`{}` has a handler already, `{}`: a message has one", handler.variant, first.name),
            ));
        }
    }

    let messages: Vec<_> = handlers.iter().map(|h| &h.message).collect();
    let names = handlers.iter().map(|h| &h.name);
    let replies = handlers.iter().map(|h| h.reply.as_ref().map_or_else(|| quote!(()), ToTokens::to_token_stream));
    let numbers = 0..handlers.len() as u32;
    let handles = messages.iter().zip(0u16..).map(|(message, index)| {
        quote_spanned! {message.span()=>
            #[automatically_derived]
            impl ::resident_kernels::actor::Handles<#message> for #actor {
                const INDEX: u16 = #index;
            }
        }
    });
    let checks = handlers.iter().map(|h| {
        let (message, reply) = (&h.message, h.reply.as_ref());
        match reply {
            Some(reply) => quote_spanned!(reply.span()=> check::<#message, #reply>();),
            None => {
                let nothing = quote_spanned!(h.name.span()=> ());
                quote_spanned!(h.name.span()=> check::<#message, #nothing>();)
            }
        }
    });
    let migration = migrate(actor, migration.as_ref());
    let message_enum = message_enum::start(actor, actor_name, &handlers);

    Ok(quote! {
        const _: () = {
            const MESSAGES: &[::resident_kernels::actor::MessageInfo] =
                &[#(::resident_kernels::actor::MessageInfo::of::<#messages>()),*];
            #migration

            #[automatically_derived]
            impl ::resident_kernels::actor::Actor for #actor {
                const KIND: &'static ::resident_kernels::actor::Kind = &::resident_kernels::actor::Kind {
                    name: <#actor as ::resident_kernels::actor::State>::NAME,
                    fingerprint: ::resident_kernels::__private::kind_fingerprint::<#actor>(::core::module_path!(), MESSAGES),
                    state_bytes: ::core::mem::size_of::<#actor>() as u32,
                    layout: <#actor as ::resident_kernels::plain::Plain>::LAYOUT,
                    migrate: MIGRATE,
                    state_align: ::core::mem::align_of::<#actor>() as u32,
                    width: ::resident_kernels::wire::#width as u32,
                    budget_ms: #budget_ms,
                    messages: MESSAGES,
                    dispatch: ::resident_kernels::__private::entry::<#actor>,
                    dispatch_one: ::resident_kernels::__private::entry_one::<#actor>,
                };

                #[inline(always)]
                fn dispatch(message: u32, call: ::resident_kernels::__private::Call<'_, Self>) -> u64 {
                    match message {
                        #(#numbers => call.handle::<#messages, #replies>(|state, message, ctx| state.#names(message, ctx)),)*
                        _ => ::resident_kernels::__private::UNKNOWN,
                    }
                }
            }

            #(#handles)*

            fn check<M, R: ::resident_kernels::__private::ReplyOf<M>>() {}
            #[allow(dead_code)]
            fn replies() {
                #(#checks)*
            }
        };
        #message_enum
    })
}

fn handler(item: &ImplItem, actor: &Ident) -> Result<Handler, Error> {
    let elsewhere = format!("put it in a second `impl {actor}` block");
    let ImplItem::Fn(ImplItemFn { attrs, sig, .. }) = item else {
        return Err(Error::new_spanned(item, format!("an `#[actor]` block holds handlers and nothing else: {elsewhere}")));
    };
    let name = &sig.ident;
    let helper = format!("{SHAPE}; `{name}` is none. If it is a helper, {elsewhere}");
    if let Some(asyncness) = &sig.asyncness {
        return Err(Error::new_spanned(
            asyncness,
            "a handler runs to its end: write `fn` without `async`. A reply that it waits for comes as a message (`ctx.ask`)",
        ));
    }
    if !sig.generics.params.is_empty() {
        return Err(Error::new_spanned(&sig.generics, helper));
    }
    let mut inputs = sig.inputs.iter();
    match inputs.next() {
        Some(FnArg::Receiver(receiver)) if receiver.reference.is_some() && receiver.colon_token.is_none() => {}
        Some(first) => return Err(Error::new_spanned(first, helper)),
        None => return Err(Error::new_spanned(name, helper)),
    }
    let Some(FnArg::Typed(message)) = inputs.next() else {
        return Err(Error::new_spanned(
            sig,
            format!(
                "`{name}` has no message: {SHAPE}. For a message without contents write `#[derive(Message)] pub struct {};`",
                camel(name)
            ),
        ));
    };
    let message = match &*message.ty {
        Type::Reference(reference) if reference.mutability.is_none() => match &*reference.elem {
            Type::Path(path) if path.qself.is_none() => path.path.clone(),
            other => return Err(Error::new_spanned(other, "the message is a struct with `#[derive(Message)]`")),
        },
        other => {
            let given = other.to_token_stream().to_string().replace("& mut", "&mut");
            return Err(Error::new_spanned(other, format!("a handler takes its message by reference: `&SomeMessage`, not `{given}`")));
        }
    };
    let Some(last) = message.segments.last() else {
        return Err(Error::new_spanned(&message, "the message is a struct with `#[derive(Message)]`"));
    };
    if !last.arguments.is_none() {
        return Err(Error::new_spanned(&message, "a message has no parameters: use a struct with `#[derive(Message)]`"));
    }
    let variant = last.ident.clone();
    match inputs.next() {
        Some(FnArg::Typed(ctx)) if matches!(&*ctx.ty, Type::Reference(r) if r.mutability.is_some()) => {}
        Some(other) => return Err(Error::new_spanned(other, format!("the last argument is `ctx: &mut Ctx`: {SHAPE}"))),
        None => return Err(Error::new_spanned(sig, format!("`{name}` lacks its last argument, `ctx: &mut Ctx`: {SHAPE}"))),
    }
    if let Some(more) = inputs.next() {
        return Err(Error::new_spanned(more, format!("one argument too many: {SHAPE}")));
    }
    let reply = match &sig.output {
        ReturnType::Default => None,
        ReturnType::Type(_, ty) => match &**ty {
            Type::Tuple(tuple) if tuple.elems.is_empty() => None,
            ty => Some(ty.clone()),
        },
    };
    let docs = attrs.iter().filter(|a| a.path().is_ident("doc")).cloned().collect();
    Ok(Handler { name: name.clone(), docs, message, variant, reply })
}

/// `no_name` as a type's name.
fn camel(name: &Ident) -> String {
    name.to_string()
        .split('_')
        .flat_map(|word| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>())
        })
        .collect()
}
