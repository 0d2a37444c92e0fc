//! A server that is killed under many runs and workers, again and again.

use sandglass_tests::{Server, clients, repository};
use std::{
    env,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

/// What all of it may take, many times what it does.
const LIMIT_SECONDS: u32 = 900;

/// Runs, workers and kills: all of it for `make sweep`, a sample for `make test`.
fn size() -> (usize, usize, usize) {
    match env::var("SANDGLASS_SWEEP").as_deref() {
        Ok("full") => (1000, 200, 20),
        _ => (200, 20, 2),
    }
}

#[test]
fn runs_and_workers_outlive_a_server_that_is_killed() {
    let (runs, workers, kills) = size();
    let mut server = Server::start();
    // Ended from outside if it waits for what never comes: then it has failed.
    let mut running = Command::new("timeout")
        .arg(LIMIT_SECONDS.to_string())
        .arg(clients().join("python"))
        .arg(repository().join("tests/clients/faults.py"))
        .arg(&server.address)
        .args([runs, workers, kills].map(|number| number.to_string()))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut found, mut killed) = (Vec::new(), 0);
    for line in BufReader::new(running.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if line == "now" {
            server = server.kill_and_restart();
            killed += 1;
        } else {
            found.push(line);
        }
    }
    assert!(
        running.wait().unwrap().success(),
        "faults.py failed: {found:#?}"
    );
    assert_eq!(killed, kills);
    println!("kills: {killed} of a server with {runs} runs and {workers} workers");
    server.stop();
    let history = "workflow_execution_started task activity_task_scheduled activity_task_started \
                   activity_task_completed task workflow_execution_completed";
    // In each round, beside those that are open all the time.
    let worked = kills * (runs / 10);
    let expected = [
        format!("open at each kill, at least: {runs}"),
        format!("{worked} runs: worked: {history}"),
        format!("{runs} runs: bye: all that it was told, once"),
        format!("count: [('Completed', {})]", worked + runs),
        "attempts made twice: 0".to_owned(),
        "results taken and lost: 0".to_owned(),
        "histories with gaps: 0".to_owned(),
    ];
    assert_eq!(found, expected);
}
