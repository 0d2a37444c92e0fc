//! Random values of random types come back the same, and so does the JSON of them.

use super::{Wit, parsed, plain, written};
use std::time::{SystemTime, UNIX_EPOCH};
use wasmtime::component::{Val, types::Type};

/// Types of a run, and values of each.
const TYPES: usize = 60;
const VALUES: usize = 20;

const PLAIN: [&str; 13] = [
    "bool", "s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64", "f32", "f64", "char", "string",
];

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("it is below a usize")
    }

    fn some<T>(&mut self, mut make: impl FnMut(&mut Self, usize) -> T) -> Vec<T> {
        let count = 1 + self.below(4);
        (0..count).map(|number| make(self, number)).collect()
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(3) > 0).then(|| make(self))
    }

    fn ty(&mut self, depth: usize) -> Wit {
        let of = |random: &mut Self| Box::new(random.ty(depth - 1));
        let name = |number: usize| format!("n{number}-x");
        match self.below(if depth == 0 { 3 } else { 13 }) {
            0..3 => plain(PLAIN[self.below(PLAIN.len())]),
            3 => Wit::List(of(self)),
            4 => Wit::Fixed(
                of(self),
                1 + u32::try_from(self.below(3)).expect("it is small"),
            ),
            5 => Wit::Map(["string", "u32", "char", "s64"][self.below(4)], of(self)),
            6 | 7 => Wit::Option(of(self)),
            8 => Wit::Result(self.maybe(of), self.maybe(of)),
            9 => Wit::Tuple(self.some(|random, _| random.ty(depth - 1))),
            10 => Wit::Record(self.some(|random, at| (name(at), random.ty(depth - 1)))),
            11 => Wit::Variant(
                self.some(|random, at| (name(at), random.maybe(|random| random.ty(depth - 1)))),
            ),
            _ => match self.below(2) {
                0 => Wit::Enum(self.some(|_, at| name(at))),
                _ => Wit::Flags(self.some(|_, at| name(at))),
            },
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "any bits will do")]
    fn value(&mut self, ty: &Type) -> Val {
        // Small ones and extreme ones are as likely as others.
        let bits = match self.below(4) {
            0 => self.next() % 3,
            1 => u64::MAX - self.next() % 3,
            2 => (1 << 53) - 2 + self.next() % 4,
            _ => self.next(),
        };
        let boxed = |random: &mut Self, ty: Type| Box::new(random.value(&ty));
        match ty {
            Type::Bool => Val::Bool(bits % 2 == 0),
            Type::S8 => Val::S8(bits as i8),
            Type::U8 => Val::U8(bits as u8),
            Type::S16 => Val::S16(bits as i16),
            Type::U16 => Val::U16(bits as u16),
            Type::S32 => Val::S32(bits as i32),
            Type::U32 => Val::U32(bits as u32),
            Type::S64 => Val::S64(bits as i64),
            Type::U64 => Val::U64(bits),
            Type::Float32 => Val::Float32(f32::from_bits(bits as u32)),
            Type::Float64 => Val::Float64(f64::from_bits(bits)),
            Type::Char => Val::Char(char::from_u32(bits as u32 % 0x11_0000).unwrap_or('\u{0}')),
            Type::String => Val::String(self.text()),
            Type::List(of) => Val::List(self.many(&of.ty())),
            Type::FixedLengthList(of) => {
                Val::FixedLengthList((0..of.len()).map(|_| self.value(&of.ty())).collect())
            }
            Type::Map(of) => self.map(&of.key(), &of.value()),
            Type::Option(of) => Val::Option(self.maybe(|random| boxed(random, of.ty()))),
            Type::Result(of) => Val::Result(match bits % 2 {
                0 => Ok(of.ok().map(|ty| boxed(self, ty))),
                _ => Err(of.err().map(|ty| boxed(self, ty))),
            }),
            Type::Tuple(of) => Val::Tuple(of.types().map(|ty| self.value(&ty)).collect()),
            Type::Record(of) => {
                let fields = of.fields();
                Val::Record(
                    fields
                        .map(|field| (field.name.to_owned(), self.value(&field.ty)))
                        .collect(),
                )
            }
            Type::Variant(of) => {
                let case = of.cases().nth(self.below(of.cases().len())).unwrap();
                Val::Variant(case.name.into(), case.ty.map(|ty| boxed(self, ty)))
            }
            Type::Enum(of) => {
                Val::Enum(of.names().nth(self.below(of.names().len())).unwrap().into())
            }
            Type::Flags(of) => Val::Flags(
                of.names()
                    .filter(|_| self.below(2) == 0)
                    .map(Into::into)
                    .collect(),
            ),
            other => panic!("{other:?} is not generated"),
        }
    }

    fn text(&mut self) -> String {
        let letters = ['a', '"', '\\', '\n', '\u{0}', 'é', '\u{1f600}', '\u{2028}'];
        let chosen = self.some(|random, _| letters[random.below(letters.len())]);
        chosen.into_iter().collect()
    }

    fn many(&mut self, ty: &Type) -> Vec<Val> {
        (0..self.below(5)).map(|_| self.value(ty)).collect()
    }

    /// Keys are there once and, where JSON may sort them, in order.
    fn map(&mut self, key: &Type, value: &Type) -> Val {
        let mut entries = std::collections::BTreeMap::new();
        for name in self.many(key) {
            let sorted = match &name {
                Val::String(text) => text.clone(),
                other => format!("{other:?}"),
            };
            entries.insert(sorted, (name, self.value(value)));
        }
        Val::Map(entries.into_values().collect())
    }
}

#[test]
fn values_of_all_types_come_back_the_same() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = u64::try_from(now.as_nanos() & u128::from(u64::MAX)).unwrap();
    println!("seed {seed}");
    let mut random = Random(seed);
    for _ in 0..TYPES {
        let wit = random.ty(4);
        let ty = wit.load();
        for _ in 0..VALUES {
            let value = random.value(&ty);
            let json = written(&value, &ty);
            let back = parsed(&json, &ty);
            assert_eq!(back.as_ref(), Ok(&value), "seed {seed}: {wit:?} by {json}");
            assert_eq!(written(&back.unwrap(), &ty), json, "seed {seed}: {wit:?}");
        }
    }
}
