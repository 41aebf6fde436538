//! Engine and handlers become one module: the driver links their PTX, and a cache on disk keeps the result.

use std::ffi::{CString, c_void};
use std::path::{Path, PathBuf};
use std::{fs, io, process, ptr};

use cudarc::driver::sys::{self, CUjit_option, CUjitInputType, CUmodule};
use resident_kernels::wire::MAX_REGISTERS;

use super::driver::{Found, check};
use crate::fault::{Class, WorkerError};

const LOG_BYTES: usize = 8192;

/// Links `engine` and `handlers` for `device` and loads the result into the current context.
pub(crate) fn load(found: &Found, engine: &str, handlers: &str, cache: Option<&Path>) -> Result<CUmodule, WorkerError> {
    let entry = cache.map(|folder| entry(folder, found, engine, handlers));
    if let Some(module) = entry.as_deref().and_then(read).and_then(|cubin| load_image(&cubin).ok()) {
        return Ok(module);
    }
    let cubin = link(engine, handlers)?;
    let module = load_image(&cubin)?;
    if let Some(entry) = entry {
        // A cache that can not be written costs time at the next start and nothing else.
        let _ = write(&entry, &cubin);
    }
    Ok(module)
}

/// Where the link of exactly this content is kept: the name digests everything that goes into it.
fn entry(folder: &Path, found: &Found, engine: &str, handlers: &str) -> PathBuf {
    let mut hash = blake3::Hasher::new();
    for part in [engine, handlers, &format!("{:?} {}", found.capability, found.driver)] {
        hash.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    folder.join(format!("{}.cubin", hash.finalize().to_hex()))
}

/// A cached cubin behind its digest; nothing if the file is missing, cut or changed.
fn read(entry: &Path) -> Option<Vec<u8>> {
    let bytes = fs::read(entry).ok()?;
    let (digest, cubin) = bytes.split_at_checked(blake3::OUT_LEN)?;
    (blake3::hash(cubin).as_bytes() == digest).then(|| cubin.to_vec())
}

/// Writes beside and renames, so that a reader finds a whole file or none.
fn write(entry: &Path, cubin: &[u8]) -> io::Result<()> {
    let folder = entry.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::create_dir_all(folder)?;
    let beside = entry.with_extension(format!("{}.new", process::id()));
    fs::write(&beside, [blake3::hash(cubin).as_bytes(), cubin].concat())?;
    fs::rename(&beside, entry)
}

fn load_image(cubin: &[u8]) -> Result<CUmodule, WorkerError> {
    let mut module = ptr::null_mut();
    // SAFETY: the image is a cubin that the driver linked, whole (its digest was checked when it was cached).
    check(unsafe { sys::cuModuleLoadData(&mut module, cubin.as_ptr().cast()) }, "loading the linked module")?;
    Ok(module)
}

fn link(engine: &str, handlers: &str) -> Result<Vec<u8>, WorkerError> {
    let mut log = vec![0u8; LOG_BYTES];
    let mut options =
        [CUjit_option::CU_JIT_ERROR_LOG_BUFFER, CUjit_option::CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES, CUjit_option::CU_JIT_MAX_REGISTERS];
    let mut values = [log.as_mut_ptr().cast::<c_void>(), LOG_BYTES as *mut c_void, MAX_REGISTERS as *mut c_void];
    let mut state = ptr::null_mut();
    // SAFETY: the log outlives the link state, which is destroyed below.
    check(unsafe { sys::cuLinkCreate_v2(3, options.as_mut_ptr(), values.as_mut_ptr(), &mut state) }, "cuLinkCreate")?;
    let linked = (|| {
        for (name, ptx) in [(c"engine", engine), (c"handlers", handlers)] {
            let text = CString::new(ptx)
                .map_err(|_| WorkerError::new(Class::Link, format!("the PTX of the {} holds a zero byte", name.to_string_lossy())))?;
            let bytes = text.as_bytes_with_nul();
            // SAFETY: `bytes` is NUL-terminated PTX and outlives the call; no options are given.
            let added = unsafe {
                sys::cuLinkAddData_v2(
                    state,
                    CUjitInputType::CU_JIT_INPUT_PTX,
                    bytes.as_ptr().cast_mut().cast(),
                    bytes.len(),
                    name.as_ptr(),
                    0,
                    ptr::null_mut(),
                    ptr::null_mut(),
                )
            };
            check(added, "cuLinkAddData")?;
        }
        let (mut cubin, mut bytes) = (ptr::null_mut(), 0);
        // SAFETY: the out-pointers are valid; the image lives until the link state is destroyed.
        check(unsafe { sys::cuLinkComplete(state, &mut cubin, &mut bytes) }, "cuLinkComplete")?;
        // SAFETY: the driver gave `bytes` bytes at `cubin`.
        Ok(unsafe { std::slice::from_raw_parts(cubin.cast::<u8>(), bytes) }.to_vec())
    })();
    // SAFETY: created above, destroyed once.
    unsafe { sys::cuLinkDestroy(state) };
    linked.map_err(|error: WorkerError| {
        let end = log.iter().position(|b| *b == 0).unwrap_or(0);
        let log = String::from_utf8_lossy(&log[..end]).trim().to_owned();
        WorkerError::new(Class::Link, format!("the driver could not link the engine with the handlers: {error}; its log: {log}"))
    })
}
