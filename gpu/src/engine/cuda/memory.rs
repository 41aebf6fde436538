//! Device memory that can outlive its process, and the region as the device sees it.

use std::ffi::c_void;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::Arc;

use cudarc::driver::sys::{self, CUdeviceptr};

use super::driver::check;
use crate::cut::buffer::Buffer;
use crate::fault::{Class, WorkerError};
use crate::region::{PAGE, Region};

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

/// Device memory that grows in place, also beside a resident kernel, for which neither reserving addresses nor mapping memory waits.
pub(crate) struct Growing {
    property: sys::CUmemAllocationProp,
    address: CUdeviceptr,
    reserved: usize,
    /// Bytes mapped so far, and the handles of what is mapped there.
    mapped: usize,
    handles: Vec<(Handle, usize)>,
    granularity: usize,
}

impl Growing {
    /// Addresses for `most` bytes.
    pub(crate) fn new(device: sys::CUdevice, most: u64) -> Result<Growing, WorkerError> {
        // SAFETY: an all-zero property is valid; the fields that matter are set below.
        let mut property: sys::CUmemAllocationProp = unsafe { std::mem::zeroed() };
        property.type_ = sys::CUmemAllocationType::CU_MEM_ALLOCATION_TYPE_PINNED;
        property.location = sys::CUmemLocation { type_: sys::CUmemLocationType::CU_MEM_LOCATION_TYPE_DEVICE, id: device };
        let (mut granularity, mut address) = (0, 0);
        let minimum = sys::CUmemAllocationGranularity_flags::CU_MEM_ALLOC_GRANULARITY_MINIMUM;
        // SAFETY: valid out-pointers.
        unsafe {
            check(sys::cuMemGetAllocationGranularity(&mut granularity, &property, minimum), "cuMemGetAllocationGranularity")?;
            let reserved = (most as usize).max(1).next_multiple_of(granularity.max(1));
            check(sys::cuMemAddressReserve(&mut address, reserved, 0, 0, 0), "cuMemAddressReserve")?;
            Ok(Growing { property, address, reserved, mapped: 0, handles: Vec::new(), granularity: granularity.max(1) })
        }
    }

    pub(crate) fn address(&self) -> CUdeviceptr {
        self.address
    }

    /// Bytes that are there.
    pub(crate) fn bytes(&self) -> u64 {
        self.mapped as u64
    }

    /// Has at least `bytes` there; what was there before stays.
    pub(crate) fn grow(&mut self, bytes: u64) -> Result<(), WorkerError> {
        let wanted = (bytes as usize).next_multiple_of(self.granularity).min(self.reserved);
        let more = wanted.saturating_sub(self.mapped);
        if more == 0 {
            return Ok(());
        }
        let at = self.address + self.mapped as u64;
        let access =
            sys::CUmemAccessDesc { location: self.property.location, flags: sys::CUmemAccess_flags::CU_MEM_ACCESS_FLAGS_PROT_READWRITE };
        let mut handle = 0;
        // SAFETY: valid out-pointers; the range is reserved, and not mapped yet. A step that fails undoes those before.
        unsafe {
            check(sys::cuMemCreate(&mut handle, more, &self.property, 0), "allocating room for a cut")?;
            let handle = Handle(handle);
            check(sys::cuMemMap(at, more, 0, handle.0, 0), "mapping room for a cut")?;
            self.handles.push((handle, more));
            self.mapped += more;
            check(sys::cuMemSetAccess(at, more, &access, 1), "opening room for a cut")
        }
    }
}

impl Drop for Growing {
    fn drop(&mut self) {
        let mut at = self.address;
        // SAFETY: reserved and mapped in `new` and `grow`, each piece with these bytes.
        unsafe {
            for (_, bytes) in &self.handles {
                sys::cuMemUnmap(at, *bytes);
                at += *bytes as u64;
            }
            sys::cuMemAddressFree(self.address, self.reserved);
        }
    }
}

/// A buffer whose sections are registered with CUDA piece by piece, as far as they are used: to pin a gigabyte takes about a second,
/// and what is pinned stays so, since giving it back waits for the resident kernel.
pub(crate) struct Pinned {
    buffer: Buffer,
    /// Of each section, where its pieces end.
    sections: Vec<(u64, Vec<u64>)>,
}

/// Bytes that are pinned at once: some 60 ms.
const PIECE: u64 = 64 << 20;

impl Pinned {
    pub(crate) fn new(buffer: Buffer) -> Pinned {
        Pinned { buffer, sections: Vec::new() }
    }

    pub(crate) fn buffer(&self) -> &Buffer {
        &self.buffer
    }

    /// The address of a place in the buffer, for host and device.
    pub(crate) fn address(&self, at: u64) -> u64 {
        self.buffer.base() as u64 + at
    }

    /// Pins the section at `section` as far as `bytes`; false if there is more to do, for another call.
    pub(crate) fn pin(&mut self, section: u64, bytes: u64) -> Result<bool, WorkerError> {
        let known = self.sections.iter().position(|(at, _)| *at == section);
        let known = known.unwrap_or_else(|| {
            self.sections.push((section, Vec::new()));
            self.sections.len() - 1
        });
        let begin = self.sections[known].1.last().copied().unwrap_or(section);
        let end = section + bytes.next_multiple_of(PAGE);
        if end <= begin {
            return Ok(true);
        }
        let piece = (end - begin).min(PIECE);
        let base = self.address(begin) as *mut c_void;
        let mut address = 0;
        // SAFETY: within the buffer's mapping, which outlives the registration; no page of it is registered yet.
        unsafe {
            let flags = sys::CU_MEMHOSTREGISTER_DEVICEMAP | sys::CU_MEMHOSTREGISTER_PORTABLE;
            check(sys::cuMemHostRegister_v2(base, piece as usize, flags), "registering the buffer of a cut with CUDA")?;
            self.sections[known].1.push(begin + piece);
            check(sys::cuMemHostGetDevicePointer_v2(&mut address, base, 0), "cuMemHostGetDevicePointer")?;
        }
        if address != base as u64 {
            return Err(WorkerError::new(Class::Driver, "the device has registered memory at other addresses than the host"));
        }
        Ok(begin + piece >= end)
    }

    /// `bytes` bytes of the section at `section`, cut where its pieces end: a copy must not cross from one to the next.
    pub(crate) fn pieces(&self, section: u64, bytes: u64) -> Vec<std::ops::Range<u64>> {
        let ends = self.sections.iter().find(|(at, _)| *at == section).map_or(&[][..], |(_, ends)| ends);
        let mut begin = section;
        let pieces = ends.iter().map(|end| std::mem::replace(&mut begin, *end)..*end);
        pieces.map(|piece| piece.start..piece.end.min(section + bytes)).filter(|piece| piece.start < piece.end).collect()
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        for (section, ends) in &self.sections {
            let mut begin = *section;
            for end in ends {
                // SAFETY: registered in `pin`, once.
                unsafe { sys::cuMemHostUnregister(self.address(begin) as *mut c_void) };
                begin = *end;
            }
        }
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
