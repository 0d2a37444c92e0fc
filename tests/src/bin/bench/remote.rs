//! The same load through two servers, with Temporal's SDKs as client and worker: `sandglass server`, and
//! Temporal's development server with its SQLite file in the mode that suits it best. In turns, so
//! that whatever else the machine does falls on both.

use crate::{
    bench_folder, guest,
    summary::Summary,
    system::{Running, cpu_time_of},
};
use anyhow::{Context, Result, bail, ensure};
use sandglass_tests::{DevServer, clients, javascript, repository};
use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;

const ROUNDS: usize = 5;

/// Runs, how many of them in flight, and activities of each.
type Load = (usize, usize, usize);
const WARM: Load = (20, 20, 5);
const LONE: Load = (50, 1, 1);
const FULL: Load = (150, 64, 10);

/// A server under load, with the folder of its store.
struct Server {
    program: Program,
    _dir: TempDir,
}

enum Program {
    Ours(Running, String),
    Temporal(DevServer),
}

impl Server {
    fn ours() -> Result<Self> {
        let dir = TempDir::new_in(bench_folder()?)?;
        fs::write(dir.path().join("guest.wasm"), guest()?)?;
        let config = "store = \"store.db\"\n[[component]]\nfile = \"guest.wasm\"\n\
                      task-queue = \"load\"\n";
        let file = dir.path().join("sandglass.toml");
        fs::write(&file, config)?;
        let mut process = Command::new(env::current_exe()?.with_file_name("sandglass"))
            .args(["server", "--output", "json", "--listen", "127.0.0.1:0"])
            .args(["--http-listen", "127.0.0.1:0", "--config"])
            .arg(file)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("the program is built beside this one: cargo build --release --bins")?;
        let output = process.stdout.take().context("its output is piped")?;
        let process = Running(process);
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let said: serde_json::Value = serde_json::from_str(&line)?;
        let address = said["listening"].as_str().context("it says where")?;
        Ok(Self {
            program: Program::Ours(process, address.to_owned()),
            _dir: dir,
        })
    }

    fn temporal() -> Result<Self> {
        let dir = TempDir::new_in(bench_folder()?)?;
        let file = dir.path().join("temporal.db");
        let file = file.to_str().context("the path is text")?;
        let journal = ["--sqlite-pragma", "journal_mode=WAL"];
        let arguments = [&["--db-filename", file][..], &journal].concat();
        Ok(Self {
            program: Program::Temporal(DevServer::start(&arguments)),
            _dir: dir,
        })
    }

    fn sort(&self) -> &'static str {
        match self.program {
            Program::Ours(..) => "sandglass",
            Program::Temporal(_) => "temporal",
        }
    }

    fn address(&self) -> &str {
        match &self.program {
            Program::Ours(_, address) => address,
            Program::Temporal(server) => &server.address,
        }
    }

    fn pid(&self) -> u32 {
        match &self.program {
            Program::Ours(process, _) => process.0.id(),
            Program::Temporal(server) => server.pid(),
        }
    }

    /// A worker of the Python SDK.
    fn python_worker(&self) -> Result<Running> {
        let mut command = python();
        command.args(["worker", self.address(), self.sort()]);
        Ok(Running(command.spawn()?))
    }

    /// The load, and what it took: of the client's time, and of these processes' time per activity.
    fn load(&self, load: Load, processes: &[u32]) -> Result<(BTreeMap<String, f64>, Vec<f64>)> {
        let cpu = || -> Result<Vec<Duration>> {
            let each = processes.iter().map(|pid| cpu_time_of(&pid.to_string()));
            each.collect()
        };
        let (runs, in_flight, activities) = load;
        let before = cpu()?;
        let output = python()
            .args(["client", self.address()])
            .args([runs, in_flight, activities].map(|number| number.to_string()))
            .output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{errors}");
        let after = cpu()?;
        let each = 1e6 / (runs * activities) as f64;
        let spent = after.iter().zip(&before);
        let spent = spent.map(|(after, before)| (*after - *before).as_secs_f64() * each);
        Ok((serde_json::from_slice(&output.stdout)?, spent.collect()))
    }
}

fn python() -> Command {
    let mut command = Command::new(clients().join("python"));
    command.arg(repository().join("tests/clients/load.py"));
    command
}

/// All figures, in turns.
pub(crate) fn compare(summary: &mut Summary) -> Result<()> {
    for _ in 0..ROUNDS {
        let ours = python_load(&Server::ours()?)?;
        let theirs = python_load(&Server::temporal()?)?;
        for (name, value) in &ours {
            summary.add(&format!("server_{name}"), *value);
            summary.add(&format!("server_{name}_temporal"), theirs[name]);
            if name.starts_with("cpu") || name.ends_with("p50_ms") {
                let ratio = format!("server_{}_ratio_temporal", name.trim_end_matches("_ms"));
                summary.add(&ratio, value / theirs[name]);
            }
        }
        for (name, value) in javascript_load(&Server::ours()?)? {
            summary.add(&name, value);
        }
    }
    Ok(())
}

/// Figures of one turn, with a worker of one of the SDKs at our server.
pub(crate) fn alone(sdk: &str) -> Result<serde_json::Value> {
    let figures = match sdk {
        "python" => python_load(&Server::ours()?)?,
        "typescript" => javascript_load(&Server::ours()?)?,
        other => bail!("there is no worker of an SDK for {other}"),
    };
    Ok(serde_json::json!(figures))
}

/// With one worker of the Python SDK.
fn python_load(server: &Server) -> Result<BTreeMap<String, f64>> {
    let _worker = server.python_worker()?;
    server.load(WARM, &[])?;
    let (lone, _) = server.load(LONE, &[])?;
    let (mut figures, cpu) = server.load(FULL, &[server.pid()])?;
    figures.insert("cpu_us_per_activity".into(), cpu[0]);
    figures.insert("lone_p50_ms".into(), lone["p50_ms"]);
    Ok(figures)
}

/// With one worker of the TypeScript SDK; its time counts too.
fn javascript_load(server: &Server) -> Result<BTreeMap<String, f64>> {
    let worker = javascript("load.js").arg(server.address()).spawn()?;
    let worker = Running(worker);
    server.load(WARM, &[])?;
    let (found, cpu) = server.load(FULL, &[server.pid(), worker.0.id()])?;
    let figures = [
        ("w2_activities_per_s_remote", found["activities_per_s"]),
        ("w2_cpu_us_per_activity_remote", cpu.iter().sum()),
        ("w2_server_cpu_us_per_activity_remote", cpu[0]),
    ];
    Ok(figures.map(|(name, value)| (name.to_owned(), value)).into())
}
