//! Mappings of guests that are gone, made zero again for the next ones.
//!
//! To unmap a guest's pages and to find fresh ones for the next guest costs some 60 us of CPU, most
//! of it for telling the other processors and for a page fault per page. A small guest has touched
//! a dozen pages: to find out which, and to fill them with zeros, costs a tenth of that.

use super::Mapping;
use std::{
    collections::VecDeque,
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Mappings that are kept at most.
const SPARES_MAX: usize = 32;

/// Pages that one of them may have touched; one with more is given back to the kernel.
const PAGES_MAX: usize = 64;

/// A mapping is not looked at whose guest's memory is larger than this.
const SIZE_MAX: usize = 4 << 20;

/// In an entry of the page map: the page is swapped, or in memory; see `pagemap.rst` of the
/// kernel's documentation. A page that was never touched has neither, and reads as zeros.
const IS_TOUCHED: u64 = 0b11 << 62;

/// The mappings that wait for another guest.
#[derive(Debug)]
pub(super) struct Spares {
    /// Of this process; `None` where the kernel does not show it: then nothing is kept.
    page_map: Option<File>,
    page_bytes: usize,
    waiting: Mutex<VecDeque<Mapping>>,
}

impl Spares {
    pub(super) fn new() -> Self {
        Self::with(File::open("/proc/self/pagemap").ok())
    }

    /// With this page map, if it is one.
    pub(super) fn with(page_map: Option<File>) -> Self {
        let mut spares = Self {
            page_map,
            page_bytes: page_size::get(),
            waiting: Mutex::default(),
        };
        if !spares.tells_what_was_touched().unwrap_or(false) {
            spares.page_map = None;
        }
        spares
    }

    /// Whether the page map is one: a sandbox around this process may have another file there.
    fn tells_what_was_touched(&self) -> io::Result<bool> {
        let bytes = 4 * self.page_bytes;
        let mut mapping = Mapping::new(bytes)?;
        mapping.fill_with_zeros(2 * self.page_bytes, 1);
        Ok(self.touched(&mapping, bytes)? == [2])
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Mapping>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A mapping of exactly this capacity that is zero everywhere.
    pub(super) fn take(&self, capacity: usize) -> Option<Mapping> {
        let mut waiting = self.waiting();
        let at = waiting.iter().rposition(|it| it.capacity == capacity)?;
        waiting.remove(at)
    }

    /// Keeps a mapping of which only the first `size` bytes were ever written, or unmaps it.
    pub(super) fn put(&self, mut mapping: Mapping, size: usize) {
        if self.clear(&mut mapping, size).is_err() {
            return;
        }
        let mut waiting = self.waiting();
        waiting.push_back(mapping);
        // Those that nobody wanted for longest go first.
        let unwanted = (waiting.len() > SPARES_MAX).then(|| waiting.pop_front());
        drop(waiting);
        drop(unwanted);
    }

    /// Fills with zeros what was touched.
    ///
    /// # Errors
    /// It is not worth it, or the kernel does not tell what was touched.
    fn clear(&self, mapping: &mut Mapping, size: usize) -> io::Result<()> {
        if size > SIZE_MAX {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let touched = self.touched(mapping, size)?;
        if touched.len() > PAGES_MAX {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        for page in touched {
            mapping.fill_with_zeros(page * self.page_bytes, self.page_bytes);
        }
        Ok(())
    }

    /// The pages of the first `size` bytes that were touched.
    fn touched(&self, mapping: &Mapping, size: usize) -> io::Result<Vec<usize>> {
        let page_map = self.page_map.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        let first = mapping.base.as_ptr() as usize / self.page_bytes;
        let mut entries = vec![0; size.div_ceil(self.page_bytes) * 8];
        page_map.read_exact_at(&mut entries, first as u64 * 8)?;
        let (entries, _) = entries.as_chunks();
        let touched = |entry: &[u8; 8]| u64::from_ne_bytes(*entry) & IS_TOUCHED != 0;
        let pages = entries.iter().enumerate();
        Ok(pages
            .filter(|(_, it)| touched(it))
            .map(|(page, _)| page)
            .collect())
    }
}
