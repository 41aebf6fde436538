//! Settings from files and from the environment, and where each is from.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::config::error::ConfigError;
use crate::config::knobs::{KNOBS, Knob, PREFIX, nearest, variable};

/// The variable that names a file.
const FILE: &str = "RESIDENT_CONFIG";

/// Variables that are for builds, workers and tests, and set nothing here.
const OTHERS: [&str; 4] = ["RESIDENT_CONFIG", "RESIDENT_NVPTX", "RESIDENT_WORKER", "RESIDENT_WORKER_ALONE"];
const OF_TESTS: &str = "RESIDENT_TEST_";

/// A [`Config`] that is made of settings one upon another, and knows where each is from.
///
/// ```
/// use resident::{Config, Settings};
///
/// let mine = Config { rows: 1024, ..Config::default() };
/// let settings = Settings::of(mine).variables([("RESIDENT_ARENA_BYTES".into(), "1 GiB".into())])?;
/// assert_eq!(settings.config().arena_bytes, 1 << 30);
/// let arena = settings.iter().find(|setting| setting.key == "arena_bytes").unwrap();
/// assert_eq!((arena.value.as_str(), arena.origin.to_string().as_str()), ("1 GiB", "from RESIDENT_ARENA_BYTES"));
/// # Ok::<(), resident::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Settings {
    config: Config,
    /// Of each setting.
    origins: Vec<Origin>,
}

/// Where a setting is from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// The program: a default, or a value of its own.
    Program,
    /// A file.
    File(PathBuf),
    /// A variable of the environment.
    Variable(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Program => write!(f, "the program's own"),
            Origin::File(path) => write!(f, "from {}", path.display()),
            Origin::Variable(name) => write!(f, "from {name}"),
        }
    }
}

/// A setting as it holds.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Its name in files.
    pub key: &'static str,
    /// Its variable.
    pub variable: String,
    /// Its value, as files and variables write it.
    pub value: String,
    /// What it is by default on this machine.
    pub default: String,
    /// Where the value is from.
    pub origin: Origin,
    /// What it is.
    pub what: &'static str,
}

impl Settings {
    /// Begins with a program's own values.
    pub fn of(config: Config) -> Settings {
        Settings { config, origins: vec![Origin::Program; KNOBS.len()] }
    }

    /// Takes the defaults, the file that `RESIDENT_CONFIG` names, and the variables of the environment.
    pub fn load() -> Result<Settings, ConfigError> {
        Settings::of(Config::default()).environment()
    }

    /// Puts the file that `RESIDENT_CONFIG` names above what is there, and the variables of the environment above that.
    pub fn environment(self) -> Result<Settings, ConfigError> {
        let below = match std::env::var_os(FILE).filter(|path| !path.is_empty()) {
            Some(path) => self.file(path)?,
            None => self,
        };
        below.variables(std::env::vars_os())
    }

    /// Puts variables above what is there; those that do not begin with `RESIDENT_` are not looked at.
    pub fn variables(mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Settings, ConfigError> {
        let variables = variables.into_iter().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        for (name, value) in variables.filter(|(name, _)| name.starts_with(PREFIX)) {
            let origin = Origin::Variable(name.clone());
            let known = KNOBS.iter().position(|knob| variable(knob.key) == name);
            match (known, value.to_str()) {
                (Some(at), Some(text)) => self.set(at, text.trim(), origin)?,
                (Some(at), None) => return Err(wrong(&KNOBS[at], &value.to_string_lossy(), "it takes a text of UTF-8", origin)),
                (None, _) if OTHERS.contains(&&*name) || name.starts_with(OF_TESTS) => {}
                (None, _) => {
                    let mut ends = KNOBS.iter().map(|knob| variable(knob.key)[PREFIX.len()..].to_owned());
                    let nearest = nearest(&name[PREFIX.len()..], &mut ends).map(|end| format!("{PREFIX}{end}"));
                    return Err(ConfigError::Unknown { key: name, nearest, origin });
                }
            }
        }
        Ok(self)
    }

    /// Puts a TOML file above what is there.
    #[cfg(feature = "toml")]
    pub fn file(mut self, path: impl AsRef<Path>) -> Result<Settings, ConfigError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|why| ConfigError::File { path: path.into(), why })?;
        let table = text.parse::<toml::Table>();
        let table = table.map_err(|why| ConfigError::Syntax { path: path.into(), why: why.to_string().trim_end().into() })?;
        self.table("", &table, &Origin::File(path.into()))?;
        Ok(self)
    }

    /// Says that there is no TOML here.
    #[cfg(not(feature = "toml"))]
    pub fn file(self, path: impl AsRef<Path>) -> Result<Settings, ConfigError> {
        Err(ConfigError::NoToml(path.as_ref().into()))
    }

    /// Sets what a table of a file has; `above` is its name, and a dot.
    #[cfg(feature = "toml")]
    fn table(&mut self, above: &str, table: &toml::Table, origin: &Origin) -> Result<(), ConfigError> {
        for (name, value) in table {
            let key = format!("{above}{name}");
            let at = KNOBS.iter().position(|knob| knob.key == key);
            let text = match (at, value) {
                (None, toml::Value::Table(within)) => {
                    self.table(&format!("{key}."), within, origin)?;
                    continue;
                }
                (None, _) => {
                    let nearest = nearest(&key, KNOBS.iter().map(|knob| knob.key.to_owned()));
                    return Err(ConfigError::Unknown { key, nearest, origin: origin.clone() });
                }
                (Some(_), toml::Value::String(text)) => text.trim().to_owned(),
                (Some(_), toml::Value::Integer(number)) => number.to_string(),
                (Some(_), toml::Value::Boolean(is)) => is.to_string(),
                (Some(at), other) => {
                    let why = "it takes a text in quotation marks, a whole number, true or false";
                    return Err(wrong(&KNOBS[at], &other.to_string(), why, origin.clone()));
                }
            };
            if let Some(at) = at {
                self.set(at, &text, origin.clone())?;
            }
        }
        Ok(())
    }

    fn set(&mut self, at: usize, text: &str, origin: Origin) -> Result<(), ConfigError> {
        let knob = &KNOBS[at];
        let was_good = self.config.check().is_ok();
        (knob.set)(&mut self.config, text).map_err(|why| wrong(knob, text, &why, origin.clone()))?;
        // A program's own value that no system takes is for its start to say.
        if let (true, Err(why)) = (was_good, self.config.check()) {
            return Err(ConfigError::Value { why, origin });
        }
        self.origins[at] = origin;
        Ok(())
    }

    /// What holds.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What holds, to start a system with.
    pub fn into_config(self) -> Config {
        self.config
    }

    /// Each setting, in the order of [`Config`]'s fields.
    pub fn iter(&self) -> impl Iterator<Item = Setting> + '_ {
        let default = Config::default();
        KNOBS.iter().zip(&self.origins).map(move |(knob, origin)| Setting {
            key: knob.key,
            variable: variable(knob.key),
            value: (knob.get)(&self.config),
            default: (knob.get)(&default),
            origin: origin.clone(),
            what: knob.what,
        })
    }
}

fn wrong(knob: &Knob, given: &str, why: &str, origin: Origin) -> ConfigError {
    ConfigError::Value { why: format!("`{}` is `{given}`: {why}", knob.key), origin }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(all: &[(&str, &str)]) -> Result<Settings, ConfigError> {
        Settings::of(Config::default()).variables(all.iter().map(|(name, value)| (name.into(), value.into())))
    }

    fn said(result: Result<Settings, ConfigError>) -> String {
        result.expect_err("a wrong setting").to_string()
    }

    /// FS-5
    #[test]
    fn what_is_wrong_in_a_variable_is_named() {
        let all = [
            ("RESIDENT_ROWS", " 4096 "),
            ("PATH", "x"),
            ("RESIDENT_NVPTX", "off"),
            ("RESIDENT_TEST_DEVICE", "cpu"),
            ("RESIDENT_WORKER", "1"),
        ];
        assert_eq!(variables(&all).unwrap().config().rows, 4096);
        for (name, value, says) in [
            ("RESIDENT_ROW", "1", "`RESIDENT_ROW` (from RESIDENT_ROW) is no setting: is `RESIDENT_ROWS` meant?"),
            ("RESIDENT_X", "1", "is no setting; `resident config` lists them"),
            ("RESIDENT_COLOUR_OF_THE_SKY", "1", "is no setting; `resident config` lists them"),
            ("RESIDENT_ROWS", "many", "`rows` is `many`: it takes a whole number (from RESIDENT_ROWS)"),
            ("RESIDENT_ROWS", "0", "`rows` is 0: a shard needs at least one row for an actor (from RESIDENT_ROWS)"),
            ("RESIDENT_CAPACITY", "100", "`capacity` is 100: a ring takes a power of two, at least 64; try 128 (from RESIDENT_CAPACITY)"),
            ("RESIDENT_CAPACITY", "4294967295", "a ring takes a power of two, at least 64; try 2147483648"),
            ("RESIDENT_STACK_BYTES", "4 KiB", "`stack_bytes` is 4096: engine and handler need 8192 at least"),
            ("RESIDENT_STACK_BYTES", "4 GiB", "`stack_bytes` is `4 GiB`: it has fewer bytes than 4 GiB"),
            ("RESIDENT_PUMP_THREADS", "0", "`pump.threads` is 0: nobody would fetch replies (from RESIDENT_PUMP_THREADS)"),
            ("RESIDENT_STOP_TIMEOUT", "10", "`stop_timeout` is `10`: it takes a duration with its unit"),
            ("RESIDENT_DEVICE", "cpu", "is no setting: is `RESIDENT_DEVICES` meant?"),
            ("RESIDENT_DEVICES", "gpu", "`devices` is `gpu`: it takes `all`, `auto`, or some of `cpu` and `cuda:0`"),
            ("RESIDENT_DEVICES", "cuda:0, cpu, cuda:0", "`devices` has cuda:0 twice: name each GPU once"),
            ("RESIDENT_DEVICES", "cpu,all", "`devices` has `all` or `auto` beside others"),
            ("RESIDENT_STANDBY", "", "`standby` is ``: it takes `true` or `false`"),
        ] {
            let said = said(variables(&[(name, value)]));
            assert!(said.contains(says), "{said}");
        }
    }

    #[cfg(feature = "toml")]
    fn file(text: &str) -> Result<Settings, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resident.toml");
        std::fs::write(&path, text).unwrap();
        Settings::of(Config::default()).file(path)
    }

    /// FS-5
    #[test]
    #[cfg(feature = "toml")]
    fn what_is_wrong_in_a_file_is_named() {
        let good = "devices = \"cpu\"\nrows = 4_096\narena_bytes = \"1 GiB\"\nstandby = false\n[pump]\nwait = \"yield\"\n\
                    [intensity]\nlosses = 3\nwithin = \"1 min\"\n";
        let settings = file(good).unwrap();
        let set: Vec<_> = settings.iter().filter(|setting| setting.origin != Origin::Program).map(|setting| setting.key).collect();
        assert_eq!(set, ["devices", "rows", "arena_bytes", "pump.wait", "standby", "intensity.losses", "intensity.within"]);
        assert_eq!(settings.config().intensity, (3, std::time::Duration::from_secs(60)));
        for (text, says) in [
            ("row = 1", "`row` (from /"),
            ("row = 1", "is no setting: is `rows` meant?"),
            ("[pump]\nthread = 1", "is no setting: is `pump.threads` meant?"),
            ("rows = 1.5", "`rows` is `1.5`: it takes a text in quotation marks, a whole number, true or false (from /"),
            ("rows = -1", "`rows` is `-1`: it takes a whole number"),
            ("rows = 4294967296", "`rows` is `4294967296`: it is 4294967295 at most"),
            ("rows = 0", "`rows` is 0: a shard needs at least one row for an actor (from /"),
            ("rows = [1]", "`rows` is `[1]`: it takes"),
            ("pump = 1", "`pump` (from /"),
            ("rows =", "are no TOML: TOML parse error at line 1"),
        ] {
            let said = said(file(text));
            assert!(said.contains(says), "{said}");
        }
        let nowhere = Settings::of(Config::default()).file("/nowhere/resident.toml");
        assert!(said(nowhere).contains("the settings of /nowhere/resident.toml cannot be read: No such file"));
    }

    /// FS-5
    #[test]
    #[cfg(feature = "toml")]
    fn the_last_word_holds_and_says_where_it_is_from() {
        let own = Config { rows: 1024, names: 10, nursery: 5, ..Config::default() };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resident.toml");
        std::fs::write(&path, "rows = 2048\nnames = 20").unwrap();
        let settings = Settings::of(own).file(&path).unwrap().variables([("RESIDENT_ROWS".into(), "4096".into())]).unwrap();
        let config = settings.config();
        assert_eq!((config.rows, config.names, config.nursery), (4096, 20, 5));
        let of = |key: &str| settings.iter().find(|setting| setting.key == key).unwrap();
        assert_eq!(of("rows").origin, Origin::Variable("RESIDENT_ROWS".into()));
        assert_eq!((of("names").origin, of("nursery").origin), (Origin::File(path), Origin::Program));
        assert_eq!((&*of("nursery").value, &*of("nursery").default), ("5", "32"));
    }
}
