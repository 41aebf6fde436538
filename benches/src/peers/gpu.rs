//! The device as the bare kernels use it: functions, streams, memory that both sides see.

use crate::line::SharedLine;
use cudarc::driver::{CudaContext, result, sys};
use std::ffi::{CStr, CString, c_void};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// The longest that a bare kernel stays, whatever goes wrong.
pub const LIFETIME: Duration = Duration::from_secs(20);
/// How long a host thread waits for one answer.
pub const PATIENCE: Duration = Duration::from_secs(2);

const PTX: &str = include_str!("../../peers/peers.ptx");

/// What goes wrong with a peer.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The driver refused.
    #[error("the CUDA driver answered {code} to {call}; `nvidia-smi` shows the device's state")]
    Driver {
        /// What was asked.
        call: &'static str,
        /// The driver's name for the reason.
        code: String,
    },
    /// No answer came.
    #[error("no answer to message {message} within {PATIENCE:?}; is another program keeping the GPU busy?")]
    Silent {
        /// Which message.
        message: u64,
    },
    /// The handlers were not compiled for the GPU.
    #[error("this program's handlers were not compiled for the GPU; the build says what to install")]
    NoHandlers,
    /// Answers were wrong.
    #[error("{wrong} answers were not what the request asks for: the figures of this run are worthless")]
    Wrong {
        /// How many.
        wrong: u64,
    },
}

/// Names the call in a driver error.
trait During<T> {
    fn during(self, call: &'static str) -> Result<T, PeerError>;
}

impl<T> During<T> for Result<T, result::DriverError> {
    fn during(self, call: &'static str) -> Result<T, PeerError> {
        self.map_err(|e| PeerError::Driver { call, code: format!("{:?}", e.0) })
    }
}

/// A GPU with the bare kernels loaded.
pub struct Gpu {
    context: Arc<CudaContext>,
    module: sys::CUmodule,
    /// The device's name.
    pub name: String,
    /// The CUDA version of its driver, as in 13000.
    pub cuda: i32,
}

// SAFETY: a module handle may be used from any thread whose current context is the module's; `bind` sees to that.
unsafe impl Send for Gpu {}
// SAFETY: as above; the driver locks its own state.
unsafe impl Sync for Gpu {}

impl Gpu {
    /// The first GPU, or a sentence that says why there is none.
    pub fn find() -> Result<Gpu, String> {
        // SAFETY: looks for a library of that name and closes it again.
        if !unsafe { sys::is_culib_present() } {
            return Err("no device: libcuda is not installed (it comes with the NVIDIA driver)".into());
        }
        let count = result::init().and_then(|()| result::device::get_count());
        match count {
            Ok(0) => Err("no device: the driver finds no GPU".into()),
            Err(e) => Err(format!("no device: the driver answers {:?}", e.0)),
            Ok(_) => Gpu::open().map_err(|e| e.to_string()),
        }
    }

    fn open() -> Result<Gpu, PeerError> {
        let context = CudaContext::new(0).during("cuDevicePrimaryCtxRetain")?;
        let name = context.name().during("cuDeviceGetName")?;
        let mut cuda = 0;
        // SAFETY: writes one integer.
        unsafe { sys::cuDriverGetVersion(&mut cuda) }.result().during("cuDriverGetVersion")?;
        let ptx = CString::new(PTX).expect("PTX is text");
        // SAFETY: `ptx` is PTX that ends in a zero byte.
        let module = unsafe { result::module::load_data(ptx.as_ptr().cast()) }.during("cuModuleLoadData of peers.ptx")?;
        Ok(Gpu { context, module, name, cuda })
    }

    /// Makes this device the calling thread's.
    pub fn bind(&self) -> Result<(), PeerError> {
        self.context.bind_to_thread().during("cuCtxSetCurrent")
    }

    /// A kernel of peers.cu, its code on the device.
    pub fn kernel(&self, name: &'static CStr) -> Result<Kernel, PeerError> {
        self.bind()?;
        // SAFETY: the module is loaded and lives as long as `self`.
        let function = unsafe { result::module::get_function(self.module, name.to_owned()) }.during("cuModuleGetFunction")?;
        // SAFETY: as above. Modules load lazily; a load beside a resident kernel would wait for its end.
        unsafe { sys::cuFuncLoad(function) }.result().during("cuFuncLoad")?;
        Ok(Kernel(function))
    }

    /// A kernel of the engine, linked with this program's handlers as a worker links it.
    pub fn engine_kernel(&self, name: &'static CStr) -> Result<Kernel, PeerError> {
        self.bind()?;
        let handlers = match resident_kernels::host::modules() {
            [module] => match module.ptx {
                resident_kernels::host::Gpu::Ptx(ptx) => ptx,
                resident_kernels::host::Gpu::Missing(_) => return Err(PeerError::NoHandlers),
            },
            _ => return Err(PeerError::NoHandlers),
        };
        let mut state = std::ptr::null_mut();
        // SAFETY: one option, of a number; the texts end in a zero byte and outlive the calls; the image lives as long as the state, which is not
        // destroyed, as the module is not.
        unsafe {
            let mut options = [sys::CUjit_option::CU_JIT_MAX_REGISTERS];
            let mut values = [resident_kernels::wire::MAX_REGISTERS as *mut c_void];
            sys::cuLinkCreate_v2(1, options.as_mut_ptr(), values.as_mut_ptr(), &mut state).result().during("cuLinkCreate")?;
            for ptx in [resident_kernels::engine::PTX, handlers] {
                let text = CString::new(ptx).expect("PTX is text");
                let bytes = text.as_bytes_with_nul();
                let kind = sys::CUjitInputType::CU_JIT_INPUT_PTX;
                let data = bytes.as_ptr().cast_mut().cast();
                sys::cuLinkAddData_v2(state, kind, data, bytes.len(), c"ptx".as_ptr(), 0, std::ptr::null_mut(), std::ptr::null_mut())
                    .result()
                    .during("cuLinkAddData")?;
            }
            let (mut image, mut bytes) = (std::ptr::null_mut(), 0);
            sys::cuLinkComplete(state, &mut image, &mut bytes).result().during("cuLinkComplete")?;
            let module = result::module::load_data(image.cast_const()).during("cuModuleLoadData of the engine")?;
            let function = result::module::get_function(module, name.to_owned()).during("cuModuleGetFunction")?;
            Ok(Kernel(function))
        }
    }

    /// A stream that waits for no other.
    pub fn stream(&self) -> Result<Stream, PeerError> {
        self.bind()?;
        result::stream::create(result::stream::StreamKind::NonBlocking).during("cuStreamCreate").map(Stream)
    }

    /// Zeroed host memory that the GPU reads and writes in place.
    pub fn mapped(&self, bytes: usize) -> Result<Mapped, PeerError> {
        self.bind()?;
        let flags = sys::CU_MEMHOSTALLOC_DEVICEMAP | sys::CU_MEMHOSTALLOC_PORTABLE;
        // SAFETY: allocates.
        let host = unsafe { result::malloc_host(bytes, flags) }.during("cuMemHostAlloc")?;
        let mut memory = Mapped { host: host.cast(), device: 0, bytes };
        // SAFETY: `host` was just allocated with DEVICEMAP, and holds `bytes` that nobody else knows of.
        unsafe {
            host.write_bytes(0, bytes);
            sys::cuMemHostGetDevicePointer_v2(&mut memory.device, host, 0).result().during("cuMemHostGetDevicePointer")?;
        }
        Ok(memory)
    }

    /// Memory on the device.
    pub fn memory(&self, bytes: usize) -> Result<DeviceMemory, PeerError> {
        self.bind()?;
        // SAFETY: allocates.
        unsafe { result::malloc_sync(bytes) }.during("cuMemAlloc").map(DeviceMemory)
    }
}

/// A function of peers.cu.
#[derive(Clone, Copy)]
pub struct Kernel(sys::CUfunction);

/// A non-blocking stream.
pub struct Stream(sys::CUstream);

/// A kernel with its arguments, ready to be launched again and again.
pub struct Graph(sys::CUgraphExec);

impl Stream {
    /// Launches `kernel`; each element of `arguments` points to one argument.
    ///
    /// # Safety
    /// The arguments are the kernel's, in number and type, and memory they name outlives the kernel.
    #[inline]
    pub unsafe fn launch(&self, kernel: Kernel, blocks: u32, threads: u32, arguments: &mut [*mut c_void]) -> Result<(), PeerError> {
        // SAFETY: the caller's promise.
        unsafe { result::launch_kernel(kernel.0, (blocks, 1, 1), (threads, 1, 1), 0, self.0, arguments) }.during("cuLaunchKernel")
    }

    /// Records one launch.
    ///
    /// # Safety
    /// As for [`Stream::launch`], for every launch of the graph.
    pub unsafe fn record(&self, kernel: Kernel, blocks: u32, threads: u32, arguments: &mut [*mut c_void]) -> Result<Graph, PeerError> {
        // SAFETY: the stream is ours and captures nothing yet; what is captured is one launch, by the caller's promise.
        unsafe {
            result::stream::begin_capture(self.0, sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)
                .during("cuStreamBeginCapture")?;
            let launched = self.launch(kernel, blocks, threads, arguments);
            let graph = result::stream::end_capture(self.0).during("cuStreamEndCapture")?;
            launched?;
            let ready = result::graph::instantiate(graph, sys::CUgraphInstantiate_flags(0)).during("cuGraphInstantiate");
            result::graph::destroy(graph).during("cuGraphDestroy")?;
            let ready = Graph(ready?);
            result::graph::upload(ready.0, self.0).during("cuGraphUpload")?;
            self.wait()?;
            Ok(ready)
        }
    }

    /// Launches what was recorded.
    #[inline]
    pub fn launch_graph(&self, graph: &Graph) -> Result<(), PeerError> {
        // SAFETY: whoever recorded it promised for every launch.
        unsafe { result::graph::launch(graph.0, self.0) }.during("cuGraphLaunch")
    }

    /// Copies 64 bytes to the device.
    #[inline]
    pub fn copy_in(&self, to: &DeviceMemory, from: &Mapped) -> Result<(), PeerError> {
        // SAFETY: both have 64 bytes and outlive the copy: their owner waits for the stream before it drops them.
        unsafe { sys::cuMemcpyHtoDAsync_v2(to.0, from.host.cast(), 64, self.0) }.result().during("cuMemcpyHtoDAsync")
    }

    /// Copies 64 bytes from the device.
    #[inline]
    pub fn copy_out(&self, to: &Mapped, from: &DeviceMemory) -> Result<(), PeerError> {
        // SAFETY: as in `copy_in`.
        unsafe { sys::cuMemcpyDtoHAsync_v2(to.host.cast(), from.0, 64, self.0) }.result().during("cuMemcpyDtoHAsync")
    }

    /// Copies so many bytes between any two places, and waits.
    pub fn copy(&self, to: u64, from: u64, bytes: usize) -> Result<(), PeerError> {
        // SAFETY: the callers are in this crate and name memory of theirs that has so many bytes; the copy is waited for.
        unsafe { sys::cuMemcpyAsync(to, from, bytes, self.0) }.result().during("cuMemcpyAsync")?;
        self.wait()
    }

    /// Waits until everything given to this stream is done.
    pub fn wait(&self) -> Result<(), PeerError> {
        // SAFETY: the stream is ours.
        unsafe { result::stream::synchronize(self.0) }.during("cuStreamSynchronize")
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: the stream is ours. What still runs on it goes on; a refusal leaks it.
        let _ = unsafe { sys::cuStreamDestroy_v2(self.0) };
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        // SAFETY: the graph is ours. A refusal leaks it.
        let _ = unsafe { result::graph::exec_destroy(self.0) };
    }
}

/// 128-byte strides in [`Mapped`], as peers.cu has them: a line or the words of one shard.
pub const STRIDE: usize = 128;

/// Host memory that the GPU reads and writes in place.
pub struct Mapped {
    host: *mut u8,
    /// Where the GPU finds it.
    pub device: u64,
    bytes: usize,
}

// SAFETY: the memory is reached through atomics only.
unsafe impl Send for Mapped {}
// SAFETY: as above.
unsafe impl Sync for Mapped {}

impl Mapped {
    /// Line `index` of lines that lie `stride` bytes apart.
    #[inline]
    pub fn line(&self, index: usize, stride: usize) -> &SharedLine {
        assert!(stride.is_multiple_of(64) && index * stride + 64 <= self.bytes);
        // SAFETY: in bounds and aligned by the line above; all its bit patterns are lines, shared as atomics.
        unsafe { &*self.host.add(index * stride).cast() }
    }

    /// All of it as 64-byte slots.
    pub fn slots(&self) -> &[SharedLine] {
        // SAFETY: as in `line`.
        unsafe { std::slice::from_raw_parts(self.host.cast(), self.bytes / 64) }
    }

    /// Word `word` of shard `shard`.
    #[inline]
    pub fn word(&self, shard: usize, word: usize) -> &AtomicU64 {
        assert!(word < 16 && (shard + 1) * STRIDE <= self.bytes);
        // SAFETY: in bounds by the line above, aligned, shared as an atomic.
        unsafe { &*self.host.add(shard * STRIDE + word * 8).cast() }
    }

    /// Zeroes it; nothing on the device may use it at the time.
    pub fn clear(&mut self) {
        // SAFETY: `bytes` are ours, and `&mut self` rules other host threads out.
        unsafe { self.host.write_bytes(0, self.bytes) };
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: allocated by cuMemHostAlloc; the driver waits for work that uses it. A refusal leaks it.
        let _ = unsafe { result::free_host(self.host.cast()) };
    }
}

/// Memory on the device.
pub struct DeviceMemory(u64);

impl DeviceMemory {
    /// Its address there.
    pub fn address(&self) -> u64 {
        self.0
    }
}

impl Drop for DeviceMemory {
    fn drop(&mut self) {
        // SAFETY: allocated by cuMemAlloc; the driver waits for work that uses it. A refusal leaks it.
        let _ = unsafe { result::free_sync(self.0) };
    }
}
