//! Rewrites the checked-in bindings.
//!
//! To be run after a change of the contract: `cargo run -p sandglass-guest-generate`.

use anyhow::{Context, Result};
use sandglass_guest_generate::{generate, root};

fn main() -> Result<()> {
    for file in generate(&root())? {
        let path = root().join(&file.path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("making {}", folder.display()))?;
        }
        std::fs::write(&path, &file.bytes)
            .with_context(|| format!("writing {}", path.display()))?;
        println!("{} ({} bytes)", path.display(), file.bytes.len());
    }
    Ok(())
}
