//! Files: no directory is given to a workflow, so there is none to open anything in. The interfaces
//! are there because the C library of each WASI guest asks which directories it has.

use crate::{
    bindings::wasi::wasi::{
        filesystem::{
            preopens,
            types::{
                self, Advice, Descriptor, DescriptorFlags, DescriptorStat, DescriptorType,
                DirectoryEntry, DirectoryEntryStream, ErrorCode, MetadataHashValue, NewTimestamp,
                OpenFlags, PathFlags,
            },
        },
        io::{
            error,
            streams::{InputStream, OutputStream},
        },
    },
    state::GuestState,
};
use wasmtime::{Result, component::Resource};

type Refused<T> = Result<Result<T, ErrorCode>>;

/// Functions of a descriptor, which nobody has.
macro_rules! refused {
    ($($name:ident($($argument:ty),*) -> $answer:ty;)*) => {$(
        fn $name(&mut self, _: Resource<Descriptor> $(, _: $argument)*) -> Refused<$answer> {
            Ok(Err(ErrorCode::BadDescriptor))
        }
    )*};
}

impl types::HostDescriptor for GuestState {
    refused! {
        read_via_stream(u64) -> Resource<InputStream>;
        write_via_stream(u64) -> Resource<OutputStream>;
        append_via_stream() -> Resource<OutputStream>;
        advise(u64, u64, Advice) -> ();
        sync_data() -> ();
        get_flags() -> DescriptorFlags;
        get_type() -> DescriptorType;
        set_size(u64) -> ();
        set_times(NewTimestamp, NewTimestamp) -> ();
        read(u64, u64) -> (Vec<u8>, bool);
        write(Vec<u8>, u64) -> u64;
        read_directory() -> Resource<DirectoryEntryStream>;
        sync() -> ();
        create_directory_at(String) -> ();
        stat() -> DescriptorStat;
        stat_at(PathFlags, String) -> DescriptorStat;
        set_times_at(PathFlags, String, NewTimestamp, NewTimestamp) -> ();
        link_at(PathFlags, String, Resource<Descriptor>, String) -> ();
        open_at(PathFlags, String, OpenFlags, DescriptorFlags) -> Resource<Descriptor>;
        readlink_at(String) -> String;
        remove_directory_at(String) -> ();
        rename_at(String, Resource<Descriptor>, String) -> ();
        symlink_at(String, String) -> ();
        unlink_file_at(String) -> ();
        metadata_hash() -> MetadataHashValue;
        metadata_hash_at(PathFlags, String) -> MetadataHashValue;
    }

    fn is_same_object(&mut self, _: Resource<Descriptor>, _: Resource<Descriptor>) -> Result<bool> {
        Ok(false)
    }

    fn drop(&mut self, _: Resource<Descriptor>) -> Result<()> {
        Ok(())
    }
}

impl types::HostDirectoryEntryStream for GuestState {
    fn read_directory_entry(
        &mut self,
        _: Resource<DirectoryEntryStream>,
    ) -> Refused<Option<DirectoryEntry>> {
        Ok(Err(ErrorCode::BadDescriptor))
    }

    fn drop(&mut self, _: Resource<DirectoryEntryStream>) -> Result<()> {
        Ok(())
    }
}

impl types::Host for GuestState {
    fn filesystem_error_code(&mut self, _: Resource<error::Error>) -> Result<Option<ErrorCode>> {
        Ok(None)
    }
}

impl preopens::Host for GuestState {
    fn get_directories(&mut self) -> Result<Vec<(Resource<Descriptor>, String)>> {
        Ok(Vec::new())
    }
}
