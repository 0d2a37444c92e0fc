//! The example `order-saga` through the program and real files: killed at random moments, canceled by a
//! signal and from a second process. What happened is counted in the files by the example's own
//! `check.sh`, which believes neither the host nor its history.

#![expect(clippy::unwrap_used, reason = "tests")]

use sandglass_tests::{cache, component, repository, sandglass, sweep::Random};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a state may take to come about before a test gives up.
const PATIENCE: Duration = Duration::from_secs(120);

/// Of the biggest order, 30 of 60 parcels are packed.
const HALF_WAY: &str = "shop/parcels/1007-30.json";

/// A shop with nothing done yet, and a store with nothing in it; and the workflow's component.
struct Shop(TempDir, &'static str);

impl Shop {
    fn open() -> Self {
        let folder = TempDir::new().unwrap();
        let example = repository().join("examples/order-saga");
        fs::create_dir_all(folder.path().join("shop/ledger")).unwrap();
        fs::create_dir_all(folder.path().join("shop/parcels")).unwrap();
        for file in ["orders.jsonl", "stock.json"] {
            fs::copy(example.join(file), folder.path().join("shop").join(file)).unwrap();
        }
        let built = sandglass()
            .args(["build", "examples/order-saga", "--out"])
            .arg(folder.path())
            .current_dir(repository())
            .output()
            .unwrap();
        assert!(
            built.status.success(),
            "{}",
            String::from_utf8_lossy(&built.stderr)
        );
        Self(folder, "order-saga.wasm")
    }

    /// The same with the workflow in another language: its example, and the component that gives.
    fn of(example: &str, workflows: &'static str) -> Self {
        let Self(folder, _) = Self::open();
        let bytes = component(&format!("examples/{example}"), workflows);
        fs::write(folder.path().join(workflows), bytes).unwrap();
        Self(folder, workflows)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Begins the run, or takes it up again.
    fn run(&self) -> Child {
        sandglass()
            .current_dir(self.0.path())
            // Where it was compiled when it was built.
            .env("XDG_CACHE_HOME", cache())
            .args(["run", self.1])
            .args(["--activities", "order-saga-activities.wasm"])
            .args([
                "--input",
                r#""orders.jsonl""#,
                "--id",
                "orders",
                "--dir",
                "shop::/shop",
            ])
            .stdout(Stdio::piped())
            .stderr(
                fs::File::options()
                    .create(true)
                    .append(true)
                    .open(self.path("log"))
                    .unwrap(),
            )
            .spawn()
            .unwrap()
    }

    /// Begins the run and waits until the biggest order is half packed.
    fn run_half_way(&self) -> Child {
        let mut child = self.run();
        let begun = Instant::now();
        while !self.path(HALF_WAY).exists() {
            let ended = child.try_wait().unwrap();
            assert!(
                ended.is_none(),
                "the run ended before it was half-way\n{}",
                self.log()
            );
            assert!(
                begun.elapsed() < PATIENCE,
                "half-way was not reached\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        child
    }

    /// Waits until the files show so many effects, or the run has ended.
    fn await_effects(&self, child: &mut Child, wanted: usize) {
        let begun = Instant::now();
        while self.effects() < wanted && child.try_wait().unwrap().is_none() {
            assert!(
                begun.elapsed() < PATIENCE,
                "it does nothing\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// How many effects the files show.
    fn effects(&self) -> usize {
        let folders = ["shop/ledger", "shop/parcels"];
        folders
            .map(|folder| fs::read_dir(self.path(folder)).unwrap().count())
            .into_iter()
            .sum()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Runs `check.sh`.
    fn check(&self, expected: &str) {
        let output = Command::new(repository().join("examples/order-saga/check.sh"))
            .arg(self.path("shop"))
            .arg(expected)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}\n{}", self.log());
    }

    /// Checks that a run ended with this exit code.
    fn assert_ended(&self, output: &Output, code: i32) {
        assert_eq!(output.status.code(), Some(code), "{}", self.log());
    }

    /// The event types of the activities that the history says were scheduled, in order.
    fn scheduled(&self) -> Vec<String> {
        let output = sandglass()
            .current_dir(self.0.path())
            .args(["workflow", "show", "orders"])
            .output()
            .unwrap();
        let lines = String::from_utf8(output.stdout).unwrap();
        let scheduled = lines
            .lines()
            .filter_map(|line| line.split_once("ActivityTaskScheduled"));
        scheduled.map(|(_, what)| what.trim().to_owned()).collect()
    }
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .args([name, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success(), "kill {name}: {status}");
}

#[test]
fn twenty_kills_at_random_moments_change_no_effect() {
    kill_at_random_moments(20, Shop::open);
}

#[test]
fn nor_do_ten_of_the_workflow_in_python() {
    let shop = || Shop::of("order-saga-python", "order-saga-python.wasm");
    kill_at_random_moments(10, shop);
}

#[test]
fn nor_do_ten_of_the_workflow_in_typescript() {
    let shop = || Shop::of("order-saga-ts", "order-saga-ts.wasm");
    kill_at_random_moments(10, shop);
}

#[test]
fn nor_do_ten_of_the_workflow_in_go() {
    let shop = || Shop::of("order-saga-go", "order-saga-go.wasm");
    kill_at_random_moments(10, shop);
}

#[test]
fn nor_do_ten_of_the_workflow_in_c() {
    let shop = || Shop::of("order-saga-c", "order-saga-c.wasm");
    kill_at_random_moments(10, shop);
}

#[test]
fn ctrl_c_during_shipping_undoes_everything_in_reverse() {
    ctrl_c(&Shop::open());
}

#[test]
fn so_it_does_in_the_other_languages() {
    for (example, workflows) in [
        ("order-saga-python", "order-saga-python.wasm"),
        ("order-saga-ts", "order-saga-ts.wasm"),
        ("order-saga-go", "order-saga-go.wasm"),
        ("order-saga-c", "order-saga-c.wasm"),
    ] {
        ctrl_c(&Shop::of(example, workflows));
    }
}

fn ctrl_c(shop: &Shop) {
    let child = shop.run_half_way();
    signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    shop.assert_ended(&output, 3);
    shop.check("canceled");
}

fn kill_at_random_moments(wanted: u32, open: impl Fn() -> Shop) {
    let mut random = Random::seeded();
    let (mut kills, mut at_work) = (0, 0);
    while kills < wanted {
        let shop = open();
        loop {
            let before = shop.effects();
            let mut child = shop.run();
            // However slow the machine is, two of three find it at work.
            shop.await_effects(&mut child, before + kills as usize % 3);
            std::thread::sleep(Duration::from_millis(random.below(750) as u64));
            if kills < wanted && child.try_wait().unwrap().is_none() {
                child.kill().unwrap();
                child.wait().unwrap();
                kills += 1;
                at_work += u32::from(shop.effects() > before);
                continue;
            }
            let output = child.wait_with_output().unwrap();
            shop.assert_ended(&output, 0);
            break;
        }
        shop.check("completed");
    }
    println!("{at_work} of {kills} kills fell after an effect of their process");
    assert!(at_work >= 2, "too few kills met any work: {at_work}");
}

#[test]
fn a_cancel_from_a_second_process_undoes_everything_in_reverse() {
    let shop = Shop::open();
    let child = shop.run_half_way();
    let canceled = sandglass()
        .current_dir(shop.0.path())
        .args([
            "workflow",
            "cancel",
            "orders",
            "--reason",
            "the warehouse is closed",
        ])
        .output()
        .unwrap();
    shop.assert_ended(&canceled, 0);
    let output = child.wait_with_output().unwrap();
    shop.assert_ended(&output, 3);
    shop.check("canceled");
    let scheduled = shop.scheduled();
    assert!(
        scheduled.last().unwrap().contains("release"),
        "{scheduled:?}"
    );
}

#[test]
fn a_kill_between_cancellation_and_compensation_loses_neither() {
    let shop = Shop::open();
    let mut child = shop.run_half_way();
    let canceled = sandglass()
        .current_dir(shop.0.path())
        .args(["workflow", "cancel", "orders"])
        .output()
        .unwrap();
    shop.assert_ended(&canceled, 0);
    child.kill().unwrap();
    child.wait().unwrap();
    let output = shop.run().wait_with_output().unwrap();
    shop.assert_ended(&output, 3);
    shop.check("canceled");
}
