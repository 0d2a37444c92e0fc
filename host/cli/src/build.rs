//! `sandglass build`: a crate becomes a workflow component, an activity component, or both.
//!
//! One crate is compiled twice, once for each target; what the SDK's `export!` gives in each says
//! whether that component exists. Components are made in this process: no other tool is needed. A
//! project in another language gives a workflow component, made by that language's toolchain.

use crate::{
    args::{BuildArgs, OutputForm, Part},
    cargo::{Compile, Package},
    component,
    exit::{Exit, OrStop, Outcome, Stop, usage},
    inspect,
    language::{Language, Made},
    output, toolchain,
};
use anyhow::Context;
use sandglass_sandbox::{ComponentKind, Error, Grants, Inspection, Sandbox};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// One component to try for.
struct Attempt {
    kind: ComponentKind,
    target: &'static str,
    /// A condition that the SDK asks for, beside the target.
    cfg: Option<&'static str>,
    /// The start of the export's name that says that there is one.
    export: &'static str,
    suffix: &'static str,
}

const WORKFLOWS: Attempt = Attempt {
    kind: ComponentKind::Workflow,
    target: toolchain::WORKFLOW_TARGET,
    cfg: None,
    export: "sandglass:workflow/guest@",
    suffix: "",
};

/// Workflows whose standard library asks WASI for what it needs.
const WASI_WORKFLOWS: Attempt = Attempt {
    target: toolchain::ACTIVITY_TARGET,
    cfg: Some("sandglass_workflows"),
    ..WORKFLOWS
};

const ACTIVITIES: Attempt = Attempt {
    kind: ComponentKind::Activities,
    target: toolchain::ACTIVITY_TARGET,
    cfg: None,
    export: "sandglass:workflow/activity-handler@",
    suffix: "-activities",
};

/// A component that was written.
#[derive(Debug)]
pub struct Built {
    /// The file.
    pub path: PathBuf,
    /// What it contains.
    pub inspection: Inspection,
}

/// Builds the components of a crate and prints what they are.
///
/// # Errors
/// With exit code 2 if the folder is no crate that can give a component or no compiler is found,
/// with 1 if it does not compile.
pub fn build(args: &BuildArgs, form: OutputForm) -> Outcome {
    let built = components(args)?;
    match form {
        OutputForm::Json => {
            let list: Vec<_> = built.iter().map(Built::to_json).collect();
            output::print_json(&json!({ "components": list }))?;
        }
        OutputForm::Text => {
            for component in &built {
                output::print(&component.to_text())?;
            }
        }
    }
    Ok(Exit::Completed)
}

/// Builds the components of a crate or project and writes them.
///
/// # Errors
/// As [`build`].
pub fn components(args: &BuildArgs) -> Result<Vec<Built>, Stop> {
    match Language::of(&args.krate)? {
        Language::Rust => of_crate(args),
        other => of_project(args, other),
    }
}

/// Builds a project in a language that has a toolchain of its own.
fn of_project(args: &BuildArgs, language: Language) -> Result<Vec<Built>, Stop> {
    let only_activities = args.only == Some(Part::Activities);
    if only_activities || args.wasi || args.features.is_some() || args.target_dir.is_some() {
        return Err(usage!(
            "{} is not in Rust: there is one component, with its workflows; --only activities, \
             --wasi, --features and --target-dir are for crates",
            args.krate.display()
        ));
    }
    make_folder(&args.out)?;
    let Made { name, component } = language.build(&args.krate)?;
    Ok(vec![write(
        &*component::sandbox()?,
        &name,
        "",
        &component,
        &args.out,
    )?])
}

fn make_folder(out: &Path) -> Result<(), Stop> {
    fs::create_dir_all(out)
        .with_context(|| format!("cannot make the folder {}", out.display()))
        .or_usage()
}

fn of_crate(args: &BuildArgs) -> Result<Vec<Built>, Stop> {
    let package = Package::find(&args.krate)?;
    let workflows = if args.wasi { WASI_WORKFLOWS } else { WORKFLOWS };
    let attempts = match args.only {
        None => vec![workflows, ACTIVITIES],
        Some(Part::Workflows) => vec![workflows],
        Some(Part::Activities) => vec![ACTIVITIES],
    };
    let targets: Vec<_> = attempts.iter().map(|attempt| attempt.target).collect();
    let rustc = toolchain::find(package.folder(), &targets).or_usage()?;
    let target_folder = match &args.target_dir {
        Some(folder) => std::path::absolute(folder).or_usage()?,
        // A folder of its own: this compiler may be another than that of the host.
        None => package.target_folder.join("sandglass"),
    };
    make_folder(&args.out)?;
    let sandbox = component::sandbox()?;
    let mut built = Vec::new();
    for attempt in &attempts {
        let module = package.compile(&Compile {
            rustc: &rustc,
            target: attempt.target,
            cfg: attempt.cfg,
            target_folder: &match attempt.cfg {
                // What one condition has built is of no use for the other.
                Some(cfg) => target_folder.join(cfg),
                None => target_folder.clone(),
            },
            features: args.features.as_deref(),
        })?;
        if let Some(component) = attempt.componentize(&sandbox, &package, &module, &args.out)? {
            built.push(component);
        }
    }
    if built.is_empty() {
        return Err(usage!("{}", nothing_exported(&package)));
    }
    Ok(built)
}

/// What workflows with component-model async export.
const ASYNC_EXPORT: &str = "sandglass:workflow/async-guest@";

/// What the name of an `async` function begins with that a core module exports; see
/// `CanonicalABI.md` of the component model.
const ASYNC_PREFIX: &str = "[async-lift]";

impl Attempt {
    /// Makes and writes the component, if the module exports one.
    fn componentize(
        &self,
        sandbox: &Sandbox,
        package: &Package,
        module: &Path,
        out: &Path,
    ) -> Result<Option<Built>, Stop> {
        let core = fs::read(module)
            .with_context(|| format!("cannot read {}", module.display()))
            .or_host()?;
        if !self.is_there(&core).or_host()? {
            return Ok(None);
        }
        let component = sandglass_sandbox::to_component(&core)
            .with_context(|| package.name.clone())
            .or_usage()?;
        if let Err(Error::NoTypes) = self.load(sandbox, &component) {
            // `export!` was given an empty list.
            return Ok(None);
        }
        write(sandbox, &package.name, self.suffix, &component, out).map(Some)
    }

    /// Whether a core module has what this component would export: the SDK's interface, `async`
    /// functions by themselves or, for activities, functions of interfaces of its own.
    fn is_there(&self, core: &[u8]) -> anyhow::Result<bool> {
        let is_own = |name: &str| {
            name.contains(':')
                && name.contains('#')
                && !name.starts_with("cabi_")
                && sandglass_sandbox::is_authors(name)
        };
        let typed = self.kind == ComponentKind::Activities;
        let awaits = |name: &str| {
            let alone = name.strip_prefix(ASYNC_PREFIX);
            name.starts_with(ASYNC_EXPORT) || alone.is_some_and(|name| !name.contains('#'))
        };
        let is_async = |name: &str| !typed && awaits(name);
        exports(core, |name| {
            name.starts_with(self.export) || is_async(name) || (typed && is_own(name))
        })
    }

    fn load(&self, sandbox: &Sandbox, component: &[u8]) -> Result<(), Error> {
        match self.kind {
            ComponentKind::Workflow => sandbox.load_workflow(component).map(drop),
            ComponentKind::Activities => sandbox
                .load_activities(component, Grants::default())
                .map(drop),
        }
    }
}

/// Checks a component and writes it.
fn write(
    sandbox: &Sandbox,
    name: &str,
    suffix: &str,
    component: &[u8],
    out: &Path,
) -> Result<Built, Stop> {
    let inspection = sandbox.inspect(component).or_usage()?;
    if let Some(problem) = &inspection.problem {
        return Err(usage!("{name} compiles, but cannot be loaded: {problem}"));
    }
    let file = format!("{name}{suffix}.wasm");
    // Without `./`: the path is read by people, who type it again.
    let path = match out == Path::new(".") {
        true => PathBuf::from(file),
        false => out.join(file),
    };
    output::write_atomically(&path, component).or_host()?;
    Ok(Built { path, inspection })
}

impl Built {
    fn to_json(&self) -> Value {
        json!({
            "path": self.path.display().to_string(),
            "kind": self.inspection.kind.to_string(),
            "digest": self.inspection.digest.to_string(),
            "size_bytes": self.inspection.size_bytes,
            inspect::types_field(self.inspection.kind): self.inspection.types,
        })
    }

    fn to_text(&self) -> String {
        format!(
            "{}  {}  {}  {}: {}\n",
            self.path.display(),
            output::size(self.inspection.size_bytes),
            &self.inspection.digest.to_string()[..12],
            self.inspection.kind,
            self.inspection.types.join(", ")
        )
    }
}

/// Whether a core module has such an export.
fn exports(core: &[u8], is_meant: impl Fn(&str) -> bool) -> anyhow::Result<bool> {
    for payload in wasmparser::Parser::new(0).parse_all(core) {
        if let wasmparser::Payload::ExportSection(section) = payload? {
            for export in section {
                if is_meant(export?.name) {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

fn nothing_exported(package: &Package) -> String {
    format!(
        "{name} exports neither a workflow nor an activity; add to its src/lib.rs, with the names \
         of its functions:\n\n\
         sandglass_guest::export! {{ workflows: [my_workflow], activities: [my_activity] }}",
        name = package.name
    )
}
