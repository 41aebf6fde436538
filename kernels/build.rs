//! Compiles the engine for the host, which the CPU device runs, when an application asks for it (feature `host`).

/// Public because a test has it run without a compiler.
pub fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    #[cfg(feature = "host")]
    println!("cargo:rerun-if-changed=cuda");
    #[cfg(feature = "host")]
    if std::env::var("CARGO_CFG_TARGET_ARCH").as_deref() != Ok("nvptx64") {
        let mut engine = cc::Build::new();
        engine.cpp(true).std("c++17").opt_level(2).file("cuda/host.cpp");
        // 32 lanes to a warp, as fibers: ci/fibers.sh.
        if std::env::var_os("CARGO_CFG_FIBERS").is_some() {
            engine.define("ENGINE_FIBERS", None);
        }
        let compiled = engine.try_compile("resident_engine");
        if let Err(error) = compiled {
            eprintln!("The engine of the CPU device does not compile: {error}");
            eprintln!(
                "It is C++17: install a compiler (`apt-get install g++`, `dnf install gcc-c++`), or name one in CXX, and build again."
            );
            std::process::exit(1);
        }
    }
}
