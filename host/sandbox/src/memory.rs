//! Linear memories of small guests: plain private pages that grow without being copied.
//!
//! Wasmtime's own memories without reserved address space are copied whole when they grow, and that
//! touches every page: a Rust guest, which grows at its first allocation, would cost 1.1 MiB
//! instead of 40 KiB. With address space reserved behind it, a memory costs two mappings of
//! which a process has 65,530. These are mapped writable with some room to grow: neighbors
//! merge into one mapping, untouched pages cost nothing, and what outgrows its room is moved by the
//! kernel, which moves page tables and not bytes.

mod spare;

use rustix::mm::{
    Advice, MapFlags, MremapFlags, ProtFlags, madvise, mmap_anonymous, mremap, munmap,
};
use spare::Spares;
use std::{
    io,
    ptr::{self, NonNull},
    sync::Arc,
};
use wasmtime::{LinearMemory, MemoryCreator, MemoryType, Result};

/// Room to grow behind a memory. Address space, not memory: 100,000 guests take 0.1 of 128 TiB.
const ROOM_BYTES: usize = 1 << 20;

/// A multiple of the page size of every machine.
const ALIGN_BYTES: usize = 64 << 10;

/// Makes memories for an engine with no reservation and no guard, whose code checks every access
/// against the current size.
pub(crate) struct GuestMemories(Arc<Spares>);

impl GuestMemories {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Spares::new()))
    }
}

/// One linear memory.
struct GuestMemory {
    /// Gone only while it is dropped.
    mapping: Option<Mapping>,
    size: usize,
    spares: Arc<Spares>,
}

impl GuestMemory {
    fn new(spares: &Arc<Spares>, minimum: usize, maximum: Option<usize>) -> io::Result<Self> {
        let capacity = capacity(minimum, maximum)?;
        let spare = spares.take(capacity);
        Ok(Self {
            mapping: Some(spare.map_or_else(|| Mapping::new(capacity), Ok)?),
            size: minimum,
            spares: Arc::clone(spares),
        })
    }

    fn mapping(&self) -> &Mapping {
        self.mapping.as_ref().expect("it is not being dropped")
    }
}

impl Drop for GuestMemory {
    fn drop(&mut self) {
        if let Some(mapping) = self.mapping.take() {
            self.spares.put(mapping, self.size);
        }
    }
}

/// Private pages of this process, readable and writable.
#[derive(Debug)]
struct Mapping {
    base: NonNull<u8>,
    capacity: usize,
}

impl Mapping {
    /// Pages that are zero.
    #[expect(unsafe_code, reason = "mapping memory")]
    fn new(capacity: usize) -> io::Result<Self> {
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
        Ok(Self { base, capacity })
    }

    /// Makes it larger, with pages that are zero. It may move.
    #[expect(unsafe_code, reason = "mapping memory")]
    fn grow(&mut self, capacity: usize) -> io::Result<()> {
        let (base, may_move) = (self.base.as_ptr().cast(), MremapFlags::MAYMOVE);
        // SAFETY: the old range is exactly this value's mapping. Whoever has a pointer into it asks
        // for it again.
        let base = unsafe { mremap(base, self.capacity, capacity, may_move) }?;
        self.base = NonNull::new(base.cast()).expect("the kernel maps nothing at address 0");
        self.capacity = capacity;
        Ok(())
    }

    /// Fills a part with zeros.
    #[expect(unsafe_code, reason = "writing to mapped memory")]
    fn fill_with_zeros(&mut self, from: usize, length: usize) {
        let end = from.checked_add(length);
        assert!(
            end.is_some_and(|end| end <= self.capacity),
            "beyond the end"
        );
        // SAFETY: the part lies within the mapping, which `&mut self` owns alone.
        unsafe { self.base.as_ptr().add(from).write_bytes(0, length) };
    }
}

impl Drop for Mapping {
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
unsafe impl Send for Mapping {}
// SAFETY: as above; `&self` only reads the two fields.
#[expect(unsafe_code, reason = "owns a mapping through a pointer")]
unsafe impl Sync for Mapping {}

// SAFETY: `as_ptr` points at `byte_capacity` bytes, at least `byte_size`, that are mapped readable
// and writable until drop; they are zero until they are written, in a fresh mapping as in a spare
// one, also those that growth adds; growth within the capacity leaves the pointer as it is, and
// wasmtime asks for it again after growth, as its engine is configured for memories that move.
#[expect(unsafe_code, reason = "wasmtime trusts the memory's bounds")]
unsafe impl LinearMemory for GuestMemory {
    fn byte_size(&self) -> usize {
        self.size
    }

    fn byte_capacity(&self) -> usize {
        self.mapping().capacity
    }

    fn grow_to(&mut self, new_size: usize) -> Result<()> {
        let mapping = self.mapping.as_mut().expect("it is not being dropped");
        if new_size > mapping.capacity {
            mapping.grow(capacity(new_size, None)?)?;
        }
        self.size = new_size;
        Ok(())
    }

    fn as_ptr(&self) -> *mut u8 {
        self.mapping().base.as_ptr()
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
        match GuestMemory::new(&self.0, minimum, maximum) {
            Ok(memory) => Ok(Box::new(memory)),
            Err(error) => Err(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const MIB: usize = 1 << 20;

    /// Writes one byte; tells how many bytes of the memory are not zero before that.
    #[expect(unsafe_code, reason = "as a guest's code does it")]
    fn write(memory: &GuestMemory, at: usize) -> usize {
        // SAFETY: `byte_size` bytes are mapped, and nobody else uses them.
        let bytes = unsafe { std::slice::from_raw_parts_mut(memory.as_ptr(), memory.byte_size()) };
        let dirty = bytes.iter().filter(|byte| **byte != 0).count();
        bytes[at] = 7;
        dirty
    }

    #[test]
    fn a_spare_mapping_is_used_again_and_is_zero() {
        let spares = Arc::new(Spares::new());
        for size in [64 << 10, (96 << 10) + 1, 160 << 10] {
            for at in [0, 5_000, size - 1] {
                let mut memory = GuestMemory::new(&spares, 64 << 10, None).unwrap();
                assert_eq!(memory.byte_size(), 64 << 10);
                memory.grow_to(size).unwrap();
                assert_eq!(write(&memory, at), 0, "{size} {at}");
                let capacity = memory.byte_capacity();
                drop(memory);
                let waits = spares.take(capacity).expect("it waits for another guest");
                spares.put(waits, 0);
            }
        }
        assert!(spares.take(MIB).is_none(), "none of this capacity waits");
    }

    #[test]
    fn nothing_is_kept_where_the_page_map_does_not_tell() {
        for other in [None, Some("/dev/zero"), Some("/dev/null")] {
            let map = other.map(|file| std::fs::File::open(file).unwrap());
            let spares = Arc::new(Spares::with(map));
            let memory = GuestMemory::new(&spares, 64 << 10, None).unwrap();
            write(&memory, 0);
            let capacity = memory.byte_capacity();
            drop(memory);
            assert!(spares.take(capacity).is_none(), "{other:?}");
        }
    }

    #[test]
    fn a_guest_that_touched_much_leaves_nothing_behind() {
        let spares = Arc::new(Spares::new());
        let memory = GuestMemory::new(&spares, MIB, None).unwrap();
        for at in (0..MIB).step_by(4096) {
            write(&memory, at);
        }
        let capacity = memory.byte_capacity();
        drop(memory);
        assert!(spares.take(capacity).is_none());
    }
}
