//! One history, replayed in processes that differ in all that a guest must not notice, gives the same
//! commands; a component that does something else is caught, and nothing is lost by it.

#![expect(clippy::unwrap_used, reason = "tests")]

use sandglass_tests::{Patience, World, compiled, repository, sandglass};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};
use tempfile::TempDir;

/// A store with a run that has ended and one that is open.
async fn record(guest: &str) -> TempDir {
    let w = World::new().await;
    w.load(guest).await;
    for (rounds, stop_at) in [("3", 3), ("5", 2)] {
        let run = w
            .start_with("observe", |options| options.json(rounds))
            .await;
        for round in 1..=stop_at {
            let begun = |events: &str| events.matches("TS").count() == round;
            let patience = Patience::default();
            while !begun(&run.history().await) {
                patience.paused("it does not sleep").await;
            }
            w.advance(5000);
            w.host.idle().await;
            run.handle.signal_named("next", vec![]).await.unwrap();
        }
    }
    w.host.idle().await;
    w.stop().await
}

/// What two processes have different.
struct Process {
    host_name: &'static str,
    environment: [(&'static str, &'static str); 3],
    memory_mib: &'static str,
    tick_ms: &'static str,
    cache_bytes: &'static str,
}

const PROCESSES: [Process; 2] = [
    Process {
        host_name: "aachen",
        environment: [("TZ", "UTC"), ("LANG", "C"), ("LC_ALL", "C")],
        // What a component in Python needs to begin with.
        memory_mib: "32",
        tick_ms: "1",
        cache_bytes: "0",
    },
    Process {
        host_name: "zzyzx.example",
        environment: [
            ("TZ", "Asia/Kathmandu"),
            ("LANG", "tr_TR.UTF-8"),
            ("LC_ALL", "tr_TR.UTF-8"),
        ],
        memory_mib: "1024",
        tick_ms: "50",
        cache_bytes: "1000000000",
    },
];

/// How a process can be given a host name of its own here: a namespace, as root or as a user who is
/// root in one of his own. Where the kernel allows neither it is told in the environment only.
fn with_host_name(name: &str) -> Command {
    for namespace in [&["--uts"][..], &["--user", "--map-root-user", "--uts"]] {
        let script = "hostname \"$0\" && exec \"$@\"";
        let wrapped = |then: &str| {
            let mut command = Command::new("unshare");
            command.args(namespace).args(["sh", "-c", script, name]);
            command.arg(then).stderr(Stdio::inherit());
            command
        };
        let tried = wrapped("hostname").stderr(Stdio::null()).output();
        if tried.is_ok_and(|told| told.stdout.trim_ascii() == name.as_bytes()) {
            return wrapped("env");
        }
    }
    println!("no namespaces here: {name} is told by HOSTNAME only");
    Command::new("env")
}

fn replay(program: &Path, store: &Path, process: &Process) -> String {
    let folder = TempDir::new().unwrap();
    let own = folder.path().join("store.db");
    fs::copy(store, &own).unwrap();
    let mut command = with_host_name(process.host_name);
    command
        .args(
            process
                .environment
                .map(|(name, value)| format!("{name}={value}")),
        )
        .arg(format!("HOSTNAME={}", process.host_name))
        .arg(program)
        .arg(own)
        .args([process.memory_mib, process.tick_ms, process.cache_bytes])
        .arg(compiled());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", process.host_name);
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn two_processes_that_differ_in_everything_else_give_the_same_commands() {
    let all = ["words", "now", "random", "floats", "addresses", "memory"];
    gives_the_same("determinism", &all).await;
}

/// The same in JavaScript: `Map`, `Set` and objects, `Date`, `Math.random`, JSON, floating point.
#[tokio::test]
async fn nor_does_javascript_tell_them_apart() {
    let all = [
        "words [[",
        "set [0,",
        "object {",
        "now 1",
        "zone 0 ",
        "random 0.",
        "floats 7ff8000000000000 ",
        "sorted 11,2,25,3",
        "stack ",
    ];
    gives_the_same("scenarios-js", &all).await;
}

/// The same in Go: maps, `select`, goroutines that the garbage collector comes between, package time,
/// four sources of random numbers, floating point, addresses.
#[tokio::test]
async fn nor_does_go_tell_them_apart() {
    let all = [
        "words {",
        "order [",
        "select [",
        "goroutines [",
        "now 1970-01-01 00:16:4",
        "took 0s",
        "random ",
        "hash ",
        "floats 7ff8000000000000 ",
        "address 0x",
        "environment [] [] ",
    ];
    gives_the_same("scenarios-go", &all).await;
}

/// What the standard library asks of WASI is the run's, or nothing.
#[tokio::test]
async fn nor_does_the_standard_library_tell_them_apart() {
    let all = [
        "words",
        "hash",
        "system time Ok(1015s)",
        "took 0ns",
        "environment []",
        "arguments []",
        "host name false",
    ];
    gives_the_same("wasi/determinism", &all).await;
}

#[tokio::test]
async fn what_would_wait_or_end_the_process_traps_and_names_what_to_use() {
    let w = World::new().await;
    w.load("wasi/determinism").await;
    for (how, told) in [
        (
            "nap",
            "BlockingCall: a workflow must not wait for a clock by WASI: use sleep()",
        ),
        (
            "exit",
            "Exit: the code has ended its own process; a workflow ends by returning",
        ),
    ] {
        let argument = format!("{how:?}");
        let run = w
            .start_with("misbehave", |options| options.json(argument))
            .await;
        let failure = run.task_failure().await;
        assert!(failure.contains(told), "{failure}");
        run.handle.terminate("seen", "test").await.unwrap();
    }
}

async fn gives_the_same(guest: &str, all: &[&str]) {
    let folder = record(guest).await;
    let store = folder.path().join("store.db");
    let mut programs = vec![PathBuf::from(env!("CARGO_BIN_EXE_replay"))];
    // The same program in the other build, debug or release: `scripts/release.sh` names it.
    programs.extend(std::env::var_os("SANDGLASS_OTHER_BUILD").map(PathBuf::from));
    println!("{programs:?}");
    let mut first: Option<String> = None;
    for program in &programs {
        for process in &PROCESSES {
            let commands = replay(program, &store, process);
            for looked_at in all {
                assert!(commands.contains(looked_at), "{looked_at}: {commands}");
            }
            assert_eq!(commands.matches("as Completed").count(), 2, "{commands}");
            let first = first.get_or_insert_with(|| commands.clone());
            assert_eq!(*first, commands, "{}: {program:?}", process.host_name);
        }
    }
}

/// A folder with a store, and both components.
struct Shop(TempDir);

impl Shop {
    /// Components by their names, and what each is built with.
    fn with(components: &[(&str, &[&str])]) -> Self {
        let folder = TempDir::new().unwrap();
        for (name, options) in components {
            let built = sandglass()
                .current_dir(repository())
                .args(["build", "tests/guests/determinism", "--only", "workflows"])
                .args(*options)
                .arg("--out")
                .arg(folder.path())
                .output()
                .unwrap();
            assert!(built.status.success(), "{}", text(&built.stderr));
            let made = folder.path().join("guest-determinism.wasm");
            fs::rename(made, folder.path().join(format!("{name}.wasm"))).unwrap();
        }
        Self(folder)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = sandglass();
        command.current_dir(self.0.path()).args(arguments);
        command
    }

    fn run(&self, component: &str, more: &[&str]) -> Child {
        let begin = ["run", component, "--type", "steps", "--id", "s"];
        self.command(&begin)
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn ask(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        text(&output.stdout) + &text(&output.stderr)
    }

    /// Asks until the answer has this.
    fn until(&self, arguments: &[&str], wanted: &str) -> String {
        let patience = Patience::default();
        loop {
            let answer = self.ask(arguments);
            if answer.contains(wanted) {
                return answer;
            }
            patience.pause(format!("no {wanted} in {answer}"));
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn kill(mut child: Child) -> Output {
    child.kill().unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn a_changed_component_is_caught_and_the_right_one_goes_on_at_once() {
    let shop = Shop::with(&[("right", &[]), ("changed", &["--features", "changed"])]);
    let first = shop.run("right.wasm", &[]);
    shop.until(&["workflow", "show", "s"], "TimerFired");
    kill(first);

    let changed = shop.run("changed.wasm", &["--upgrade", "--no-trial"]);
    let signal = [
        "workflow", "signal", "s", "--name", "end", "--input", "\"over\"",
    ];
    // The socket of the new host takes it, or the store if that is not there yet.
    shop.until(&signal, "");
    let described = shop.until(&["workflow", "describe", "s"], "nondeterminism error");
    for said in ["recorded:", "attempted:", "event 5", "20", "30"] {
        assert!(described.contains(said), "{said} is in {described}");
    }
    let listed = shop.ask(&["workflow", "list"]);
    assert!(listed.to_lowercase().contains("running"), "{listed}");
    let shown = shop.ask(&["workflow", "show", "s"]);
    assert!(shown.contains("NonDeterministicError"), "{shown}");
    kill(changed);

    let right = shop.run("right.wasm", &["--upgrade"]);
    let output = right.wait_with_output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(text(&output.stdout).trim(), "\"over\"", "{said}");
}

#[test]
fn what_is_printed_is_in_the_log_once() {
    let shop = Shop::with(&[("wasi", &["--wasi"])]);
    let first = shop.run("wasi.wasm", &[]);
    shop.until(&["workflow", "show", "s"], "TimerFired");
    let first = text(&kill(first).stderr);
    let second = shop.run("wasi.wasm", &[]);
    let signal = [
        "workflow", "signal", "s", "--name", "end", "--input", "\"over\"",
    ];
    shop.until(&signal, "");
    let output = second.wait_with_output().unwrap();
    let second = text(&output.stderr);
    assert_eq!(text(&output.stdout).trim(), "\"over\"", "{second}");
    for (line, in_first, in_second) in [
        ("first line", 1, 0),
        ("second line", 1, 0),
        ("last line", 0, 1),
    ] {
        let count = |log: &str| log.lines().filter(|said| said.contains(line)).count();
        assert_eq!(
            (count(&first), count(&second)),
            (in_first, in_second),
            "{line}: {first}{second}"
        );
    }
}

/// The same in Python: dicts and sets, dates, `random` and `uuid`, JSON, floating point.
#[tokio::test]
async fn nor_does_python_tell_them_apart() {
    let all = [
        "words {",
        "set [",
        "objects {",
        "hash ",
        "now 1970-01-01T00:16:40",
        "clocks 1000.0 ",
        "zone UTC ",
        "random 0.",
        "ids ",
        "floats 7ff8000000000000 ",
        "environment {} 42",
    ];
    gives_the_same("scenarios-python", &all).await;
}
