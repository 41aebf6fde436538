//! `resident new`: a workspace of two crates, an application and its handlers, which builds and answers a call.
//!
//! Its files are those of a folder of `command/templates`, which cargo-generate reads, too: `{{project-name}}` is the only placeholder.

mod name;
mod template;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf, absolute};

use clap::Args;
use serde::Serialize;

use crate::error::Error;
use crate::output::Output;
pub(crate) use template::Template;

/// The crates of `resident` that a template names, and where they are in a checkout.
const CRATES: [(&str, &str); 3] = [("resident", ""), ("resident-build", "kernels/build"), ("resident-kernels", "kernels")];

/// What is to be made.
#[derive(Args)]
pub(crate) struct New {
    /// The name of the application's crate, and of the folder that is made here.
    #[arg(value_parser = name::checked)]
    name: String,
    /// What the application does.
    #[arg(long, value_enum, default_value_t = Template::Service)]
    template: Template,
    /// Takes `resident` from a checkout, not from crates.io.
    #[arg(long, value_name = "DIR", conflicts_with = "git")]
    path: Option<PathBuf>,
    /// Takes `resident` from a git repository, not from crates.io.
    #[arg(long, value_name = "URL", value_parser = url)]
    git: Option<String>,
    #[command(flatten)]
    pub(crate) form: crate::Form,
}

/// Why a project could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NewError {
    /// The folder has something in it.
    #[error("{} is not empty: choose another name, or another folder to make it in", .0.display())]
    NotEmpty(PathBuf),
    /// There is no checkout.
    #[error("{} is no checkout of resident: it has no {manifest} that can be read ({why})", .dir.display())]
    NoCheckout {
        /// The folder.
        dir: PathBuf,
        /// What it lacks.
        manifest: PathBuf,
        /// The system's word.
        why: io::Error,
    },
    /// The path has no place in a manifest.
    #[error("{} is not UTF-8, as paths in a Cargo.toml are: move the checkout", .0.display())]
    NotText(PathBuf),
    /// The system refuses.
    #[error("{} could not be written: {why}", .path.display())]
    Refused {
        /// What was to be written.
        path: PathBuf,
        /// The system's word.
        why: io::Error,
    },
}

/// Writes a project's folder into this one.
pub(crate) fn new(new: &New) -> Result<Output, Error> {
    let source = source(new)?;
    let folder = PathBuf::from(&new.name);
    let refused = |path: &Path| {
        let path = path.to_owned();
        move |why| NewError::Refused { path, why }
    };
    fs::create_dir_all(&folder).map_err(refused(&folder))?;
    if fs::read_dir(&folder).map_err(refused(&folder))?.next().is_some() {
        return Err(NewError::NotEmpty(folder).into());
    }
    let mut files = Vec::new();
    for (path, text) in new.template.files() {
        let text = text.replace("{{project-name}}", &new.name);
        let (path, text) = match path.strip_suffix(".liquid") {
            Some(path) => (path, source.put(&text)),
            None => (*path, text),
        };
        let to = folder.join(path);
        let parent = to.parent().unwrap_or(&folder);
        fs::create_dir_all(parent).map_err(refused(parent))?;
        // A file that has come there meanwhile is somebody's.
        File::create_new(&to).and_then(|mut file| file.write_all(text.as_bytes())).map_err(refused(&to))?;
        files.push(to);
    }
    let text = format!("{} is there. It runs with or without a GPU:\n\n    cd {0} && cargo run\n", new.name);
    #[derive(Serialize)]
    struct Made<'a> {
        folder: &'a Path,
        template: Template,
        files: &'a [PathBuf],
    }
    Ok(Output::new(text, &Made { folder: &folder, template: new.template, files: &files }))
}

/// Where the project's `resident` comes from.
enum Source {
    Registry,
    Checkout(String),
    Git(String),
}

impl Source {
    /// `manifest` with this source's lines, where it has those of crates.io.
    fn put(&self, manifest: &str) -> String {
        let mut manifest = manifest.to_owned();
        for (name, within) in CRATES {
            let here = match self {
                Source::Registry => return manifest,
                Source::Checkout(dir) => format!("path = {}", quoted(&Path::new(dir).join(within).to_string_lossy())),
                Source::Git(url) => format!("git = {}", quoted(url)),
            };
            let [alone, first] = registry(name);
            manifest = manifest.replace(&alone, &format!("{name} = {{ {here} }}\n")).replace(&first, &format!("{name} = {{ {here},"));
        }
        manifest
    }
}

/// The line that takes one of the crates from crates.io, and how the line begins where the crate's features are named, too.
fn registry(name: &str) -> [String; 2] {
    let version = format!("\"{}\"", env!("CARGO_PKG_VERSION"));
    [format!("{name} = {version}\n"), format!("{name} = {{ version = {version},")]
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn source(new: &New) -> Result<Source, NewError> {
    if let Some(url) = &new.git {
        return Ok(Source::Git(url.clone()));
    }
    let Some(dir) = &new.path else { return Ok(Source::Registry) };
    let dir = absolute(dir).map_err(|why| NewError::NoCheckout { dir: dir.clone(), manifest: "Cargo.toml".into(), why })?;
    for (name, within) in CRATES {
        let manifest = Path::new(within).join("Cargo.toml");
        let read = fs::read_to_string(dir.join(&manifest)).and_then(|text| match text.contains(&format!("name = \"{name}\"\n")) {
            true => Ok(()),
            false => Err(io::Error::other(format!("it is not that of `{name}`"))),
        });
        read.map_err(|why| NewError::NoCheckout { dir: dir.clone(), manifest, why })?;
    }
    dir.into_os_string().into_string().map(Source::Checkout).map_err(|dir| NewError::NotText(dir.into()))
}

/// An address as cargo takes it: one with a scheme.
fn url(text: &str) -> Result<String, String> {
    match text.split_once("://") {
        Some((scheme, rest)) if !scheme.is_empty() && !rest.is_empty() => Ok(text.into()),
        _ => Err("cargo takes a URL, such as https://github.com/resident-rs/resident or ssh://git@host/resident.git".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn each_template_takes_resident_from_where_it_is_asked_to() {
        for template in Template::value_variants() {
            let manifest = template.files().iter().find(|(path, _)| *path == "Cargo.toml.liquid").unwrap().1;
            for (name, within) in CRATES {
                let line = |source: Source| {
                    let manifest: toml::Table = source.put(manifest).parse().unwrap();
                    let line = &manifest["workspace"]["dependencies"][name];
                    let of = |key: &str| line.get(key).and_then(toml::Value::as_str).map(String::from);
                    let features = ["default-features", "features"].map(|key| line.get(key).cloned());
                    (line.as_str().map(String::from).or_else(|| of("version")), of("path"), of("git"), features)
                };
                let (version, path, git, features) = line(Source::Registry);
                assert_eq!((version.as_deref(), path, git), (Some(env!("CARGO_PKG_VERSION")), None, None), "{template:?}: {name}");
                let path = Path::new("/a \"b\"\\c").join(within).to_str().map(String::from);
                assert_eq!(line(Source::Checkout("/a \"b\"\\c".into())), (None, path, None, features.clone()));
                assert_eq!(line(Source::Git("https://a/b".into())), (None, None, Some("https://a/b".into()), features));
            }
        }
    }
}
