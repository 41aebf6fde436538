//! Compiles the engine for the host, which the CPU device runs, when an application asks for it (feature `host`).

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    #[cfg(feature = "host")]
    println!("cargo:rerun-if-changed=cuda");
    #[cfg(feature = "host")]
    if std::env::var("CARGO_CFG_TARGET_ARCH").as_deref() != Ok("nvptx64") {
        cc::Build::new().cpp(true).std("c++17").opt_level(2).file("cuda/host.cpp").compile("resident_engine");
    }
}
