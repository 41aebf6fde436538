//! Device memory that can outlive its process, and the region as the device sees it.

use std::ffi::c_void;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::Arc;

use cudarc::driver::sys::{self, CUdeviceptr};

use super::driver::check;
use crate::fault::WorkerError;
use crate::region::Region;

/// Device memory from `cuMemCreate`, mapped, with the descriptor by which another process has it too. It lives as long as any
/// descriptor or mapping of it.
pub(crate) struct Exported {
    range: Range,
    descriptor: OwnedFd,
}

/// A handle of device memory, which gives it back.
struct Handle(sys::CUmemGenericAllocationHandle);

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: created or imported, released once; mappings keep the memory.
        unsafe { sys::cuMemRelease(self.0) };
    }
}

/// A range of addresses, which gives itself and what is mapped there back.
struct Range {
    address: CUdeviceptr,
    bytes: usize,
}

impl Drop for Range {
    fn drop(&mut self) {
        // SAFETY: reserved with these bytes. Where nothing was mapped, the driver says so, which changes nothing.
        unsafe {
            sys::cuMemUnmap(self.address, self.bytes);
            sys::cuMemAddressFree(self.address, self.bytes);
        }
    }
}

const KIND: sys::CUmemAllocationHandleType = sys::CUmemAllocationHandleType::CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;

impl Exported {
    /// The memory of `before`, or new memory.
    pub(crate) fn new(device: sys::CUdevice, at_least: u64, before: Option<OwnedFd>) -> Result<Exported, WorkerError> {
        let location = sys::CUmemLocation { type_: sys::CUmemLocationType::CU_MEM_LOCATION_TYPE_DEVICE, id: device };
        // SAFETY: an all-zero property is valid; the fields that matter are set below.
        let mut property: sys::CUmemAllocationProp = unsafe { std::mem::zeroed() };
        property.type_ = sys::CUmemAllocationType::CU_MEM_ALLOCATION_TYPE_PINNED;
        property.requestedHandleTypes = KIND;
        property.location = location;
        let mut granularity = 0;
        let minimum = sys::CUmemAllocationGranularity_flags::CU_MEM_ALLOC_GRANULARITY_MINIMUM;
        // SAFETY: valid out-pointers; each step is undone by the value that holds it.
        unsafe {
            check(sys::cuMemGetAllocationGranularity(&mut granularity, &property, minimum), "cuMemGetAllocationGranularity")?;
            let bytes = (at_least as usize).next_multiple_of(granularity.max(1));
            let mut handle = 0;
            let (handle, descriptor) = match before {
                Some(fd) => {
                    let raw = fd.as_raw_fd() as usize as *mut c_void;
                    check(sys::cuMemImportFromShareableHandle(&mut handle, raw, KIND), "importing rows and state")?;
                    (Handle(handle), fd)
                }
                None => {
                    check(sys::cuMemCreate(&mut handle, bytes, &property, 0), "allocating rows and state")?;
                    let handle = Handle(handle);
                    let mut fd = -1i32;
                    check(sys::cuMemExportToShareableHandle((&raw mut fd).cast(), handle.0, KIND, 0), "exporting device memory")?;
                    (handle, OwnedFd::from_raw_fd(fd))
                }
            };
            let mut address = 0;
            check(sys::cuMemAddressReserve(&mut address, bytes, 0, 0, 0), "cuMemAddressReserve")?;
            let range = Range { address, bytes };
            check(sys::cuMemMap(address, bytes, 0, handle.0, 0), "cuMemMap")?;
            let access = sys::CUmemAccessDesc { location, flags: sys::CUmemAccess_flags::CU_MEM_ACCESS_FLAGS_PROT_READWRITE };
            check(sys::cuMemSetAccess(address, bytes, &access, 1), "cuMemSetAccess")?;
            Ok(Exported { range, descriptor })
        }
    }

    pub(crate) fn address(&self) -> CUdeviceptr {
        self.range.address
    }

    /// By which another process has the memory.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// The region, registered with CUDA.
pub(crate) struct Registered {
    region: Arc<Region>,
    address: CUdeviceptr,
}

impl Registered {
    pub(crate) fn new(region: &Arc<Region>) -> Result<Registered, WorkerError> {
        let base = region.base().as_ptr().cast();
        // SAFETY: the mapping is `len` bytes long and outlives the registration, since `Registered` holds the region.
        unsafe {
            check(
                sys::cuMemHostRegister_v2(base, region.len(), sys::CU_MEMHOSTREGISTER_DEVICEMAP | sys::CU_MEMHOSTREGISTER_PORTABLE),
                "registering the region with CUDA",
            )?;
            let mut registered = Registered { region: region.clone(), address: 0 };
            check(sys::cuMemHostGetDevicePointer_v2(&mut registered.address, base, 0), "cuMemHostGetDevicePointer")?;
            Ok(registered)
        }
    }

    pub(crate) fn address(&self) -> CUdeviceptr {
        self.address
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        // SAFETY: registered in `new`, once.
        unsafe { sys::cuMemHostUnregister(self.region.base().as_ptr().cast()) };
    }
}
