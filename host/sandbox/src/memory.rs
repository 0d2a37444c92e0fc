//! Linear memories of small guests: plain private pages that grow without being copied.
//!
//! Wasmtime's own memories without reserved address space are copied whole when they grow, and that
//! touches every page: a Rust guest, which grows at its first allocation, would cost 1.1 MiB
//! instead of 40 KiB. With address space reserved behind it, a memory costs two mappings of
//! which a process has 65,530. These are mapped writable with some room to grow: neighbors
//! merge into one mapping, untouched pages cost nothing, and what outgrows its room is moved by the
//! kernel, which moves page tables and not bytes.

use rustix::mm::{
    Advice, MapFlags, MremapFlags, ProtFlags, madvise, mmap_anonymous, mremap, munmap,
};
use std::{
    io,
    ptr::{self, NonNull},
};
use wasmtime::{LinearMemory, MemoryCreator, MemoryType, Result};

/// Room to grow behind a memory. Address space, not memory: 100,000 guests take 0.1 of 128 TiB.
const ROOM_BYTES: usize = 1 << 20;

/// A multiple of the page size of every machine.
const ALIGN_BYTES: usize = 64 << 10;

/// Makes memories for an engine with no reservation and no guard, whose code checks every access
/// against the current size.
pub(crate) struct GuestMemories;

/// One linear memory.
struct GuestMemory {
    base: NonNull<u8>,
    size: usize,
    capacity: usize,
}

impl GuestMemory {
    #[expect(unsafe_code, reason = "mapping memory")]
    fn new(minimum: usize, maximum: Option<usize>) -> io::Result<Self> {
        let capacity = capacity(minimum, maximum)?;
        let (protection, flags) = (
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::PRIVATE | MapFlags::NORESERVE,
        );
        // SAFETY: a null hint lets the kernel choose the place, so no other mapping is replaced.
        let base = unsafe { mmap_anonymous(ptr::null_mut(), capacity, protection, flags)? };
        // A huge page for one touched byte would undo the point. Where the kernel has no huge
        // pages there is nothing to turn off, so an error changes nothing.
        // SAFETY: the range was mapped just now and nobody else knows of it.
        let _ = unsafe { madvise(base, capacity, Advice::LinuxNoHugepage) };
        let base = NonNull::new(base.cast()).expect("the kernel maps nothing at address 0");
        Ok(Self {
            base,
            size: minimum,
            capacity,
        })
    }
}

/// How much to map for a size: some room more, but not beyond what the guest may ever have.
fn capacity(size: usize, maximum: Option<usize>) -> io::Result<usize> {
    let wanted = size.checked_add(ROOM_BYTES).map(|wanted| match maximum {
        Some(maximum) => wanted.min(maximum.max(size)),
        None => wanted,
    });
    wanted
        .and_then(|wanted| wanted.max(1).checked_next_multiple_of(ALIGN_BYTES))
        .ok_or_else(|| io::ErrorKind::OutOfMemory.into())
}

// SAFETY: the mapping belongs to this value alone, like a `Vec<u8>`, and methods that change it
// take `&mut self`. Wasmtime uses the pointer only while it uses the memory.
#[expect(unsafe_code, reason = "owns a mapping through a pointer")]
unsafe impl Send for GuestMemory {}
// SAFETY: as above; `&self` only reads the three fields.
#[expect(unsafe_code, reason = "owns a mapping through a pointer")]
unsafe impl Sync for GuestMemory {}

// SAFETY: `as_ptr` points at `byte_capacity` bytes, at least `byte_size`, that are mapped readable
// and writable until drop; fresh pages of an anonymous mapping are zero, also those that `mremap`
// adds; growth within the capacity leaves the pointer as it is.
#[expect(unsafe_code, reason = "wasmtime trusts the memory's bounds")]
unsafe impl LinearMemory for GuestMemory {
    fn byte_size(&self) -> usize {
        self.size
    }

    fn byte_capacity(&self) -> usize {
        self.capacity
    }

    fn grow_to(&mut self, new_size: usize) -> Result<()> {
        if new_size > self.capacity {
            let capacity = capacity(new_size, None)?;
            let (base, may_move) = (self.base.as_ptr().cast(), MremapFlags::MAYMOVE);
            // SAFETY: the old range is exactly this value's mapping. Wasmtime asks for the pointer
            // again after growth, as its engine is configured for memories that move.
            let base = unsafe { mremap(base, self.capacity, capacity, may_move) }
                .map_err(io::Error::from)?;
            self.base = NonNull::new(base.cast()).expect("the kernel maps nothing at address 0");
            self.capacity = capacity;
        }
        self.size = new_size;
        Ok(())
    }

    fn as_ptr(&self) -> *mut u8 {
        self.base.as_ptr()
    }
}

impl Drop for GuestMemory {
    #[expect(unsafe_code, reason = "unmapping memory")]
    fn drop(&mut self) {
        // SAFETY: the range is this value's mapping, and nothing uses it after the drop.
        let unmapped = unsafe { munmap(self.base.as_ptr().cast(), self.capacity) };
        // It can fail only where unmapping splits a mapping and the process has no more of them;
        // then the range leaks, which is better than a panic while dropping.
        if let Err(error) = unmapped {
            tracing::error!(%error, bytes = self.capacity, "guest memory cannot be unmapped");
        }
    }
}

// SAFETY: `new_memory` gives zeroed memory of at least the minimum size. It reserves and guards
// nothing, which is asserted to be what the engine was configured with.
#[expect(unsafe_code, reason = "wasmtime trusts the memory's bounds")]
unsafe impl MemoryCreator for GuestMemories {
    fn new_memory(
        &self,
        _: MemoryType,
        minimum: usize,
        maximum: Option<usize>,
        reserved_size_in_bytes: Option<usize>,
        guard_size_in_bytes: usize,
    ) -> Result<Box<dyn LinearMemory>, String> {
        assert_eq!(
            (reserved_size_in_bytes.unwrap_or(0), guard_size_in_bytes),
            (0, 0),
            "the engine's code checks every access itself"
        );
        match GuestMemory::new(minimum, maximum) {
            Ok(memory) => Ok(Box::new(memory)),
            Err(error) => Err(error.to_string()),
        }
    }
}
