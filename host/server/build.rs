//! Makes the traits of the served calls from the descriptors that `temporalio-protos` was built
//! with. The messages are that crate's; no `.proto` file is kept here. The service of our own is
//! described here.

#[path = "src/served.rs"]
mod served;

use prost::Message as _;
use prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    MethodDescriptorProto, ServiceDescriptorProto,
    field_descriptor_proto::{Label, Type},
};
use served::Needs;
use std::{collections::BTreeSet, path::Path};

/// A file of the descriptors with one service, and the calls of it that are served.
const FILES: [(&str, &[(&str, Needs)]); 3] = [
    (
        "temporal/api/workflowservice/v1/service.proto",
        served::WORKFLOW,
    ),
    (
        "temporal/api/operatorservice/v1/service.proto",
        served::OPERATOR,
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
    write_messages(&descriptors);
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
            service
                .method
                .retain(|call| calls.iter().any(|(name, _)| *name == call.name()));
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
    tonic_prost_build::configure()
        .build_transport(false)
        .compile_fds(commands())
        .expect("the service of the command line can be generated");
}

/// The service of the command line: each of its calls has a JSON document, and some have bytes
/// beside it.
fn commands() -> FileDescriptorSet {
    let field = |name: &str, number, kind: Type| FieldDescriptorProto {
        name: Some(name.into()),
        number: Some(number),
        r#type: Some(kind.into()),
        label: Some(Label::Optional.into()),
        ..Default::default()
    };
    let message = |name: &str, field| DescriptorProto {
        name: Some(name.into()),
        field,
        ..Default::default()
    };
    let asked = vec![
        field("namespace", 1, Type::String),
        field("document", 2, Type::Bytes),
        field("content", 3, Type::Bytes),
    ];
    let call = |(name, _): &(&str, Needs)| MethodDescriptorProto {
        name: Some((*name).into()),
        input_type: Some(".sandglass.v1.CommandRequest".into()),
        output_type: Some(".sandglass.v1.CommandResponse".into()),
        ..Default::default()
    };
    let service = ServiceDescriptorProto {
        name: Some("Commands".into()),
        method: served::COMMANDS.iter().map(call).collect(),
        ..Default::default()
    };
    let file = FileDescriptorProto {
        name: Some("sandglass/v1/commands.proto".into()),
        package: Some("sandglass.v1".into()),
        syntax: Some("proto3".into()),
        message_type: vec![
            message("CommandRequest", asked),
            message("CommandResponse", vec![field("document", 1, Type::Bytes)]),
        ],
        service: vec![service],
        ..Default::default()
    };
    FileDescriptorSet { file: vec![file] }
}

/// The files whose messages the HTTP API has as JSON: that of the service, and the details of
/// errors, which none of its messages names.
const MESSAGES: [&str; 3] = [
    "temporal/api/workflowservice/v1/service.proto",
    "temporal/api/operatorservice/v1/service.proto",
    "temporal/api/errordetails/v1/message.proto",
];

/// Writes the descriptors of these messages and of all that they are made of, without comments.
fn write_messages(descriptors: &FileDescriptorSet) {
    let mut wanted: BTreeSet<String> = MESSAGES.map(String::from).into();
    loop {
        let files = descriptors.file.iter();
        let files = files.filter(|file| wanted.contains(file.name()));
        let imported: Vec<String> = files.flat_map(|file| file.dependency.clone()).collect();
        let before = wanted.len();
        wanted.extend(imported);
        if wanted.len() == before {
            break;
        }
    }
    let mut file = descriptors.file.clone();
    file.retain(|file| wanted.contains(file.name()));
    for file in &mut file {
        file.source_code_info = None;
    }
    let out = std::env::var("OUT_DIR").expect("cargo says where to write");
    let bytes = FileDescriptorSet { file }.encode_to_vec();
    std::fs::write(Path::new(&out).join("messages.bin"), bytes).expect("it can be written there");
}
