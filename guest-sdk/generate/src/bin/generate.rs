//! Rewrites the checked-in bindings.
//!
//! To be run after a change of the contract: `cargo run -p sandglass-guest-generate`.

use anyhow::{Context, Result};
use sandglass_guest_generate::{generate, root};

fn main() -> Result<()> {
    for file in generate(&root())? {
        let path = root().join(&file.path);
        std::fs::write(&path, &file.bytes)
            .with_context(|| format!("writing {}", path.display()))?;
        println!("{} ({} bytes)", path.display(), file.bytes.len());
    }
    Ok(())
}
