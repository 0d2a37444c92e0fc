//! Standard streams: nothing comes in, and what goes out is the run's log, line by line.

use crate::{
    Level,
    bindings::wasi::wasi::{
        cli::{
            stderr, stdin, stdout, terminal_input, terminal_output, terminal_stderr,
            terminal_stdin, terminal_stdout,
        },
        io::{
            error,
            poll::Pollable,
            streams::{self, InputStream, OutputStream, StreamError},
        },
    },
    log::Line,
    state::GuestState,
};
use terminal_input::TerminalInput;
use terminal_output::TerminalOutput;
use wasmtime::{Result, component::Resource};

/// Bytes that one write may have: as much as WASI's own streams take at once.
const WRITE_BYTES_MAX: usize = 64 << 10;

/// Standard input is of no use, so it has no number of its own.
const STDIN: u32 = 0;
const STDOUT: u32 = 0;
const STDERR: u32 = 1;

/// Standard output and standard error.
#[derive(Default)]
pub(crate) struct Output([Line; 2]);

impl GuestState {
    fn print(&mut self, stream: &Resource<OutputStream>, bytes: &[u8]) {
        let which = (stream.rep() == STDERR) as usize;
        self.with_line(which, |line, write| line.append(bytes, write));
    }

    /// What an event has printed is shown with it, also without a line's end.
    pub(crate) fn end_lines(&mut self) {
        for which in 0..self.wasi.output.0.len() {
            self.with_line(which, |line, write| line.end(write));
        }
    }

    fn with_line(&mut self, which: usize, change: impl FnOnce(&mut Line, &mut dyn FnMut(&str))) {
        let mut line = std::mem::take(&mut self.wasi.output.0[which]);
        let (level, target) = match which {
            0 => (Level::Info, "stdout"),
            _ => (Level::Warn, "stderr"),
        };
        change(&mut line, &mut |text| self.write_log(level, target, text));
        self.wasi.output.0[which] = line;
    }

    fn always_ready(&mut self) -> Result<Resource<Pollable>> {
        self.wasi.pollables.open(0)
    }
}

impl streams::Host for GuestState {}

impl streams::HostInputStream for GuestState {
    fn read(&mut self, _: Resource<InputStream>, _: u64) -> Result<Result<Vec<u8>, StreamError>> {
        Ok(Err(StreamError::Closed))
    }

    fn blocking_read(
        &mut self,
        _: Resource<InputStream>,
        _: u64,
    ) -> Result<Result<Vec<u8>, StreamError>> {
        Ok(Err(StreamError::Closed))
    }

    fn skip(&mut self, _: Resource<InputStream>, _: u64) -> Result<Result<u64, StreamError>> {
        Ok(Err(StreamError::Closed))
    }

    fn blocking_skip(
        &mut self,
        _: Resource<InputStream>,
        _: u64,
    ) -> Result<Result<u64, StreamError>> {
        Ok(Err(StreamError::Closed))
    }

    fn subscribe(&mut self, _: Resource<InputStream>) -> Result<Resource<Pollable>> {
        self.always_ready()
    }

    fn drop(&mut self, _: Resource<InputStream>) -> Result<()> {
        Ok(())
    }
}

impl streams::HostOutputStream for GuestState {
    fn check_write(&mut self, _: Resource<OutputStream>) -> Result<Result<u64, StreamError>> {
        Ok(Ok(WRITE_BYTES_MAX as u64))
    }

    fn write(
        &mut self,
        stream: Resource<OutputStream>,
        contents: Vec<u8>,
    ) -> Result<Result<(), StreamError>> {
        self.print(&stream, &contents);
        Ok(Ok(()))
    }

    fn blocking_write_and_flush(
        &mut self,
        stream: Resource<OutputStream>,
        contents: Vec<u8>,
    ) -> Result<Result<(), StreamError>> {
        self.write(stream, contents)
    }

    fn flush(&mut self, _: Resource<OutputStream>) -> Result<Result<(), StreamError>> {
        Ok(Ok(()))
    }

    fn blocking_flush(&mut self, _: Resource<OutputStream>) -> Result<Result<(), StreamError>> {
        Ok(Ok(()))
    }

    fn subscribe(&mut self, _: Resource<OutputStream>) -> Result<Resource<Pollable>> {
        self.always_ready()
    }

    fn write_zeroes(
        &mut self,
        stream: Resource<OutputStream>,
        len: u64,
    ) -> Result<Result<(), StreamError>> {
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        self.print(&stream, &vec![0; len.min(WRITE_BYTES_MAX)]);
        Ok(Ok(()))
    }

    fn blocking_write_zeroes_and_flush(
        &mut self,
        stream: Resource<OutputStream>,
        len: u64,
    ) -> Result<Result<(), StreamError>> {
        self.write_zeroes(stream, len)
    }

    fn splice(
        &mut self,
        _: Resource<OutputStream>,
        _: Resource<InputStream>,
        _: u64,
    ) -> Result<Result<u64, StreamError>> {
        Ok(Err(StreamError::Closed))
    }

    fn blocking_splice(
        &mut self,
        _: Resource<OutputStream>,
        _: Resource<InputStream>,
        _: u64,
    ) -> Result<Result<u64, StreamError>> {
        Ok(Err(StreamError::Closed))
    }

    fn drop(&mut self, _: Resource<OutputStream>) -> Result<()> {
        Ok(())
    }
}

impl error::Host for GuestState {}

// There are no errors of streams: they only end.
impl error::HostError for GuestState {
    fn to_debug_string(&mut self, _: Resource<error::Error>) -> Result<String> {
        Ok(String::new())
    }

    fn drop(&mut self, _: Resource<error::Error>) -> Result<()> {
        Ok(())
    }
}

impl stdin::Host for GuestState {
    fn get_stdin(&mut self) -> Result<Resource<InputStream>> {
        Ok(Resource::new_own(STDIN))
    }
}

impl stdout::Host for GuestState {
    fn get_stdout(&mut self) -> Result<Resource<OutputStream>> {
        Ok(Resource::new_own(STDOUT))
    }
}

impl stderr::Host for GuestState {
    fn get_stderr(&mut self) -> Result<Resource<OutputStream>> {
        Ok(Resource::new_own(STDERR))
    }
}

impl terminal_input::Host for GuestState {}

impl terminal_input::HostTerminalInput for GuestState {
    fn drop(&mut self, _: Resource<TerminalInput>) -> Result<()> {
        Ok(())
    }
}

impl terminal_output::Host for GuestState {}

impl terminal_output::HostTerminalOutput for GuestState {
    fn drop(&mut self, _: Resource<TerminalOutput>) -> Result<()> {
        Ok(())
    }
}

impl terminal_stdin::Host for GuestState {
    fn get_terminal_stdin(&mut self) -> Result<Option<Resource<TerminalInput>>> {
        Ok(None)
    }
}

impl terminal_stdout::Host for GuestState {
    fn get_terminal_stdout(&mut self) -> Result<Option<Resource<TerminalOutput>>> {
        Ok(None)
    }
}

impl terminal_stderr::Host for GuestState {
    fn get_terminal_stderr(&mut self) -> Result<Option<Resource<TerminalOutput>>> {
        Ok(None)
    }
}
