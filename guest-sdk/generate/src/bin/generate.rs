//! Rewrites the checked-in bindings from `wit/`.
//!
//! To be run after a change of the contract: `cargo run -p sandglass-guest-generate`.

use anyhow::{Context, Result};
use sandglass_guest_generate::{bindings_folder, generate, wit_folder};

fn main() -> Result<()> {
    for file in generate(&wit_folder())? {
        let path = bindings_folder().join(file.name);
        std::fs::write(&path, &file.text).with_context(|| format!("writing {}", path.display()))?;
        println!("{} ({} bytes)", path.display(), file.text.len());
    }
    Ok(())
}
