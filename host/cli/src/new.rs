//! `sandglass new`: a crate or package with a workflow that builds anywhere.

use crate::{
    args::{NewArgs, OutputForm},
    exit::{Exit, OrStop, Outcome, Stop, usage},
    language::Language,
    output,
};
use anyhow::Context;
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What is made in one language.
struct Template {
    /// Files and what they have in them, with `{{name}}` and `{{sdk}}` to be filled in.
    files: &'static [(&'static str, &'static str)],
    /// Names the SDK as the language's manifest does.
    dependency: fn(Option<&str>) -> Result<String, Stop>,
    /// What it is, and the commands that follow.
    made: &'static str,
}

const RUST: Template = Template {
    files: &[
        ("Cargo.toml", include_str!("../templates/Cargo.toml.txt")),
        ("src/lib.rs", include_str!("../templates/lib.rs.txt")),
        ("README.md", include_str!("../templates/README.md.txt")),
        (".gitignore", include_str!("../templates/gitignore.txt")),
    ],
    dependency: crate_dependency,
    made: "a workflow, an activity and a README\n\n\
           cd {{folder}}\n\
           sandglass build\n\
           sandglass run {{name}}.wasm --activities {{name}}-activities.wasm --input '\"World\"'\n",
};

const TYPESCRIPT: Template = Template {
    files: &[
        (
            "package.json",
            include_str!("../templates/typescript/package.json.txt"),
        ),
        (
            "tsconfig.json",
            include_str!("../templates/typescript/tsconfig.json.txt"),
        ),
        (
            "src/workflows.ts",
            include_str!("../templates/typescript/workflows.ts.txt"),
        ),
        (
            "README.md",
            include_str!("../templates/typescript/README.md.txt"),
        ),
        (
            ".gitignore",
            include_str!("../templates/typescript/gitignore.txt"),
        ),
    ],
    dependency: npm_dependency,
    made: "a workflow and a README\n\n\
           cd {{folder}}\n\
           npm install\n\
           sandglass build\n\
           sandglass run {{name}}.wasm --input '\"World\"'\n",
};

const PYTHON: Template = Template {
    files: &[
        (
            "pyproject.toml",
            include_str!("../templates/python/pyproject.toml.txt"),
        ),
        (
            "src/workflows.py",
            include_str!("../templates/python/workflows.py.txt"),
        ),
        (
            "README.md",
            include_str!("../templates/python/README.md.txt"),
        ),
        (
            ".gitignore",
            include_str!("../templates/python/gitignore.txt"),
        ),
    ],
    dependency: python_folder,
    made: "two workflows and a README\n\n\
           cd {{folder}}\n\
           sandglass build\n\
           sandglass run {{name}}.wasm --type hello --input '\"World\"'\n",
};

const C: Template = Template {
    files: &[
        (
            "sandglass.toml",
            include_str!("../templates/c/sandglass.toml.txt"),
        ),
        ("workflow.c", include_str!("../templates/c/workflow.c.txt")),
        ("README.md", include_str!("../templates/c/README.md.txt")),
        (".gitignore", include_str!("../templates/c/gitignore.txt")),
    ],
    dependency: no_dependency,
    made: "a workflow and a README\n\n\
           cd {{folder}}\n\
           sandglass build\n\
           sandglass run {{name}}.wasm --input '\"World\"'\n",
};

const GO: Template = Template {
    files: &[
        ("go.mod", include_str!("../templates/go/go.mod.txt")),
        (
            "workflows.go",
            include_str!("../templates/go/workflows.go.txt"),
        ),
        ("README.md", include_str!("../templates/go/README.md.txt")),
        (".gitignore", include_str!("../templates/go/gitignore.txt")),
    ],
    dependency: go_folder,
    made: "two workflows and a README\n\n\
           cd {{folder}}\n\
           sandglass build\n\
           sandglass run {{name}}.wasm --type hello --input '\"World\"'\n",
};

/// The SDKs of the checkout that this program was built in. They may have moved since.
const OWN_SDK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../guest-sdk");

/// Makes the crate or package.
///
/// # Errors
/// With exit code 2 if the name is no crate name, the folder exists or no SDK is found.
pub fn new(args: &NewArgs, form: OutputForm) -> Outcome {
    let template = match args.lang {
        Language::Rust => RUST,
        Language::JavaScript => TYPESCRIPT,
        Language::Python => PYTHON,
        Language::C => C,
        Language::Go => GO,
    };
    let name = crate_name(&args.name)?;
    if args.name.exists() {
        return Err(usage!(
            "{} exists already; choose another name",
            args.name.display()
        ));
    }
    let dependency = (template.dependency)(args.sdk.as_deref())?;
    let folder = args.name.display().to_string();
    let fill = |text: &str| {
        text.replace("{{name}}", name)
            .replace("{{sdk}}", &dependency)
            .replace("{{folder}}", &folder)
    };
    for (file, text) in template.files {
        write(&args.name.join(file), &fill(text)).or_host()?;
    }
    match form {
        OutputForm::Json => output::print_json(&json!({ "name": name, "folder": folder }))?,
        OutputForm::Text => output::print(&format!("{folder}: {}", fill(template.made)))?,
    }
    Ok(Exit::Completed)
}

/// The crate's name: the folder's, if cargo would take it. npm takes those as well.
fn crate_name(folder: &Path) -> Result<&str, Stop> {
    let name = folder
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase());
    let goes_on_well = name
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_');
    // Cargo refuses these: the first would shadow a crate of the compiler, the others a folder.
    let taken = [
        "core",
        "std",
        "alloc",
        "test",
        "proc_macro",
        "deps",
        "build",
        "examples",
    ];
    if starts_well && goes_on_well && !taken.contains(&name) {
        return Ok(name);
    }
    Err(usage!(
        "'{name}' is no name for a crate; use lower-case letters, digits, - and _, and begin with \
         a letter"
    ))
}

/// The right side of cargo's dependency line.
fn crate_dependency(sdk: Option<&str>) -> Result<String, Stop> {
    match sdk {
        Some(url) if url.contains("://") || url.starts_with("git@") => {
            Ok(format!("{{ git = {} }}", quoted(url)))
        }
        sdk => {
            let line = "name = \"sandglass-guest\"";
            let path = sdk_folder(sdk, "", "Cargo.toml", line, "the crate sandglass-guest")?;
            Ok(format!("{{ path = {} }}", quoted(&path)))
        }
    }
}

/// The version that npm is asked for.
fn npm_dependency(sdk: Option<&str>) -> Result<String, Stop> {
    let line = "\"name\": \"sandglass\"";
    let path = sdk_folder(sdk, "js", "package.json", line, "the package sandglass")?;
    Ok(quoted(&format!("file:{path}")))
}

/// The folder of the SDK's sources.
fn python_folder(sdk: Option<&str>) -> Result<String, Stop> {
    let (module, line) = ("sandglass/component.py", "class Guest");
    let path = sdk_folder(sdk, "python", module, line, "the guest SDK for Python")?;
    Ok(quoted(&path))
}

/// The folder of the SDK's module.
fn go_folder(sdk: Option<&str>) -> Result<String, Stop> {
    let path = sdk_folder(
        sdk,
        "go",
        "go.mod",
        "module sandglass",
        "the module sandglass",
    )?;
    Ok(quoted(&path))
}

/// The SDK is in this program.
fn no_dependency(sdk: Option<&str>) -> Result<String, Stop> {
    match sdk {
        None => Ok(String::new()),
        Some(_) => Err(usage!(
            "--sdk is not for C: `sandglass build` brings its own"
        )),
    }
}

/// The folder of a guest SDK, which is known by a line of its manifest: the one named, or that of
/// the checkout.
fn sdk_folder(
    sdk: Option<&str>,
    own: &str,
    manifest: &str,
    line: &str,
    what: &str,
) -> Result<String, Stop> {
    let moved = || usage!("the guest SDK is not where it was; name it: --sdk PATH");
    let path = match sdk {
        Some(path) => PathBuf::from(path),
        None => Path::new(OWN_SDK).join(own),
    };
    let absolute: PathBuf = match path.canonicalize() {
        Ok(path) => path,
        Err(_) if sdk.is_none() => return Err(moved()),
        Err(error) => {
            let missing = format!("cannot find the guest SDK at {}", path.display());
            return Err(Stop::usage(anyhow::Error::new(error).context(missing)));
        }
    };
    let text = fs::read_to_string(absolute.join(manifest)).unwrap_or_default();
    if !text.contains(line) {
        return Err(match sdk {
            None => moved(),
            Some(_) => usage!("{} is not {what}", absolute.display()),
        });
    }
    let text = absolute.to_str().context("its path is not UTF-8");
    Ok(text.or_usage()?.to_owned())
}

/// A TOML or JSON string. What JSON escapes in a text without control characters, TOML escapes
/// alike.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path
        .parent()
        .context("every file of a new crate lies in its folder")?;
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, text))
        .with_context(|| format!("cannot write {}", path.display()))
}
