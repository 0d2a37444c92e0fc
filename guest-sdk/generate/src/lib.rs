//! Generates the checked-in bindings of the worlds in `wit/`: in Rust, in C and in Go.
//!
//! Running the generator when a guest is built would compile a WIT parser and a syntax-tree
//! library for every workflow, which takes fifty times as long as the guest itself. So its output
//! is part of the repository, and a test here fails when the output and `wit/` disagree.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use wit_bindgen_core::{
    Files, WorldGenerator,
    wit_parser::{Resolve, WorldId},
};
use wit_bindgen_rust::{Opts, WithOption};
use wit_component::StringEncoding;

/// One generated source file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedFile {
    /// Where it belongs, relative to the root of the checkout.
    pub path: String,
    /// All that it holds: text, but for one object file.
    pub bytes: Vec<u8>,
}

/// A world, with what decides about the code made for it.
struct World {
    /// The folder of its WIT package, and its file of bindings, relative to the root.
    wit: &'static str,
    file: &'static str,
    name: &'static str,
    /// Interfaces of the contract whose Rust module is that of the world `workflow`.
    shared: &'static [&'static str],
    /// The condition under which a build serves this world.
    target: &'static str,
}

/// Builds that serve workflows: `sandglass build --wasi` sets the flag.
const WORKFLOWS: &str = "any(not(target_os = \"wasi\"), sandglass_workflows)";

/// Builds that serve activities.
const ACTIVITIES: &str = "all(target_os = \"wasi\", not(sandglass_workflows))";

/// The worlds that have bindings.
const WORLDS: [World; 6] = [
    World {
        wit: "wit",
        file: "guest-sdk/bindings/src/workflow.rs",
        name: "workflow",
        shared: &[],
        target: WORKFLOWS,
    },
    World {
        wit: "wit",
        file: "guest-sdk/bindings/src/activity.rs",
        name: "activity",
        shared: &["types", "log"],
        target: ACTIVITIES,
    },
    World {
        wit: "wit",
        file: "guest-sdk/bindings/src/async_workflow.rs",
        name: "async-workflow",
        shared: &[
            "types",
            "activities",
            "attributes",
            "cancellation",
            "children",
            "compensation",
            "execution",
            "externals",
            "info",
            "log",
            "timers",
            "updates",
        ],
        target: WORKFLOWS,
    },
    // Activities that a test guest awaits, and a workflow that it has, with types of their own.
    World {
        wit: "tests/guests/scenarios-async/wit",
        file: "tests/guests/scenarios-async/src/cards.rs",
        name: "payer",
        shared: &[],
        target: WORKFLOWS,
    },
    // What a host must refuse: the import of a test guest that is not in the contract.
    World {
        wit: "tests/guests/forbidden-import/wit",
        file: "tests/guests/forbidden-import/src/evil.rs",
        name: "evil",
        shared: &[],
        target: WORKFLOWS,
    },
    // Activities that a test guest serves by functions of its own types.
    World {
        wit: "tests/guests/typed/wit",
        file: "tests/guests/typed-activities/src/cards.rs",
        name: "payments",
        shared: &[],
        target: ACTIVITIES,
    },
];

/// Worlds that have bindings in C: the folder of the WIT package, its name, and where they belong.
const C: [(&str, &str, &str); 2] = [
    ("wit", "blocking-workflow", "guest-sdk/c/generated"),
    // A test guest that calls activities of its own types, and has such workflows.
    (
        "tests/guests/typed/wit",
        "orders",
        "tests/guests/typed/generated",
    ),
];

/// Where the Go bindings of the world `workflow` belong, and the package path of that folder.
const GO: &str = "guest-sdk/go/internal/wit";
const GO_PACKAGE: &str = "sandglass/internal/wit";

/// Where they look for the functions that the world exports.
const GO_EXPORTS: &str = "sandglass/internal/guest";

/// The module that the generator's output uses for what WIT's generic types are. The SDK has its
/// own packages in place of those: what it needs of them, and memory that crosses without a garbage
/// collection.
const GO_SHARED: &str = "\"go.bytecodealliance.org/pkg/wit/";

/// The package that holds the worlds.
const PACKAGE: &str = "sandglass:workflow";

/// Its version.
const VERSION: &str = "0.1.0";

/// Returns the root of the checkout that built this crate.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Generates the bindings of every world of the checkout at `root`.
///
/// # Errors
///
/// Fails if a WIT package is missing or invalid, or the generator's output is not as expected.
pub fn generate(root: &Path) -> Result<Vec<GeneratedFile>> {
    let rust = WORLDS.iter().map(|world| generate_world(root, world));
    let mut files: Vec<_> = rust.collect::<Result<_>>()?;
    for (wit, name, folder) in C {
        files.extend(generate_c(root, wit, name, folder)?);
    }
    files.extend(generate_go(root)?);
    Ok(files)
}

/// A source, a header, and the object that describes the world to whoever makes a component.
fn generate_c(root: &Path, wit: &str, name: &str, folder: &str) -> Result<Vec<GeneratedFile>> {
    let (mut resolve, world) = world(root, wit, name)?;
    let mut files = Files::default();
    wit_bindgen_c::Opts::default()
        .build()
        .generate(&mut resolve, world, &mut files)
        .context("generating the C bindings")?;
    let files = files.iter().map(|(name, bytes)| GeneratedFile {
        path: format!("{folder}/{name}"),
        bytes: bytes.to_vec(),
    });
    Ok(files.collect())
}

/// One package for each interface, one with what is exported, and the description of the world,
/// which has to be put into the module that Go's linker makes.
fn generate_go(root: &Path) -> Result<Vec<GeneratedFile>> {
    let (mut resolve, world) = world(root, "wit", "workflow")?;
    let described = wit_component::metadata::encode(&resolve, world, StringEncoding::UTF8, None)
        .context("describing the world")?;
    let mut files = Files::default();
    let options = wit_bindgen_go::Opts {
        // Whoever generates need not have Go.
        format: wit_bindgen_go::Format::False,
        pkg_name: Some(GO_PACKAGE.to_owned()),
        export_pkg_name: Some(GO_EXPORTS.to_owned()),
        ..Default::default()
    };
    options
        .build()
        .generate(&mut resolve, world, &mut files)
        .context("generating the Go bindings")?;
    let mut made = vec![GeneratedFile {
        path: format!("{GO}/workflow.world"),
        bytes: described,
    }];
    for (name, bytes) in files.iter() {
        let text = std::str::from_utf8(bytes).context("the generator's output is not UTF-8")?;
        // Only WebAssembly has exports.
        let name = name.replace("wit_exports.go", "wit_exports_wasip1.go");
        let own = format!("\"{GO_PACKAGE}/");
        made.push(GeneratedFile {
            path: format!("{GO}/{name}"),
            bytes: text.replace(GO_SHARED, &own).into_bytes(),
        });
    }
    Ok(made)
}

fn world(root: &Path, wit: &str, name: &str) -> Result<(Resolve, WorldId)> {
    let wit = root.join(wit);
    let mut resolve = Resolve::default();
    let (package, _) = resolve
        .push_path(&wit)
        .with_context(|| format!("reading {}", wit.display()))?;
    let world = resolve
        .select_world(&[package], Some(name))
        .with_context(|| format!("looking for world {name}"))?;
    Ok((resolve, world))
}

fn generate_world(root: &Path, world: &World) -> Result<GeneratedFile> {
    let (mut resolve, id) = self::world(root, world.wit, world.name)?;

    let with = world.shared.iter().map(|interface| {
        let path = format!(
            "crate::workflow::{}::{interface}",
            PACKAGE.replace(':', "::")
        );
        (
            format!("{PACKAGE}/{interface}@{VERSION}"),
            WithOption::Path(path),
        )
    });
    let options = Opts {
        format: true,
        generate_all: true,
        // Otherwise a type that only a function of the other world uses would be missing here.
        generate_unused_types: true,
        pub_export_macro: true,
        default_bindings_module: Some(format!(
            "sandglass_guest_bindings::{}",
            world.name.replace('-', "_")
        )),
        additional_derive_attributes: vec!["PartialEq".to_owned()],
        with: with.collect(),
        ..Opts::default()
    };
    let mut files = Files::default();
    options
        .build()
        .generate(&mut resolve, id, &mut files)
        .with_context(|| format!("generating world {}", world.name))?;

    let (_, text) = files.iter().next().context("the generator made no file")?;
    let text = std::str::from_utf8(text).context("the generator's output is not UTF-8")?;
    Ok(GeneratedFile {
        path: world.file.to_owned(),
        bytes: gate_section(text, world)?.into_bytes(),
    })
}

/// Makes the world's description part of a build only where that world is served.
///
/// The generator puts the description of a world into a static in a section of its own. The linker
/// takes every such section of a crate that it links, so a crate with both worlds would ask every
/// component to export both.
fn gate_section(text: &str, world: &World) -> Result<String> {
    let before =
        "#[cfg(target_arch = \"wasm32\")]\n#[unsafe(\n    link_section = \"component-type:";
    let found = text.matches(before).count();
    ensure!(
        found == 1,
        "world {}: found {found} component-type sections, not 1",
        world.name
    );
    let after = before.replace(
        "cfg(target_arch = \"wasm32\")",
        &format!("cfg(all(target_arch = \"wasm32\", {}))", world.target),
    );
    Ok(text.replacen(before, &after, 1))
}
