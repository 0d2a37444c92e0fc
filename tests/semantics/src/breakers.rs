//! The table of rules that are broken on purpose, `tests/breakers.md`, and what runs it: each named
//! test must fail in a process that breaks the rule, and pass in one that does not.

use crate::{coverage, markdown, sources, text};
use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    io::Read as _,
    path::PathBuf,
    process::{Command, Stdio},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

type Sources = BTreeMap<PathBuf, String>;

/// Where the table is.
pub const FILE: &str = "tests/breakers.md";

/// The test of a crate that runs the rows whose tests are in its binary.
pub const RUNNER: &str = "rule_breakers_are_caught";

/// Names the rule that a process breaks.
const VARIABLE: &str = "SANDGLASS_BREAK_RULE";

/// How long one test may take. One that waits in vain has noticed nothing.
const PATIENCE: Duration = Duration::from_secs(120);

/// Longest text of a failure in the list.
const SHOWN_CHARS_MAX: usize = 160;

/// A rule, what is done instead, and who notices.
#[derive(Debug, Clone)]
pub struct Row {
    /// `R1` to `R40`.
    pub rule: String,
    /// What a process that breaks the rule does.
    pub instead: String,
    /// The test that fails then, as `path::function`.
    pub test: String,
}

/// The rows of the table.
#[must_use]
pub fn all() -> Vec<Row> {
    let row = |cells: Vec<String>| {
        let [rule, instead, test] = &cells[..] else {
            panic!("{FILE}: a row of another form: {cells:?}");
        };
        Row {
            rule: rule.clone(),
            instead: instead.clone(),
            test: test.trim_matches('`').to_owned(),
        }
    };
    let rows = markdown::rows(&text(FILE), "Caught");
    rows.into_iter().map(row).collect()
}

/// The rules that are said to have nothing that could be broken yet.
#[must_use]
pub fn not_yet() -> BTreeSet<String> {
    let rows = markdown::rows(&text(FILE), "Not yet");
    rows.into_iter().map(|cells| cells[0].clone()).collect()
}

/// What is wrong with the table: rules without a mutation, mutations that no code has, tests that
/// are not in the rule's row of the table of what is proven, and binaries that nobody runs.
#[must_use]
pub fn faults() -> Vec<String> {
    let sources = sources::all();
    let (rows, not_yet, in_code) = (all(), not_yet(), in_code(&sources));
    let roots = roots(&sources);
    let proofs = coverage::all();
    let mut wrong = Vec::new();
    for rule in (1..=40).map(|number| format!("R{number}")) {
        let found: Vec<&Row> = rows.iter().filter(|row| row.rule == rule).collect();
        match (&found[..], not_yet.contains(&rule)) {
            ([], false) => wrong.push(format!("{rule} has no mutation")),
            ([], true) | ([_], false) => {}
            _ => wrong.push(format!("{rule} is in the table twice")),
        }
        if found.is_empty() == in_code.contains(&rule) {
            wrong.push(format!("{rule} is in one of table and code alone"));
        }
        let proof = proofs.iter().find(|proof| proof.name == rule);
        for row in found {
            if !proof.is_some_and(|proof| proof.tests.contains(&row.test)) {
                wrong.push(format!("{} is not in the row of {rule}", row.test));
            }
            let file = row.test.split(".rs::").next().unwrap_or_default();
            if !roots.iter().any(|root| is_in(file, root)) {
                wrong.push(format!("{rule}: no test {RUNNER} runs {}", row.test));
            }
        }
    }
    let unknown = in_code
        .iter()
        .filter(|rule| !proofs.iter().any(|proof| proof.name == **rule));
    wrong.extend(unknown.map(|rule| format!("{rule} is broken in the code and is no rule")));
    wrong
}

/// The rules that code outside of tests can break.
fn in_code(sources: &Sources) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (path, source) in sources {
        if !path.components().any(|part| part.as_os_str() == "src") {
            continue;
        }
        let code = source
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            for (at, _) in line.match_indices("broken(\"") {
                let rest = &line[at + "broken(\"".len()..];
                let name = rest.split('"').next().unwrap_or_default();
                // A function of this name may be somebody else's.
                if name.starts_with('R') {
                    found.insert(name.to_owned());
                }
            }
        }
    }
    found
}

/// The test binaries that have a runner, by the file or folder that each begins at.
fn roots(sources: &Sources) -> Vec<&str> {
    let call = "breakers::catch(\"";
    let with_runner = sources.values().filter(|source| source.contains(RUNNER));
    let roots = with_runner.filter_map(|source| {
        let at = source.find(call)?;
        source[at + call.len()..].split('"').next()
    });
    roots.collect()
}

fn is_in(file: &str, root: &str) -> bool {
    let rest = file.strip_prefix(root);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Runs, for each row whose test is in this binary, the test with the rule broken and kept, and
/// prints the list. `root` is the file or folder that the binary's tests begin at.
///
/// # Panics
/// If a mutation is not caught, or a test fails without one.
pub fn catch(root: &str) {
    let rows: Vec<Row> = all()
        .into_iter()
        .filter(|row| {
            let path = row.test.rsplit_once("::").map_or("", |(path, _)| path);
            path.strip_suffix(".rs")
                .is_some_and(|file| is_in(file, root))
        })
        .collect();
    assert!(!rows.is_empty(), "{FILE} names no test of {root}");
    let names = names();
    let left = Mutex::new(rows.iter().enumerate());
    let done = Mutex::new(Vec::new());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let next = lock(&left).next();
                    let Some((place, row)) = next else { break };
                    let result = judge(row, &names);
                    lock(&done).push((place, row, result));
                }
            });
        }
    });
    let mut done = done
        .into_inner()
        .unwrap_or_else(|poison| poison.into_inner());
    done.sort_by_key(|(place, ..)| *place);
    let mut missed = Vec::new();
    for (_, row, result) in done {
        match result {
            Ok(how) => println!("{:4} {} -- {}: {how}", row.rule, row.instead, row.test),
            Err(why) => missed.push(format!("{}: {}: {why}", row.rule, row.test)),
        }
    }
    println!(
        "{} of {} mutations caught in {root}",
        rows.len() - missed.len(),
        rows.len()
    );
    assert!(missed.is_empty(), "not caught:\n  {}", missed.join("\n  "));
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poison| poison.into_inner())
}

/// The names of the tests in this binary.
fn names() -> Vec<String> {
    let itself = env::current_exe().expect("a test knows its binary");
    let output = Command::new(itself).arg("--list").output();
    let output = output.expect("a test binary can be run").stdout;
    let output = String::from_utf8_lossy(&output).into_owned();
    let lines = output
        .lines()
        .filter_map(|line| line.strip_suffix(": test"));
    lines.map(str::to_owned).collect()
}

/// How the test failed when its rule was broken.
fn judge(row: &Row, names: &[String]) -> Result<String, String> {
    let (path, function) = row.test.rsplit_once("::").ok_or("it is no path and name")?;
    let module = path.rsplit('/').next().unwrap_or(path);
    let module = module.trim_end_matches(".rs");
    let inner = format!("{module}::{function}");
    let mut found = names.iter().filter(|name| {
        *name == function || **name == inner || name.ends_with(&format!("::{inner}"))
    });
    let (Some(name), None) = (found.next(), found.next()) else {
        return Err(format!("{names:?} has not exactly one of this name"));
    };
    let (passed, output) = run(name, None)?;
    if !passed {
        return Err(format!(
            "it fails although no rule is broken: {}",
            shown(&output)
        ));
    }
    match run(name, Some(&row.rule))? {
        (true, _) => Err("it passes although the rule is broken".into()),
        (false, output) if output.contains("1 failed") => Ok(shown(&output)),
        (false, output) => Err(format!("it did not fail as tests fail: {output}")),
    }
}

/// Whether the test passed in a process of its own, and what it said.
fn run(name: &str, rule: Option<&str>) -> Result<(bool, String), String> {
    let itself = env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(itself);
    command.args(["--exact", name, "--test-threads=1"]);
    command.env_remove(VARIABLE).env("RUST_BACKTRACE", "0");
    command.envs(rule.map(|rule| (VARIABLE, rule)));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let mut stdout = child.stdout.take().ok_or("its output was asked for")?;
    let reader = thread::spawn(move || {
        let mut text = Vec::new();
        // What could be read until then is enough.
        let _end = stdout.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    });
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            break status;
        }
        if begun.elapsed() > PATIENCE {
            // It may have ended by itself just now.
            let _gone = child.kill();
            let _status = child.wait();
            let broken = rule.unwrap_or("no rule");
            return Err(format!("it waits in vain with {broken} broken"));
        }
        thread::sleep(Duration::from_millis(2));
    };
    let output = reader.join().map_err(|_| "its output could not be read")?;
    Ok((status.success(), output))
}

/// What a failed test said, in one line.
fn shown(output: &str) -> String {
    let lines = output
        .lines()
        .skip_while(|line| !line.contains("panicked at"));
    let lines = lines.skip(1).take_while(|line| !line.starts_with("note: "));
    let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    let text = words.join(" ");
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
