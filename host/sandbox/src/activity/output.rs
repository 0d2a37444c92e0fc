//! Standard output and error of attempts: each line becomes a log line.

use super::context::AttemptLog;
use crate::{Level, log::MESSAGE_BYTES_MAX};
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
pub(super) struct LineStream(Arc<Mutex<Line>>);

/// The line that has begun.
struct Line {
    level: Level,
    target: &'static str,
    log: Arc<AttemptLog>,
    begun: Vec<u8>,
}

impl LineStream {
    pub(super) fn new(level: Level, target: &'static str, log: Arc<AttemptLog>) -> Self {
        Self(Arc::new(Mutex::new(Line {
            level,
            target,
            log,
            begun: Vec::new(),
        })))
    }

    fn append(&self, bytes: &[u8]) {
        self.0
            .lock()
            .expect("appending to a line does not panic")
            .append(bytes);
    }
}

impl Line {
    fn append(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.begun.extend_from_slice(part);
            if part.ends_with(b"\n") || self.begun.len() >= MESSAGE_BYTES_MAX {
                self.end();
            }
        }
    }

    fn end(&mut self) {
        let text = String::from_utf8_lossy(&self.begun);
        self.log.write(self.level, self.target, text.trim_end());
        self.begun.clear();
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.begun.is_empty() {
            self.end();
        }
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
