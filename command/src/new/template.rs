//! The templates, as they stand in `command/templates`.

use clap::ValueEnum;
use serde::Serialize;

/// What a new application does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Template {
    /// Answers clients over TCP from a supervised actor.
    Service,
    /// Spawns many actors as a group, and asks all of them.
    Group,
    /// Keeps accounts as ordinary actors of actix's.
    Actix,
}

/// A file's path within its template, and its text.
type Files = [(&'static str, &'static str)];

/// The files of a template; one more in its folder is one more line here.
macro_rules! files {
    ($template:literal) => {
        files!($template: ".gitignore" "Cargo.toml.liquid" "actors/Cargo.toml.liquid" "actors/build.rs" "actors/src/lib.rs" "src/main.rs")
    };
    ($template:literal: $($path:literal)*) => {
        &[$(($path, include_str!(concat!("../../templates/", $template, "/", $path)))),*]
    };
}

impl Template {
    /// Its files. Those named `.liquid` have placeholders, and lose that ending.
    pub(crate) fn files(self) -> &'static Files {
        match self {
            Template::Service => files!("service"),
            Template::Group => files!("group"),
            Template::Actix => files!("actix"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    fn below(folder: &Path, base: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => below(&path, base, found),
                false => _ = found.insert(path.strip_prefix(base).unwrap().to_str().unwrap().into()),
            }
        }
    }

    #[test]
    fn the_templates_are_what_is_in_their_folders() {
        let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
        let mut folders = BTreeSet::new();
        for template in Template::value_variants() {
            let name = template.to_possible_value().unwrap().get_name().to_owned();
            let (base, mut there) = (templates.join(&name), BTreeSet::new());
            below(&base, &base, &mut there);
            let known: BTreeSet<String> = template.files().iter().map(|(path, _)| (*path).into()).collect();
            assert_eq!(there, known, "{name}");
            folders.insert(name);
        }
        let there = fs::read_dir(&templates).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(folders, there);
    }

    /// cargo-generate reads every file, and takes `{{..}}` and `{%..%}` for its own.
    #[test]
    fn the_only_placeholder_is_the_name_of_the_project() {
        for (path, text) in Template::value_variants().iter().flat_map(|template| template.files()) {
            let rest = text.replace("{{project-name}}", "");
            assert_eq!(path.ends_with(".liquid"), rest != *text, "{path}");
            assert!(!rest.contains("{{") && !rest.contains("{%") && !rest.contains("}}"), "{path}");
        }
    }
}
