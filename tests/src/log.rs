//! What was logged, so that a test can ask what a guest said.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};
use tracing_subscriber::fmt::MakeWriter;

/// All log lines of this process, as JSON.
#[derive(Debug, Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn lines() -> &'static Lines {
    static LINES: OnceLock<Lines> = OnceLock::new();
    LINES.get_or_init(|| {
        let lines = Lines::default();
        tracing_subscriber::fmt()
            .json()
            .with_writer(lines.clone())
            .with_max_level(tracing_subscriber::filter::LevelFilter::INFO)
            .init();
        lines
    })
}

/// Begins to collect log lines. Further calls do nothing.
pub(crate) fn collect() {
    lines();
}

/// The lines about one workflow id.
pub(crate) fn about(workflow_id: &str) -> Vec<String> {
    let bytes = lines()
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let id = format!("\"workflow_id\":\"{workflow_id}\"");
    String::from_utf8_lossy(&bytes)
        .lines()
        .filter(|l| l.contains(&id))
        .map(Into::into)
        .collect()
}
