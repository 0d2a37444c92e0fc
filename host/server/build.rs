//! Makes the traits of the served calls from the descriptors that `temporalio-protos` was built
//! with. The messages are that crate's; no `.proto` file is kept here.

#[path = "src/served.rs"]
mod served;

use prost::Message as _;
use prost_types::FileDescriptorSet;

/// A file of the descriptors with one service, and the calls of it that are served.
const FILES: [(&str, &[&str]); 2] = [
    (
        "temporal/api/workflowservice/v1/service.proto",
        served::WORKFLOW,
    ),
    ("health/v1/health.proto", served::HEALTH),
];

fn main() {
    let path = std::env::var("DEP_TEMPORALIO_PROTOS_DESCRIPTOR_PATH")
        .expect("temporalio-protos tells where its descriptors are");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/served.rs");
    println!("cargo:rerun-if-changed={path}");
    let bytes = std::fs::read(&path).expect("the descriptors can be read");
    let mut descriptors = FileDescriptorSet::decode(&*bytes).expect("they are a descriptor set");
    let served = |file: &str| FILES.iter().find(|(name, _)| *name == file);
    let known: Vec<String> = descriptors
        .file
        .iter()
        .map(|file| file.name().into())
        .collect();
    descriptors
        .file
        .retain(|file| served(file.name()).is_some());
    assert_eq!(
        descriptors.file.len(),
        FILES.len(),
        "a file is gone: {known:?}"
    );
    for file in &mut descriptors.file {
        let (_, calls) = served(file.name()).expect("the others were left out");
        file.message_type.clear();
        for service in &mut file.service {
            service.method.retain(|call| calls.contains(&call.name()));
            let found: Vec<&str> = service.method.iter().map(|call| call.name()).collect();
            assert_eq!(
                found.len(),
                calls.len(),
                "a served call is gone, there are {found:?}"
            );
        }
    }
    tonic_prost_build::configure()
        .build_client(false)
        .build_server(true)
        .disable_comments(["."])
        .extern_path(".temporal.api", "::temporalio_protos::temporal::api")
        .extern_path(".grpc.health", "::temporalio_protos::grpc::health")
        .compile_fds(descriptors)
        .expect("the services can be generated");
}
