//! Messages of random fields: each is answered, and nothing but what they are for is harmed.

use super::{
    roles::served,
    wire::{Wire, field, framed, start, varint},
};
use sandglass_tests::{Server, sweep::Random};
use std::{env, time::Duration};
use tokio::time::timeout;

/// What the fields are made of: what is known somewhere goes further than what is not.
const TEXTS: [&[u8]; 16] = [
    b"default",
    b"scenarios",
    b"a01",
    b"holder",
    b"a10",
    b"fuzzed",
    b"note",
    b"",
    b"@every 1s",
    b"\xff\xfe",
    b"01a2056e-6994-7006-ae3f-9945cba9cf38",
    b"01a2056e-6994-7006-ae3f-9945cba9cf38/5/1.7/fuzzed",
    b"01a2056e-6994-7006-ae3f-9945cba9cf38/18446744073709551615",
    b"WorkflowId = 'fuzzed' AND CloseTime IS NULL",
    b"json/plain",
    b"18446744073709551615",
];

/// Draws messages that nobody means.
struct Garbled(Random);

impl Garbled {
    fn below(&mut self, below: u64) -> u64 {
        self.0.below(usize::try_from(below).unwrap()) as u64
    }

    fn number(&mut self) -> u64 {
        match self.below(6) {
            0 => 0,
            1 => u64::MAX,
            2 => i64::MAX as u64,
            3 => 1 << self.below(64),
            4 => self.below(5),
            _ => self.below(1 << 31) << self.below(33),
        }
    }

    fn text(&mut self) -> Vec<u8> {
        let of_all = self.below(TEXTS.len() as u64 + 1);
        match TEXTS.get(usize::try_from(of_all).unwrap()) {
            Some(text) => text.to_vec(),
            None => vec![b'y'; usize::try_from(self.below(3000)).unwrap()],
        }
    }

    /// The fields of a message: numbers, texts, and messages in it.
    fn message(&mut self, depth: u64) -> Vec<u8> {
        let mut out = Vec::new();
        for _ in 0..self.below(9) {
            let number = 1 + u32::try_from(self.below(27)).unwrap();
            match self.below(8) {
                0 | 1 => {
                    out.extend(varint(u64::from(number << 3)));
                    out.extend(varint(self.number()));
                }
                2 => {
                    out.extend(varint(u64::from(number << 3 | 1)));
                    out.extend(self.number().to_le_bytes());
                }
                3 | 4 if depth > 0 => {
                    let inner = self.message(depth - 1);
                    out.extend(field(number, &inner));
                }
                _ => out.extend(field(number, &self.text())),
            }
        }
        out
    }

    /// A request: mostly one that is for the namespace and the run that there are.
    fn request(&mut self) -> Vec<u8> {
        let mut request = self.message(4);
        if self.below(8) > 0 {
            // The last one of a field counts.
            for (place, text) in [(1, &b"default"[..]), (4, b"default"), (5, b"default")] {
                if place == 1 || self.below(3) == 0 {
                    request.extend(field(place, text));
                }
            }
            if self.below(2) > 0 {
                let execution = field(1, b"fuzzed");
                let place = 2 + u32::try_from(self.below(2)).unwrap();
                request.extend(field(place, &execution));
            }
            if self.below(3) == 0 {
                request.extend(start("holder", "fuzzed"));
            }
        }
        match self.below(10) {
            // Not even that.
            0 => request.truncate(usize::try_from(self.below(30)).unwrap()),
            1 => request.extend([self.below(256) as u8; 3]),
            _ => {}
        }
        request
    }
}

#[tokio::test]
async fn random_messages_are_answered_one_and_all() {
    let rounds = match env::var("SANDGLASS_SWEEP").as_deref() {
        Ok("full") => 3000,
        _ => 60,
    };
    let mut random = Garbled(Random::seeded());
    let server = Server::start();
    let wire = Wire::connect(&server.address).await;
    let run = wire
        .call("StartWorkflowExecution", &start("holder", "fuzzed"))
        .await;
    assert_eq!(run.status, Some(0));
    let mut codes = [0; 17];
    let calls = served();
    for round in 0..rounds {
        for (service, call) in &calls {
            let request = random.request();
            let path = format!("{service}/{call}");
            let answer = wire.raw(&path, &[], framed(&request), true);
            // Some wait for what may never come.
            let found = timeout(Duration::from_millis(40), answer).await;
            let Ok(answer) = found else { continue };
            let what = || format!("round {round}, {path}: {request:?}");
            let answer = answer.unwrap_or_else(|error| panic!("{error}, {}", what()));
            let Some(status) = answer.status else {
                panic!("no status, {}", what());
            };
            codes[status as usize] += 1;
            // Neither what we did not think of (UNKNOWN, INTERNAL, DATA_LOSS) nor UNAVAILABLE.
            assert!(
                !matches!(status, 2 | 13 | 14 | 15),
                "{answer:?}, {}",
                what()
            );
        }
        if round % 10 == 0 {
            wire.serves(&format!("between-{round}")).await;
        }
    }
    println!("answers by status: {codes:?}");
    assert!(codes[0] > 0 && codes[3] > 0 && codes[5] > 0, "{codes:?}");
    // What was stored on the way can be read by the next host.
    let server = server.kill_and_restart();
    Wire::connect(&server.address)
        .await
        .serves("afterwards")
        .await;
    server.end().await;
}
