//! What single parts cost: replay of long histories, an instance, the codec of frames. `make bench`
//! runs it and puts its figures into the summary.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sandglass_engine::{
    Digest, Frame, Input, Limits, Payload, Report, Run, Start, Status, Timestamp, Verdict, decode,
    drive, encode, replay,
};
use sandglass_sandbox::{Instance, LogSink, Sandbox, SandboxConfig, WorkflowComponent};
use std::{fs, hint::black_box, sync::Arc};

/// That of the program `sandglass`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The component of this name whose workflow `sequence` runs so many activities one after another.
fn component(name: &str) -> Arc<WorkflowComponent> {
    let folder = sandglass_tests::repository().join("target/bench");
    let file = folder.join(format!("{name}.wasm"));
    let bytes = fs::read(&file)
        .unwrap_or_else(|error| panic!("{}: {error}; run `make bench`", file.display()));
    let config = SandboxConfig {
        cache_dir: Some(folder.join("compiled")),
        ..SandboxConfig::default()
    };
    let sandbox = Sandbox::new(config).expect("the folder can be written");
    sandbox
        .load_workflow(&bytes)
        .expect("the guest is a workflow")
}

fn instance(component: &WorkflowComponent) -> Instance {
    let silent: LogSink = Arc::new(|_, _, _| ());
    component.instantiate(silent)
}

/// The frames of a run of so many activities, as the host stores them.
fn record(component: &WorkflowComponent, activities: usize) -> Vec<Vec<u8>> {
    let mut guest = instance(component);
    let mut run = Run::new(Limits::default());
    let mut now = Timestamp(1_700_000_000_000);
    let start = Start {
        workflow_id: "bench".into(),
        run_id: "00000000-0000-4000-8000-000000000001".into(),
        workflow_type: "sequence".into(),
        arguments: vec![Payload::json(activities.to_string())],
        ..Start::default()
    };
    run.append(now, Input::Started(Box::new(start)))
        .expect("a new run is started");
    let mut frames = Vec::new();
    loop {
        now = Timestamp(now.0 + 1);
        let (task, result) = drive(run.begin(now, Digest::default()), &mut guest);
        result.expect("the guest does not fail");
        run = task.finish().expect("the task completes");
        let output = run.take_frame().expect("a task leaves a frame");
        frames.push(encode(&output.frame));
        if run.status() != &Status::Running {
            return frames;
        }
        for mut pending in output.changes.scheduled {
            let value = pending.call.arguments[0].clone();
            pending.start(now, "bench");
            let Verdict::Close(end) = pending.report(now, Report::Completed(value)) else {
                panic!("what is completed is not tried again")
            };
            run.append(now, end).expect("the activity is pending");
        }
    }
}

fn decoded(frames: &[Vec<u8>]) -> impl Iterator<Item = Frame> {
    let decoded = frames.iter().map(|bytes| decode(bytes));
    decoded.map(|frame| frame.expect("it was encoded above"))
}

/// From the bytes of the frames to a guest that stands where it stood: each language's component,
/// with as many activities.
const REPLAYS: [(&str, &str, &[usize]); 3] = [
    ("replay", "guest-bench", &[1000, 10_000, 100_000]),
    ("replay-python", "guest-bench-python", &[1000, 10_000]),
    (
        "replay-javascript",
        "guest-bench-javascript",
        &[1000, 10_000],
    ),
];

fn replays(criterion: &mut Criterion) {
    for (name, guest, lengths) in REPLAYS {
        let component = component(guest);
        let mut group = criterion.benchmark_group(name);
        group.sample_size(10);
        for activities in lengths {
            let frames = record(&component, *activities);
            group.throughput(Throughput::Elements(*activities as u64));
            let id = BenchmarkId::from_parameter(activities);
            group.bench_with_input(id, &frames, |bencher, frames| {
                bencher.iter(|| {
                    let mut guest = instance(&component);
                    let run = replay(decoded(frames), Some(&mut guest)).expect("it replays");
                    assert_ne!(run.status(), &Status::Running);
                });
            });
        }
        group.finish();
    }
}

fn instances(criterion: &mut Criterion) {
    let component = component("guest-bench");
    let first = record(&component, 1).swap_remove(0);
    let first: Frame = decode(&first).expect("it was encoded");
    criterion.bench_function("instantiate", |bencher| {
        // A guest is started with its first event. One is gone before the next one comes, as in a
        // host: what it leaves is used again.
        bencher.iter(|| {
            let mut guest = instance(&component);
            replay([first.clone()], Some(&mut guest)).expect("it replays")
        });
    });
}

/// The frame of one activity of many: its end, the task, the next activity.
fn frames(criterion: &mut Criterion) {
    let bytes = record(&component("guest-bench"), 3).swap_remove(1);
    let frame: Frame = decode(&bytes).expect("it was encoded");
    let mut group = criterion.benchmark_group("frame");
    group.bench_function("encode", |bencher| {
        bencher.iter(|| encode(black_box(&frame)));
    });
    group.bench_function("decode", |bencher| {
        bencher.iter(|| decode::<Frame>(black_box(&bytes)).expect("it was encoded"));
    });
    group.finish();
}

criterion_group!(micro, replays, instances, frames);
criterion_main!(micro);
