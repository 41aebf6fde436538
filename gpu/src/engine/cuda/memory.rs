//! Device memory that can outlive its process, and the region as the device sees it.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;

use cudarc::driver::sys::{self, CUdeviceptr};

use super::driver::check;
use crate::fault::WorkerError;
use crate::region::Region;

/// Device memory from `cuMemCreate`, mapped, with the descriptor by which another process can map it too.
pub(crate) struct Exported {
    address: CUdeviceptr,
    bytes: usize,
    handle: sys::CUmemGenericAllocationHandle,
    descriptor: Option<OwnedFd>,
}

impl Exported {
    pub(crate) fn new(device: sys::CUdevice, at_least: u64) -> Result<Exported, WorkerError> {
        let location = sys::CUmemLocation { type_: sys::CUmemLocationType::CU_MEM_LOCATION_TYPE_DEVICE, id: device };
        // SAFETY: an all-zero property is valid; the fields that matter are set below.
        let mut property: sys::CUmemAllocationProp = unsafe { std::mem::zeroed() };
        property.type_ = sys::CUmemAllocationType::CU_MEM_ALLOCATION_TYPE_PINNED;
        property.requestedHandleTypes = sys::CUmemAllocationHandleType::CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
        property.location = location;
        let mut granularity = 0;
        let minimum = sys::CUmemAllocationGranularity_flags::CU_MEM_ALLOC_GRANULARITY_MINIMUM;
        let mut memory = Exported { address: 0, bytes: 0, handle: 0, descriptor: None };
        // SAFETY: valid out-pointers; each step is undone by `Drop` from the fields set so far.
        unsafe {
            check(sys::cuMemGetAllocationGranularity(&mut granularity, &property, minimum), "cuMemGetAllocationGranularity")?;
            let bytes = (at_least as usize).next_multiple_of(granularity.max(1));
            check(sys::cuMemCreate(&mut memory.handle, bytes, &property, 0), "allocating rows and state")?;
            memory.bytes = bytes;
            let mut address = 0;
            check(sys::cuMemAddressReserve(&mut address, bytes, 0, 0, 0), "cuMemAddressReserve")?;
            memory.address = address;
            check(sys::cuMemMap(address, bytes, 0, memory.handle, 0), "cuMemMap")?;
            let access = sys::CUmemAccessDesc { location, flags: sys::CUmemAccess_flags::CU_MEM_ACCESS_FLAGS_PROT_READWRITE };
            check(sys::cuMemSetAccess(address, bytes, &access, 1), "cuMemSetAccess")?;
            let mut fd = -1i32;
            let kind = sys::CUmemAllocationHandleType::CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
            check(sys::cuMemExportToShareableHandle((&raw mut fd).cast(), memory.handle, kind, 0), "exporting device memory")?;
            memory.descriptor = Some(OwnedFd::from_raw_fd(fd));
        }
        Ok(memory)
    }

    pub(crate) fn address(&self) -> CUdeviceptr {
        self.address
    }
}

impl Drop for Exported {
    fn drop(&mut self) {
        // SAFETY: undoes exactly what `new` did; a step it did not reach answers with an error, which changes nothing.
        unsafe {
            if self.address != 0 {
                sys::cuMemUnmap(self.address, self.bytes);
                sys::cuMemAddressFree(self.address, self.bytes);
            }
            if self.bytes != 0 {
                sys::cuMemRelease(self.handle);
            }
        }
    }
}

impl std::fmt::Debug for Exported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Exported({} bytes, descriptor {:?})", self.bytes, self.descriptor.as_ref().map(AsRawFd::as_raw_fd))
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
