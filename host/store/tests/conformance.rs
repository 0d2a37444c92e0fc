//! The SQLite store passes the checks that every store must pass.

#![expect(clippy::unwrap_used, reason = "tests")]

use sandglass_store::{SqliteStore, Store, conformance_tests};

conformance_tests!({
    let folder = tempfile::tempdir().unwrap();
    move || -> Box<dyn Store> {
        Box::new(SqliteStore::open(&folder.path().join("store.db")).unwrap())
    }
});
