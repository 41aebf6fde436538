//! The CUDA driver, looked for at run time: nothing links to it, and a machine without it gets an error that says so.

use std::panic::catch_unwind;

use cudarc::driver::sys::{self, CUdevice, CUdevice_attribute, CUresult};

use crate::fault::{Class, WorkerError, described};

/// CUDA 12.4, whose PTX (8.4) the engine is written in.
const OLDEST_DRIVER: i32 = 12_040;
const OLDEST_DEVICE: (i32, i32) = (8, 0);

/// `Ok` if the driver call succeeded; else what failed, in the driver's own name for it.
pub(crate) fn check(result: CUresult, what: &str) -> Result<(), WorkerError> {
    let class = match result {
        CUresult::CUDA_SUCCESS => return Ok(()),
        CUresult::CUDA_ERROR_OUT_OF_MEMORY => Class::Memory,
        CUresult::CUDA_ERROR_LAUNCH_FAILED
        | CUresult::CUDA_ERROR_ILLEGAL_INSTRUCTION
        | CUresult::CUDA_ERROR_ASSERT
        | CUresult::CUDA_ERROR_HARDWARE_STACK_ERROR => Class::Trap,
        CUresult::CUDA_ERROR_ILLEGAL_ADDRESS
        | CUresult::CUDA_ERROR_MISALIGNED_ADDRESS
        | CUresult::CUDA_ERROR_INVALID_ADDRESS_SPACE
        | CUresult::CUDA_ERROR_INVALID_PC => Class::IllegalAddress,
        CUresult::CUDA_ERROR_DEVICE_UNAVAILABLE | CUresult::CUDA_ERROR_ECC_UNCORRECTABLE | CUresult::CUDA_ERROR_NVLINK_UNCORRECTABLE => {
            Class::DeviceLost
        }
        _ => Class::Driver,
    };
    let help = match class {
        Class::Memory => "; lower `arena_bytes`, `rows` or `stack_bytes`, or free memory of the device",
        Class::Trap | Class::IllegalAddress => "; the process has lost its CUDA contexts and must be restarted to use CUDA again",
        _ => "",
    };
    Err(WorkerError::new(class, format!("{what}: the CUDA driver answered {result:?}{help}")))
}

/// A device that can run the engine.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub ordinal: u32,
    pub device: CUdevice,
    pub name: String,
    pub capability: (i32, i32),
    pub driver: i32,
    pub sms: u32,
    /// Where it is on the PCI bus: NVML counts devices in another way.
    pub bus: String,
}

/// Finds device `ordinal`, or says what is missing.
pub(crate) fn find(ordinal: u32) -> Result<Found, WorkerError> {
    // The driver's library is opened by name and each call looked up when it is first made; one that is not there panics.
    catch_unwind(|| look(ordinal)).unwrap_or_else(|panic| {
        let what = described(&*panic);
        Err(WorkerError::new(
            Class::Driver,
            format!(
                "libcuda.so.1 is no CUDA driver that resident can use ({what}); install NVIDIA's driver anew, or choose the CPU device"
            ),
        ))
    })
}

fn look(ordinal: u32) -> Result<Found, WorkerError> {
    // SAFETY: only tries to open the library.
    if !unsafe { sys::is_culib_present() } {
        return Err(WorkerError::new(
            Class::NoDriver,
            "no CUDA driver: libcuda.so.1 was not found; install NVIDIA's driver 550 (CUDA 12.4) or newer, or choose the CPU device",
        ));
    }
    // SAFETY: plain driver calls with valid out-pointers.
    unsafe {
        match sys::cuInit(0) {
            CUresult::CUDA_ERROR_NO_DEVICE => return Err(no_device(ordinal, 0)),
            other => check(other, "cuInit")
                .map_err(|error| WorkerError::new(error.class, format!("{error}; see what `nvidia-smi` says, or choose the CPU device")))?,
        }
        let mut driver = 0;
        check(sys::cuDriverGetVersion(&mut driver), "cuDriverGetVersion")?;
        if driver < OLDEST_DRIVER {
            return Err(WorkerError::new(
                Class::OldDriver,
                format!(
                    "the CUDA driver is for CUDA {}.{}, and resident needs 12.4 or newer; update the driver (550 or newer), or choose the CPU device",
                    driver / 1000,
                    driver % 1000 / 10
                ),
            ));
        }
        let mut count = 0;
        check(sys::cuDeviceGetCount(&mut count), "cuDeviceGetCount")?;
        if i64::from(ordinal) >= i64::from(count) {
            return Err(no_device(ordinal, count));
        }
        let mut device: CUdevice = 0;
        check(sys::cuDeviceGet(&mut device, ordinal as i32), "cuDeviceGet")?;
        let mut name = [0u8; 128];
        check(sys::cuDeviceGetName(name.as_mut_ptr().cast(), name.len() as i32, device), "cuDeviceGetName")?;
        let name = text(&name);
        let mut bus = [0u8; 32];
        check(sys::cuDeviceGetPCIBusId(bus.as_mut_ptr().cast(), bus.len() as i32, device), "cuDeviceGetPCIBusId")?;
        let bus = text(&bus);
        let capability = (
            attribute(device, CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            attribute(device, CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
        );
        if capability < OLDEST_DEVICE {
            return Err(WorkerError::new(
                Class::OldDevice,
                format!(
                    "device {ordinal} ({name}) has compute capability {}.{}, and resident needs 8.0 (Ampere) or newer; choose another device or the CPU device",
                    capability.0, capability.1
                ),
            ));
        }
        let sms = attribute(device, CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)? as u32;
        Ok(Found { ordinal, device, name, capability, driver, sms, bus })
    }
}

fn no_device(ordinal: u32, count: i32) -> WorkerError {
    WorkerError::new(
        Class::NoDevice,
        format!(
            "no CUDA device {ordinal}: the driver shows {count}; check `nvidia-smi` and CUDA_VISIBLE_DEVICES, or choose the CPU device"
        ),
    )
}

/// What the driver has written, up to the zero behind it.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

fn attribute(device: CUdevice, attribute: CUdevice_attribute) -> Result<i32, WorkerError> {
    let mut value = 0;
    // SAFETY: `value` outlives the call.
    check(unsafe { sys::cuDeviceGetAttribute(&mut value, attribute, device) }, "cuDeviceGetAttribute")?;
    Ok(value)
}
