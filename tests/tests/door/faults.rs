//! Connections that say nothing, little, or what makes no sense.

use super::wire::{SERVICE, Wire, field, framed, start, varint};
use flate2::{Compression, write::GzEncoder};
use sandglass_tests::Server;
use std::{fs, io::Write as _, os::unix::fs::PermissionsExt as _, time::Duration};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::{Instant, timeout},
};

const INVALID_ARGUMENT: Option<u32> = Some(3);
const RESOURCE_EXHAUSTED: Option<u32> = Some(8);
const UNIMPLEMENTED: Option<u32> = Some(12);

fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

type Headers = &'static [(&'static str, &'static str)];

/// A frame with its flag and length as given.
fn frame(flag: u8, length: u32, bytes: &[u8]) -> Vec<u8> {
    [&[flag][..], &length.to_be_bytes(), bytes].concat()
}

#[tokio::test]
async fn what_is_no_message_is_refused_for_good() {
    let server = Server::start();
    let wire = Wire::connect(&server.address).await;
    let path = format!("{SERVICE}/StartWorkflowExecution");
    let good = start("a01", "never");
    let bomb = zipped(&vec![0; 64 << 20]);
    let zip: Headers = &[("grpc-encoding", "gzip")];
    let cases: [(&str, Headers, Vec<u8>, Option<u32>); 9] = [
        (
            "no protocol buffers",
            &[],
            framed(&[0xff; 40]),
            INVALID_ARGUMENT,
        ),
        (
            "a cut message",
            &[],
            frame(0, 100, &good[..20]),
            INVALID_ARGUMENT,
        ),
        ("a cut frame", &[], vec![0, 0], INVALID_ARGUMENT),
        ("no such flag", &[], frame(7, 3, b"abc"), INVALID_ARGUMENT),
        (
            "compressed, it does not say how",
            &[],
            frame(1, 3, b"abc"),
            INVALID_ARGUMENT,
        ),
        ("no gzip", zip, frame(1, 3, b"abc"), INVALID_ARGUMENT),
        (
            "a gigabyte",
            &[],
            frame(0, 1 << 30, &good),
            RESOURCE_EXHAUSTED,
        ),
        (
            "a small message of 64 MiB",
            zip,
            frame(1, u32::try_from(bomb.len()).unwrap(), &bomb),
            RESOURCE_EXHAUSTED,
        ),
        (
            "an encoding of nobody",
            &[("grpc-encoding", "lzma")],
            framed(&good),
            UNIMPLEMENTED,
        ),
    ];
    for (what, headers, body, status) in cases {
        let answer = wire.raw(&path, headers, body, true).await.unwrap();
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        if status == RESOURCE_EXHAUSTED {
            let known = answer
                .message
                .starts_with("grpc: received message larger than max");
            assert!(known, "{what}: {}", answer.message);
        }
    }
    let none = wire.raw("/a.B/C", &[], framed(b""), true).await.unwrap();
    assert_eq!(none.status, UNIMPLEMENTED, "{none:?}");
    // A name of a mebibyte, where it would be kept while the poll waits.
    let long = [
        field(1, b"default"),
        field(2, &field(1, b"q")),
        field(3, &vec![b'x'; 1 << 20]),
    ];
    let answer = wire.call("PollActivityTaskQueue", &long.concat()).await;
    assert_eq!(answer.status, INVALID_ARGUMENT, "{answer:?}");
    wire.serves("after-no-messages").await;
    server.end().await;
}

/// Waits until the other side closes the connection.
async fn closed(mut connection: TcpStream) {
    let mut byte = [0; 1024];
    let closing = async { while !matches!(connection.read(&mut byte).await, Ok(0) | Err(_)) {} };
    let closed = timeout(Duration::from_secs(60), closing).await;
    assert!(closed.is_ok(), "it is still open");
}

#[tokio::test]
async fn who_says_nothing_loses_its_place() {
    let server = Server::start();
    let mut waiting = Vec::new();
    for number in 0..100 {
        let mut connection = TcpStream::connect(&server.address).await.unwrap();
        // Half of them begin, and stop in the middle.
        if number % 2 == 0 {
            connection.write_all(b"PRI * HTTP").await.unwrap();
        }
        waiting.push(tokio::spawn(closed(connection)));
    }
    // And one that sends a call, byte by byte and without an end.
    let wire = Wire::connect(&server.address).await;
    let path = format!("{SERVICE}/StartWorkflowExecution");
    let body = frame(0, 1000, b"only this");
    let slow = timeout(Duration::from_secs(60), wire.raw(&path, &[], body, false));
    wire.serves("beside-silence").await;
    let answer = slow.await.unwrap().unwrap();
    assert_eq!(answer.status, Some(4), "{answer:?}");
    for connection in waiting {
        connection.await.unwrap();
    }
    wire.serves("after-silence").await;
    server.end().await;
}

/// A frame of HTTP/2.
fn http2(kind: u8, flags: u8, stream: u32, bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [head.as_slice(), bytes].concat()
}

/// A connection that begins calls, and gives up each at once.
fn given_up(calls: u32) -> Vec<u8> {
    // POST, http, and the rest as it is.
    let mut head = vec![0x83, 0x86];
    let path = format!("{SERVICE}/GetSystemInfo");
    for (name, value) in [(4, path.as_str()), (1, "server")] {
        // Lengths of up to 126 bytes are one.
        head.extend([name, u8::try_from(value.len()).unwrap()]);
        head.extend(value.as_bytes());
    }
    let (settings, headers, reset) = (4, 1, 3);
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(http2(settings, 0, 0, &[]));
    for stream in (1..).step_by(2).take(calls as usize) {
        bytes.extend(http2(headers, 4, stream, &head));
        bytes.extend(http2(reset, 0, stream, &8_u32.to_be_bytes()));
    }
    bytes
}

/// Why the server says that this connection is over (in a frame of the kind 7), if it does.
async fn sent_away(connection: &mut TcpStream) -> Option<u32> {
    let reading = async {
        loop {
            let mut head = [0; 9];
            connection.read_exact(&mut head).await.ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut rest = vec![0; length as usize];
            connection.read_exact(&mut rest).await.ok()?;
            if let (7, Some(code)) = (head[3], rest.get(4..8)) {
                return Some(u32::from_be_bytes(code.try_into().ok()?));
            }
        }
    };
    // One that stays open sends a ping after half a minute, and nothing else.
    timeout(Duration::from_secs(20), reading).await.ok()?
}

#[tokio::test]
async fn who_gives_up_each_call_at_once_is_sent_away() {
    let server = Server::start();
    let other = Wire::connect(&server.address).await;
    // All at once: a server that sees each by itself has nothing to complain of.
    let mut hasty = TcpStream::connect(&server.address).await.unwrap();
    // It may be closed before all is sent.
    let _sent = hasty.write_all(&given_up(5_000)).await;
    // "Enhance your calm".
    assert_eq!(sent_away(&mut hasty).await, Some(11), "it may go on");
    other.serves("beside-resets").await;
    // Headers that are larger than what is taken are refused, and nothing else.
    let long = "x".repeat(64 << 10);
    let path = format!("{SERVICE}/GetSystemInfo");
    let answer = other
        .raw(&path, &[("x-long", &long)], framed(b""), true)
        .await;
    assert!(
        !matches!(&answer, Ok(answer) if answer.status == Some(0)),
        "{answer:?}"
    );
    let after = Wire::connect(&server.address).await;
    after.serves("after-long-headers").await;
    server.end().await;
}

/// What is no request at all gets no answer, or a refusal; others are served on.
#[test]
fn garbage_harms_nobody_else() {
    let server = Server::start();
    let mut bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    for rounds in 0..6 {
        let mut connection = std::net::TcpStream::connect(&server.address).unwrap();
        connection
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        // Half of them begin as HTTP/2 does.
        if rounds % 2 == 0 {
            std::io::Write::write_all(&mut connection, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
                .unwrap();
        }
        bytes.rotate_left(17 * rounds + 1);
        // It may close before it has read all.
        let _written = std::io::Write::write_all(&mut connection, &bytes);
        let mut answer = Vec::new();
        let _read = std::io::Read::read_to_end(&mut connection, &mut answer);
    }
    assert!(
        sandglass_tests::temporal(&server, &["operator", "cluster", "health"])
            .status
            .success()
    );
    server.stop();
}

/// Fields by their numbers: a time or a length of this many seconds.
fn seconds(number: u32, seconds: i64) -> Vec<u8> {
    field(
        number,
        &[&[8][..], &varint(seconds.cast_unsigned())].concat(),
    )
}

/// A worker whose times nobody can read back spoils no list.
#[tokio::test]
async fn times_out_of_range_in_what_a_worker_tells_are_left_out() {
    let server = Server::start();
    let wire = Wire::connect(&server.address).await;
    for (key, time) in [
        ("fine", 1_700_000_000),
        ("late", i64::MAX),
        ("early", i64::MIN),
    ] {
        let poller = field(18, &seconds(2, time));
        let worker = [
            field(1, key.as_bytes()),
            field(4, b"scenarios"),
            seconds(9, time),
            seconds(10, time),
            seconds(11, time),
            poller,
        ];
        let told = [field(1, b"default"), field(3, &worker.concat())].concat();
        let answer = wire.call("RecordWorkerHeartbeat", &told).await;
        assert_eq!(answer.status, Some(0), "{answer:?}");
    }
    // As JSON a time is a text, which has years up to 9999.
    let got = async |path: &str| {
        let mut stream = TcpStream::connect(&server.http).await.unwrap();
        let head = format!(
            "GET /api/v1/namespaces/default/workers{path} HTTP/1.1\r\nHost: localhost\r\n\
             Connection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert!(text.starts_with("HTTP/1.1 200"), "{path}: {text}");
        text
    };
    let list = got("").await;
    for key in ["fine", "late", "early", "2023-11-14T22:13:20Z"] {
        assert!(list.contains(key), "{key}: {list}");
    }
    // All that is kept of one: three times and a length, none of those that are out of range.
    for (key, times) in [("fine", 3), ("late", 0), ("early", 0)] {
        let one = got(&format!("/describe/{key}")).await;
        assert_eq!(one.matches("2023-11-14T22:13:20Z").count(), times, "{one}");
        let lengths = one.matches("1700000000s").count();
        assert_eq!(lengths, usize::from(times > 0), "{one}");
    }
    server.end().await;
}

/// Large requests of one key that do not come to an end leave room for those of others.
#[tokio::test]
async fn slow_uploads_of_one_key_leave_room_for_others() {
    let dir = TempDir::new().unwrap();
    let keys = ["slow", "other"].map(|name| {
        fs::write(dir.path().join(name), format!("key-of-{name}")).unwrap();
        let private = fs::Permissions::from_mode(0o600);
        fs::set_permissions(dir.path().join(name), private).unwrap();
        format!("[[api-key]]\nname = \"{name}\"\nkey-file = \"{name}\"\nrole = \"write\"\n")
    });
    let server = Server::configured(dir, "127.0.0.1:0", &keys.concat());
    // 15 of 16 MiB each, 300 MiB together.
    let part = vec![b'x'; 15 << 20];
    let path = format!("{SERVICE}/SignalWorkflowExecution");
    let slow = [("authorization", "Bearer key-of-slow")];
    let mut uploads = JoinSet::new();
    for _ in 0..20 {
        let (address, path, part) = (server.address.clone(), path.clone(), part.clone());
        uploads.spawn(async move {
            let wire = Wire::connect(&address).await;
            wire.raw(&path, &slow, frame(0, 16 << 20, &part), false)
                .await
        });
    }
    // Half of all room is there for one, which is for 8 of them: the others hear so at once. If one
    // had all, 17 would stay.
    for _ in 0..12 {
        let refused = uploads.join_next().await.unwrap().unwrap().unwrap();
        assert_eq!(refused.status, RESOURCE_EXHAUSTED, "{refused:?}");
    }
    let wire = Wire::connect(&server.address).await;
    let other = [("authorization", "Bearer key-of-other")];
    for _ in 0..20 {
        let asked = [field(1, b"default"), field(7, &part[..1 << 20])].concat();
        let answer = wire.raw(&path, &other, framed(&asked), true).await.unwrap();
        assert_eq!(answer.status, INVALID_ARGUMENT, "{answer:?}");
    }
    // Those that stayed are cut when their time is over, and their room is free again.
    let mut cut = 0;
    while let Some(answer) = uploads.join_next().await {
        let answer = answer.unwrap().unwrap();
        let late = answer.status == Some(4);
        assert!(late || answer.status == RESOURCE_EXHAUSTED, "{answer:?}");
        cut += usize::from(late);
    }
    assert!(cut >= 4, "{cut} were cut");
    let answer = wire.raw(&path, &slow, framed(&part), true).await.unwrap();
    assert_eq!(answer.status, INVALID_ARGUMENT, "{answer:?}");
    server.end().await;
}

/// A poll that finds nothing is answered so, but not soon: each poll is a call. Temporal's server
/// takes 51 to 58 s, and its clients give up after 70.
#[tokio::test]
async fn a_poll_that_finds_nothing_waits_for_most_of_a_minute() {
    let server = Server::start();
    let wire = Wire::connect(&server.address).await;
    let began = Instant::now();
    let poll = [field(1, b"default"), field(2, &field(1, b"scenarios"))].concat();
    let answer = wire.call("PollActivityTaskQueue", &poll).await;
    let waited = began.elapsed();
    assert_eq!(
        (answer.status, answer.bytes.len()),
        (Some(0), 0),
        "{answer:?}"
    );
    assert!(waited > Duration::from_secs(50), "it waited for {waited:?}");
    server.end().await;
}
