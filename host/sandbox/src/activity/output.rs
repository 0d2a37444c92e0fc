//! Standard output and error of attempts: each line becomes a log line.

use super::context::AttemptLog;
use crate::{
    Level,
    log::{Line, MESSAGE_BYTES_MAX},
};
use bytes::Bytes;
use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};
use tokio::io::AsyncWrite;
use wasmtime_wasi::{
    async_trait,
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamResult},
};

/// One standard stream. Its clones write to the same line.
#[derive(Clone)]
pub(super) struct LineStream(Arc<Mutex<Stream>>);

struct Stream {
    level: Level,
    target: &'static str,
    log: Arc<AttemptLog>,
    line: Line,
}

impl LineStream {
    pub(super) fn new(level: Level, target: &'static str, log: Arc<AttemptLog>) -> Self {
        Self(Arc::new(Mutex::new(Stream {
            level,
            target,
            log,
            line: Line::default(),
        })))
    }

    fn append(&self, bytes: &[u8]) {
        let mut stream = self.0.lock().expect("appending to a line does not panic");
        let Stream {
            level,
            target,
            log,
            line,
        } = &mut *stream;
        line.append(bytes, |text| log.write(*level, target, text));
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let write = |text: &str| self.log.write(self.level, self.target, text);
        self.line.end(write);
    }
}

impl OutputStream for LineStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.append(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(MESSAGE_BYTES_MAX)
    }
}

#[async_trait]
impl Pollable for LineStream {
    async fn ready(&mut self) {}
}

impl IsTerminal for LineStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LineStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for LineStream {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.append(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
