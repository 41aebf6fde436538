//! NVIDIA's assembler, `ptxas`, which says what a function takes: spills in words, the rest in the file that it makes.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use super::cubin::{self, Function};

/// Why nothing was assembled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AssemblerError {
    /// It is not to be found.
    #[error(
        "{what}: `inspect-ptx` needs NVIDIA's assembler. CUDA's toolkit has one, and so has `pip install nvidia-cuda-nvcc`, below \
         site-packages/nvidia; put it on PATH or name it with --ptxas"
    )]
    Missing {
        /// What was looked for.
        what: String,
    },
    /// It could not be run, or no file be written for it.
    #[error("{} could not be used: {why}", .path.display())]
    Refused {
        /// The assembler, or the file.
        path: PathBuf,
        /// The system's word.
        why: io::Error,
    },
    /// It refuses the PTX.
    #[error("{} does not assemble the crate's PTX for {arch}: {said}", .path.display())]
    Failed {
        /// The assembler.
        path: PathBuf,
        /// For which GPU.
        arch: String,
        /// Its words.
        said: String,
    },
    /// It has made something else.
    #[error("what {} has made is not as expected: {why}. Try the one of another CUDA version, 12.4 to 13", .path.display())]
    Unknown {
        /// The assembler.
        path: PathBuf,
        /// In which way.
        why: &'static str,
    },
}

/// Bytes that a function writes to its stack, and reads back, because it has too few registers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Spills {
    pub stores: u32,
    pub loads: u32,
}

/// What has come of some PTX, by the names of its functions.
pub(crate) struct Assembled {
    pub functions: BTreeMap<String, Function>,
    pub spills: BTreeMap<String, Spills>,
}

/// An assembler that is there.
pub(crate) struct Assembler(PathBuf);

impl Assembler {
    /// The one that is asked for, else the one of `PATH`.
    pub(crate) fn find(asked: Option<&Path>) -> Result<Assembler, AssemblerError> {
        if let Some(path) = asked {
            let what = format!("{} is no file", path.display());
            return if path.is_file() { Ok(Assembler(path.into())) } else { Err(AssemblerError::Missing { what }) };
        }
        let folders = env::var_os("PATH").unwrap_or_default();
        let found = env::split_paths(&folders).map(|folder| folder.join("ptxas")).find(|path| path.is_file());
        found.map(Assembler).ok_or_else(|| AssemblerError::Missing { what: "ptxas is not on PATH".into() })
    }

    /// Assembles a file, with at most so many registers a lane.
    pub(crate) fn assemble(&self, ptx: &Path, arch: &str, registers: Option<usize>) -> Result<Assembled, AssemblerError> {
        let Assembler(path) = self;
        let refused = |path: &Path, why| AssemblerError::Refused { path: path.into(), why };
        let folder = tempfile::tempdir().map_err(|why| refused(&env::temp_dir(), why))?;
        let made = folder.path().join("handlers.cubin");
        let mut command = Command::new(path);
        command.args(["--verbose", "--compile-only", "--gpu-name", arch]).arg(ptx).arg("--output-file").arg(&made);
        command.args(registers.map(|registers| format!("--maxrregcount={registers}")));
        let ran = command.stdin(Stdio::null()).output().map_err(|why| refused(path, why))?;
        let said = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
        if !ran.status.success() {
            return Err(AssemblerError::Failed { path: path.clone(), arch: arch.into(), said: said.trim().into() });
        }
        let cubin = fs::read(&made).map_err(|why| refused(&made, why))?;
        let functions = cubin::functions(&cubin).map_err(|why| AssemblerError::Unknown { path: path.clone(), why })?;
        Ok(Assembled { functions, spills: spills(&said) })
    }
}

/// The spills of each function that the assembler's words name.
fn spills(said: &str) -> BTreeMap<String, Spills> {
    let mut all = BTreeMap::new();
    let mut function = None;
    for line in said.lines() {
        if let Some((_, name)) = line.split_once("Function properties for ") {
            function = Some(name.trim().to_owned());
        } else if let Some((stores, loads)) = line.split_once(" bytes spill stores, ") {
            let number = |text: &str| text.rsplit([' ', ',']).next()?.parse().ok();
            let stores = number(stores);
            let loads = loads.strip_suffix(" bytes spill loads").and_then(number);
            if let (Some(name), Some(stores), Some(loads)) = (function.take(), stores, loads) {
                all.insert(name, Spills { stores, loads });
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_assemblers_words_are_read() {
        let said = "\
ptxas info    : 711 bytes gmem
ptxas info    : Function properties for _RNone
    8 bytes stack frame, 0 bytes spill stores, 4 bytes spill loads
ptxas info    : Compile time = 5.748 ms
ptxas info    : Function properties for _RNtwo
    192 bytes stack frame, 60 bytes spill stores, 64 bytes spill loads
    7 bytes stack frame, 7 bytes spill stores, 7 bytes spill loads
";
        let spills = spills(said);
        assert_eq!(spills.len(), 2);
        assert_eq!((spills["_RNone"], spills["_RNtwo"]), (Spills { stores: 0, loads: 4 }, Spills { stores: 60, loads: 64 }));
    }
}
