//! `resident config`: the settings that hold for programs that are started here, and where each is from.

use std::path::PathBuf;

use clap::Args;
use resident::{Config, Origin, Setting, Settings};
use serde_json::json;

use crate::error::Error;
use crate::output::{Output, table};

/// Which settings.
#[derive(Args)]
pub(crate) struct Asked {
    /// A TOML file, instead of the one that RESIDENT_CONFIG names.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) form: crate::Form,
}

/// Reads them, and says what holds.
pub(crate) fn config(asked: &Asked) -> Result<Output, Error> {
    let own = Settings::of(Config::default());
    let settings = match &asked.file {
        Some(file) => own.file(file)?.variables(std::env::vars_os())?,
        None => own.environment()?,
    };
    let all: Vec<Setting> = settings.iter().collect();
    let from = |setting: &Setting| match &setting.origin {
        Origin::Program => "default".into(),
        other => other.to_string(),
    };
    let rows = all.iter().map(|setting| {
        let default = if setting.origin == Origin::Program { String::new() } else { format!("{:?}", setting.default) };
        [setting.key.into(), format!("{:?}", setting.value), from(setting), default, setting.what.into()]
    });
    let mut text = table(["SETTING", "VALUE", "FROM", "INSTEAD OF", "WHAT"], rows);
    text += "\nA file has them as `capacity = 512`, the environment as RESIDENT_CAPACITY=512; RESIDENT_CONFIG names the file.\n\
             They hold for programs that call `Config::load()`.\n";
    let told = all.iter().map(|setting| {
        let Setting { key, variable, value, default, what, .. } = setting;
        json!({ "key": key, "variable": variable, "value": value, "default": default, "from": from(setting), "what": what })
    });
    Ok(Output::new(text, &told.collect::<Vec<_>>()))
}
