//! What the build script of a handler crate says on a machine that lacks something, and that it finds what is installed later.
//!
//! The machines are made up of scripts that answer as cargo, rustc and rustup do.

use std::env;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;

const TARGET: &str = "nvptx64-nvidia-cuda";
/// What rustc would make of a handler crate.
const PTX: &str = "\
.version 7.0
.target sm_80
.visible .func  (.param .b32 func_retval0) resident_kind(
.visible .func  (.param .b64 func_retval0) resident_kind_one(
.visible .func  (.param .b32 func_retval0) resident_kind_of(
.visible .func  (.param .b32 func_retval0) resident_kind_width(
.visible .func  (.param .b64 func_retval0) resident_hlc_merge(
.visible .global .align 8 .b8 RESIDENT_MODULE[40] = {1};
";

/// Held by the one test that runs: what another thread starts would inherit a script that is being written, which nobody can run then.
static ALONE: Mutex<()> = Mutex::new(());

/// A toolchain in use and those of rustup, in a folder.
struct Machine(TempDir, #[expect(dead_code, reason = "held")] MutexGuard<'static, ()>);

impl Machine {
    /// Where rustc is `version` and nothing compiles for a GPU.
    fn bare(version: &str) -> Machine {
        let machine = Machine(tempfile::tempdir().unwrap(), ALONE.lock().unwrap_or_else(PoisonError::into_inner));
        machine.toolchain("used", version);
        let toolchains = machine.path("toolchains");
        let rustup = format!(
            "[ -d {0}/\"$2\" ] || {{ echo \"error: toolchain '$2' is not installed\" >&2; exit 1; }}\nname=$2; shift 2; program=$1; shift\n\
             exec {0}/\"$name\"/bin/\"$program\" \"$@\"",
            toolchains.display()
        );
        machine.script("bin/rustup", &rustup);
        machine.write("handlers.ptx", PTX);
        fs::create_dir_all(machine.path("rustup/update-hashes")).unwrap();
        fs::create_dir_all(machine.path("out")).unwrap();
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn script(&self, name: &str, text: &str) {
        self.write(name, &format!("#!/bin/sh\n{text}\n"));
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Adds a toolchain, as rustup does; the one in use is `used`.
    fn toolchain(&self, name: &str, version: &str) {
        let root = self.path("toolchains").join(name);
        let rustc = format!("case \"$*\" in *sysroot) echo {} ;; *) echo 'rustc {version}' ;; esac", root.display());
        self.script(&format!("toolchains/{name}/bin/rustc"), &rustc);
        let ptx = self.path("handlers.ptx");
        let cargo = format!("for word; do case $word in --emit=asm=*) cp {} ${{word#--emit=asm=}} ;; esac; done", ptx.display());
        self.script(&format!("toolchains/{name}/bin/cargo"), &cargo);
        self.component(name, "rustc");
        self.write(&format!("rustup/update-hashes/{name}"), "");
    }

    /// Adds a component to one.
    fn component(&self, name: &str, component: &str) {
        let rustlib = format!("toolchains/{name}/lib/rustlib");
        match component {
            "rust-src" => self.write(&format!("{rustlib}/src/rust/library/core/Cargo.toml"), ""),
            TARGET => self.write(&format!("{rustlib}/{TARGET}/lib/libcore.rlib"), ""),
            _ => {}
        }
        self.write(&format!("{rustlib}/components"), component);
    }

    /// Runs the build script of a crate `hello-actors`.
    fn runs(&self, wish: &str) -> Output {
        self.runs_in(wish, &self.path("out"))
    }

    fn runs_in(&self, wish: &str, out: &Path) -> Output {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["script", "--exact", "--ignored", "--nocapture"]).env_clear().env("RESIDENT_NVPTX", wish).env("OUT_DIR", out);
        command.env("CARGO", self.path("toolchains/used/bin/cargo")).env("CARGO_MANIFEST_DIR", self.path("crate"));
        command.env("CARGO_PKG_NAME", "hello-actors").env("RUSTUP_HOME", self.path("rustup")).env("PATH", self.search());
        command.output().unwrap()
    }

    /// Its programs, before those of this machine.
    fn search(&self) -> String {
        format!("{}:/usr/bin:/bin", self.path("bin").display())
    }

    /// The host's build goes on, with one warning, which is what a start on a GPU will say.
    fn warns(&self, wish: &str, why: &str) {
        let ran = self.runs(wish);
        let told = text(&ran.stdout);
        let wanted = format!("the handlers of `hello-actors` are not compiled for the GPU: {why}");
        assert!(ran.status.success(), "{ran:?}");
        assert_eq!(said(&told, "cargo:warning="), [&*wanted], "{told}");
        assert_eq!(said(&told, "cargo:rustc-env="), [format!("RESIDENT_PTX_MISSING={wanted}")], "{told}");
    }

    /// The build ends, with these words.
    fn fails(&self, out: &Path, words: &[&str]) {
        let ran = self.runs_in("", out);
        let told = text(&ran.stderr);
        assert_eq!(ran.status.code(), Some(1), "{ran:?}");
        assert!(words.iter().all(|words| told.contains(words)), "{told}");
    }
}

/// What stands behind `key` in the lines that begin so, apart from what the harness of tests writes before them.
fn said<'t>(told: &'t str, key: &str) -> Vec<&'t str> {
    told.lines().filter_map(|line| Some(line.split_once(key)?.1)).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The build script, which tests run in a process of its own.
#[test]
#[ignore = "run by the others"]
fn script() {
    resident_build::handlers();
}

/// FS-2
#[test]
fn what_is_missing_is_warned_of_with_the_command_that_installs_it() {
    const EITHER: &str =
        "run `rustup target add nvptx64-nvidia-cuda`, or `rustup toolchain install nightly --component rust-src`, and build again";
    let bare = Machine::bare("1.95.0 (59807616e 2026-04-14)");
    bare.warns("", EITHER);
    bare.warns("stable", "run `rustup target add nvptx64-nvidia-cuda` and build again (RESIDENT_NVPTX=stable is set)");
    bare.warns("nightly", "run `rustup toolchain install nightly --component rust-src` and build again (RESIDENT_NVPTX=nightly is set)");
    bare.warns(
        "nightly-2026-01-01",
        "run `rustup toolchain install nightly-2026-01-01 --component rust-src` and build again (RESIDENT_NVPTX=nightly-2026-01-01 is set)",
    );
    bare.warns("gcc", "RESIDENT_NVPTX is `off`, `stable` or `nightly`, not `gcc`");
    // Sources are of no use to a toolchain that is no nightly, and a nightly is of none without them.
    bare.component("used", "rust-src");
    bare.toolchain("nightly", "1.97.0-nightly (1b6a5d0c2 2026-04-20)");
    bare.warns("", EITHER);
    let off = bare.runs("off");
    assert!(off.status.success() && said(&text(&off.stdout), "cargo:warning=").is_empty(), "asked for: {off:?}");
    fs::remove_file(bare.path("bin/rustup")).unwrap();
    bare.warns("", EITHER);
}

/// FS-2
#[test]
fn a_toolchain_that_is_too_old_is_named() {
    let machine = Machine::bare("1.90.0 (1159e78c4 2025-09-14)");
    machine.component("used", TARGET);
    let oldest = env!("CARGO_PKG_RUST_VERSION");
    let used =
        format!("resident needs rustc {oldest}, and rustc 1.90.0 (1159e78c4 2025-09-14) is older: run `rustup update` and build again");
    machine.warns("", &used);
    machine.warns("stable", &used);
    machine.toolchain("nightly", "1.89.0-nightly (8da623945 2025-06-13)");
    machine.component("nightly", "rust-src");
    let nightly = "rustc 1.89.0-nightly (8da623945 2025-06-13) is older: run `rustup update nightly` and build again";
    machine.warns("nightly", &format!("resident needs rustc {oldest}, and {nightly}"));
    // One that is not too old is taken.
    machine.toolchain("nightly", "1.97.0-nightly (1b6a5d0c2 2026-04-20)");
    let ran = machine.runs("");
    assert!(ran.status.success() && said(&text(&ran.stdout), "cargo:warning=").is_empty(), "{ran:?}");
}

/// FS-2
#[test]
fn what_ends_the_build_says_what_mends_it() {
    let machine = Machine::bare("1.95.0 (59807616e 2026-04-14)");
    machine.component("used", TARGET);
    let ran = machine.runs("");
    let told = text(&ran.stdout);
    assert!(ran.status.success() && said(&told, "cargo:warning=").is_empty(), "{ran:?}");
    let made = machine.path("out/handlers.ptx");
    assert_eq!(said(&told, "cargo:rustc-env="), [format!("RESIDENT_PTX={}", made.display())]);

    // Root may write to any folder, but not below a file.
    let file = machine.path("handlers.ptx");
    let wanted = format!("{} cannot be written: Not a directory", file.join("nvptx").display());
    machine.fails(&file, &[&wanted, "another folder to build in in CARGO_TARGET_DIR", "RESIDENT_NVPTX=off builds for the CPU device only"]);
    machine.write("handlers.ptx", &PTX.replace("RESIDENT_MODULE", "OTHER"));
    machine.fails(&machine.path("out"), &["put `resident_kernels::export!(..)` into its lib.rs"]);
    machine.write("handlers.ptx", &format!("{PTX}.extern .func  (.param .b32 retval) malloc\n(\n)\n;\n"));
    machine.fails(&machine.path("out"), &["calls functions that are not there: malloc"]);
    machine.write("handlers.ptx", &PTX.replace("7.0", "8.7"));
    machine.fails(&machine.path("out"), &["PTX of version 8.7", "use another toolchain"]);
    machine.script("toolchains/used/bin/cargo", "echo 'error[E0425]: of the crate' >&2; exit 101");
    let with = "compiled for the GPU with rustc 1.95.0 (59807616e 2026-04-14), its target nvptx64-nvidia-cuda";
    machine.fails(&machine.path("out"), &["error[E0425]", "rustc's errors stand above", with]);
    fs::remove_file(machine.path("toolchains/used/bin/cargo")).unwrap();
    machine.fails(&machine.path("out"), &["toolchains/used/bin/cargo cannot be run"]);
}

/// FS-3: with this machine's cargo, which decides whether the script runs again.
#[test]
fn what_is_installed_later_is_found_by_the_next_build() {
    // A dated nightly: nobody has it but the made-up rustup.
    const NIGHTLY: &str = "nightly-1999-01-01";
    let machine = Machine::bare("1.95.0 (59807616e 2026-04-14)");
    let manifest = format!(
        "[package]\nname = \"late\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n\
         [build-dependencies]\nresident-build = {{ path = {:?} }}\n",
        env!("CARGO_MANIFEST_DIR")
    );
    machine.write("crate/Cargo.toml", &manifest);
    machine.write("crate/build.rs", "fn main() { resident_build::handlers() }\n");
    machine.write("crate/src/lib.rs", "pub const PTX: Option<&str> = option_env!(\"RESIDENT_PTX\");\n");
    // Whether the build script ran, and what it warned of.
    let build = || {
        let mut command = Command::new(env!("CARGO"));
        command.args(["build", "--offline", "--verbose"]).current_dir(machine.path("crate"));
        command.env("CARGO_TARGET_DIR", machine.path("target")).env("RESIDENT_NVPTX", NIGHTLY).env("RUSTUP_HOME", machine.path("rustup"));
        // Beside cargo is its rustc, which the made-up rustup does not know.
        let own = env::var_os("PATH").unwrap();
        let search = [machine.path("bin"), Path::new(env!("CARGO")).parent().unwrap().to_owned()];
        command.env("PATH", env::join_paths(search.into_iter().chain(env::split_paths(&own))).unwrap());
        let ran = command.output().unwrap();
        let told = text(&ran.stderr);
        assert!(ran.status.success(), "{told}");
        let warned = told.contains(&format!("run `rustup toolchain install {NIGHTLY} --component rust-src` and build again"));
        (told.lines().any(|line| line.contains("Running") && line.contains("build-script-build`")), warned)
    };
    assert_eq!(build(), (true, true), "nothing is there");
    assert_eq!(build(), (false, true), "nothing has changed");
    machine.toolchain(NIGHTLY, "1.97.0-nightly (1b6a5d0c2 2026-04-20)");
    assert_eq!(build(), (true, true), "the toolchain is there, and its sources are not");
    assert_eq!(build(), (false, true), "nothing has changed");
    machine.component(NIGHTLY, "rust-src");
    assert_eq!(build(), (true, false), "all is there");
    assert_eq!(build(), (false, false), "nothing has changed");
}
