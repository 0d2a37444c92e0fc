//! The rule of [`super`] by examples of every type, and by random values of random types.
#![expect(clippy::unwrap_used, reason = "tests")]

mod outcomes;
mod random;

use super::{read, text::type_text, write};
use wasmtime::{
    Config, Engine,
    component::{
        Component, Val,
        types::{ComponentFunc, ComponentItem, Type},
    },
};

/// A WIT type, from which wasmtime's is made by way of a component that imports it.
#[derive(Debug, Clone)]
pub(super) enum Wit {
    /// One that has a name of its own.
    Plain(&'static str),
    List(Box<Wit>),
    Fixed(Box<Wit>, u32),
    Map(&'static str, Box<Wit>),
    Option(Box<Wit>),
    Result(Option<Box<Wit>>, Option<Box<Wit>>),
    Tuple(Vec<Wit>),
    Record(Vec<(String, Wit)>),
    Variant(Vec<(String, Option<Wit>)>),
    Enum(Vec<String>),
    Flags(Vec<String>),
}

impl Wit {
    /// Wasmtime's type.
    pub(super) fn load(&self) -> Type {
        self.function().params().next().unwrap().1
    }

    /// A function that takes a value of this type.
    fn function(&self) -> ComponentFunc {
        let mut config = Config::new();
        config
            .wasm_component_model_map(true)
            .wasm_component_model_fixed_length_lists(true);
        let engine = Engine::new(&config).unwrap();
        let mut text = String::new();
        let mut count = 0;
        let name = self.define(&mut text, &mut count);
        text += &format!("(import \"f\" (func (param \"v\" {name})))");
        let bytes = wat::parse_str(format!("(component {text})")).unwrap();
        let component = Component::new(&engine, bytes).unwrap();
        let outside = component.component_type();
        match outside.get_import(&engine, "f").unwrap().ty {
            ComponentItem::ComponentFunc(of) => of,
            other => panic!("{other:?} is no function"),
        }
    }

    /// Imports the types that this one is made of, and it; what it is called then.
    fn define(&self, text: &mut String, count: &mut usize) -> String {
        let mut maybe = |ty: &Option<Box<Self>>| ty.as_ref().map(|ty| ty.define(text, count));
        let definition = match self {
            Self::Plain(name) => return (*name).into(),
            Self::Result(ok, err) => {
                let ok = maybe(ok).unwrap_or_default();
                let err = maybe(err).map(|err| format!("(error {err})"));
                format!("(result {ok} {})", err.unwrap_or_default())
            }
            Self::List(of) => format!("(list {})", of.define(text, count)),
            Self::Fixed(of, len) => format!("(list {} {len})", of.define(text, count)),
            Self::Map(key, of) => format!("(map {key} {})", of.define(text, count)),
            Self::Option(of) => format!("(option {})", of.define(text, count)),
            Self::Tuple(of) => {
                let types = of.iter().map(|ty| ty.define(text, count));
                format!("(tuple {})", types.collect::<Vec<_>>().join(" "))
            }
            Self::Record(fields) => {
                let field = |(name, ty): &(String, Self)| {
                    format!("(field \"{name}\" {})", ty.define(text, count))
                };
                let fields: Vec<_> = fields.iter().map(field).collect();
                format!("(record {})", fields.join(" "))
            }
            Self::Variant(cases) => {
                let case = |(name, ty): &(String, Option<Self>)| {
                    let ty = ty.as_ref().map(|ty| ty.define(text, count));
                    format!("(case \"{name}\" {})", ty.unwrap_or_default())
                };
                let cases: Vec<_> = cases.iter().map(case).collect();
                format!("(variant {})", cases.join(" "))
            }
            Self::Enum(names) => format!("(enum \"{}\")", names.join("\" \"")),
            Self::Flags(names) => format!("(flags \"{}\")", names.join("\" \"")),
        };
        import(&definition, text, count)
    }
}

fn import(definition: &str, text: &mut String, count: &mut usize) -> String {
    let number = *count;
    *count += 1;
    *text += &format!("(type $d{number} {definition})");
    *text += &format!("(import \"t{number}\" (type $t{number} (eq $d{number})))\n");
    format!("$t{number}")
}

pub(super) fn plain(name: &'static str) -> Wit {
    Wit::Plain(name)
}

pub(super) fn list(of: Wit) -> Wit {
    Wit::List(Box::new(of))
}

pub(super) fn option(of: Wit) -> Wit {
    Wit::Option(Box::new(of))
}

pub(super) fn result(ok: Option<Wit>, err: Option<Wit>) -> Wit {
    Wit::Result(ok.map(Box::new), err.map(Box::new))
}

pub(super) fn variant(cases: &[(&str, Option<Wit>)]) -> Wit {
    let cases = cases
        .iter()
        .map(|(name, ty)| ((*name).to_owned(), ty.clone()));
    Wit::Variant(cases.collect())
}

pub(super) fn record(fields: &[(&str, Wit)]) -> Wit {
    let fields = fields
        .iter()
        .map(|(name, ty)| ((*name).to_owned(), ty.clone()));
    Wit::Record(fields.collect())
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

pub(super) fn text(text: &str) -> Val {
    Val::String(text.into())
}

fn bytes(bytes: &[u8]) -> Val {
    Val::List(bytes.iter().map(|byte| Val::U8(*byte)).collect())
}

pub(super) fn some(value: Val) -> Val {
    Val::Option(Some(Box::new(value)))
}

fn named(fields: &[(&str, Val)]) -> Val {
    let fields = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()));
    Val::Record(fields.collect())
}

pub(super) fn written(value: &Val, ty: &Type) -> String {
    let mut out = String::new();
    write::write(value, ty, &mut out);
    out
}

pub(super) fn parsed(json: &str, ty: &Type) -> Result<Val, String> {
    let json = serde_json::from_str(json).unwrap();
    read::read(&json, ty).map_err(|misfit| misfit.to_string())
}

/// A type with its name in WIT, and values with the JSON that stands for them.
type Example = (&'static str, Wit, Vec<(Val, &'static str)>);

fn scalars() -> Vec<Example> {
    vec![
        ("bool", plain("bool"), vec![(Val::Bool(true), "true")]),
        ("s8", plain("s8"), vec![(Val::S8(-128), "-128")]),
        ("u8", plain("u8"), vec![(Val::U8(255), "255")]),
        ("s16", plain("s16"), vec![(Val::S16(-32_768), "-32768")]),
        ("u16", plain("u16"), vec![(Val::U16(65_535), "65535")]),
        (
            "s32",
            plain("s32"),
            vec![(Val::S32(i32::MIN), "-2147483648")],
        ),
        (
            "u32",
            plain("u32"),
            vec![(Val::U32(u32::MAX), "4294967295")],
        ),
        (
            "s64",
            plain("s64"),
            vec![
                (Val::S64(-9_007_199_254_740_991), "-9007199254740991"),
                (Val::S64(-9_007_199_254_740_992), "\"-9007199254740992\""),
                (Val::S64(i64::MIN), "\"-9223372036854775808\""),
            ],
        ),
        (
            "u64",
            plain("u64"),
            vec![
                (Val::U64(9_007_199_254_740_991), "9007199254740991"),
                (Val::U64(9_007_199_254_740_992), "\"9007199254740992\""),
                (Val::U64(u64::MAX), "\"18446744073709551615\""),
            ],
        ),
    ]
}

fn floats_and_texts() -> Vec<Example> {
    let none = || Val::Option(None);
    vec![
        (
            "f32",
            plain("f32"),
            vec![
                (Val::Float32(0.1), "0.1"),
                (Val::Float32(-0.0), "-0.0"),
                (Val::Float32(f32::MAX), "3.4028235e38"),
                (Val::Float32(f32::NAN), "\"NaN\""),
                (Val::Float32(f32::NEG_INFINITY), "\"-Infinity\""),
            ],
        ),
        (
            "f64",
            plain("f64"),
            vec![
                (Val::Float64(0.1), "0.1"),
                (Val::Float64(1e300), "1e300"),
                (Val::Float64(5e-324), "5e-324"),
                (Val::Float64(f64::NAN), "\"NaN\""),
                (Val::Float64(f64::INFINITY), "\"Infinity\""),
            ],
        ),
        ("char", plain("char"), vec![(Val::Char('é'), "\"é\"")]),
        (
            "string",
            plain("string"),
            vec![(text("a \"b\"\n"), "\"a \\\"b\\\"\\n\"")],
        ),
        (
            "option<u32>",
            option(plain("u32")),
            vec![(none(), "null"), (some(Val::U32(3)), "3")],
        ),
        (
            "option<option<u32>>",
            option(option(plain("u32"))),
            vec![
                (none(), "null"),
                (some(none()), "{\"some\":null}"),
                (some(some(Val::U32(3))), "{\"some\":3}"),
            ],
        ),
    ]
}

fn compounds() -> Vec<Example> {
    let case = |name: &str, value: Option<Val>| Val::Variant(name.into(), value.map(Box::new));
    vec![
        (
            "list<u8>",
            list(plain("u8")),
            vec![
                (bytes(&[]), "\"\""),
                (bytes(&[0xde, 0xad, 0xbe, 0xef, 0xfb]), "\"3q2+7/s=\""),
            ],
        ),
        (
            "list<s8>",
            list(plain("s8")),
            vec![(Val::List(vec![Val::S8(1), Val::S8(-2)]), "[1,-2]")],
        ),
        (
            "list<u16, 2>",
            Wit::Fixed(Box::new(plain("u16")), 2),
            vec![(
                Val::FixedLengthList(vec![Val::U16(1), Val::U16(2)]),
                "[1,2]",
            )],
        ),
        (
            "tuple<u8, string>",
            Wit::Tuple(vec![plain("u8"), plain("string")]),
            vec![(Val::Tuple(vec![Val::U8(1), text("a")]), "[1,\"a\"]")],
        ),
        (
            "record { number: string, day: option<u8> }",
            record(&[("number", plain("string")), ("day", option(plain("u8")))]),
            vec![(
                named(&[("number", text("42")), ("day", Val::Option(None))]),
                "{\"number\":\"42\",\"day\":null}",
            )],
        ),
        (
            "variant { cash, card(record { number: string }) }",
            variant(&[
                ("cash", None),
                ("card", Some(record(&[("number", plain("string"))]))),
            ]),
            vec![
                (case("cash", None), "\"cash\""),
                (
                    case("card", Some(named(&[("number", text("42"))]))),
                    "{\"card\":{\"number\":\"42\"}}",
                ),
            ],
        ),
    ]
}

fn cases_and_maps() -> Vec<Example> {
    let ok = |value: Option<Val>| Val::Result(Ok(value.map(Box::new)));
    let err = |value: Option<Val>| Val::Result(Err(value.map(Box::new)));
    vec![
        (
            "enum { visa, maestro }",
            Wit::Enum(names(&["visa", "maestro"])),
            vec![(Val::Enum("visa".into()), "\"visa\"")],
        ),
        (
            "flags { read, write, run }",
            Wit::Flags(names(&["read", "write", "run"])),
            vec![
                (Val::Flags(Vec::new()), "[]"),
                (Val::Flags(names(&["read", "run"])), "[\"read\",\"run\"]"),
            ],
        ),
        (
            "result<u8, string>",
            result(Some(plain("u8")), Some(plain("string"))),
            vec![
                (ok(Some(Val::U8(1))), "{\"ok\":1}"),
                (err(Some(text("no"))), "{\"err\":\"no\"}"),
            ],
        ),
        (
            "result",
            result(None, None),
            vec![(ok(None), "{\"ok\":null}"), (err(None), "{\"err\":null}")],
        ),
        (
            "map<string, u8>",
            Wit::Map("string", Box::new(plain("u8"))),
            vec![(Val::Map(vec![(text("a"), Val::U8(1))]), "{\"a\":1}")],
        ),
        (
            "map<u32, string>",
            Wit::Map("u32", Box::new(plain("string"))),
            vec![(Val::Map(vec![(Val::U32(7), text("a"))]), "[[7,\"a\"]]")],
        ),
    ]
}

/// The row of the document that has a type.
fn documented(name: &str) -> &'static str {
    let document = include_str!("../../../../guest-sdk/typed.md");
    let mut rows = document.lines();
    let row = rows.find(|row| row.starts_with(&format!("| `{name}` |")));
    row.unwrap_or_else(|| panic!("{name} is not in the document"))
}

#[test]
fn each_type_has_its_form() {
    let examples = [scalars(), floats_and_texts(), compounds(), cases_and_maps()];
    for (name, wit, values) in examples.into_iter().flatten() {
        let ty = wit.load();
        assert_eq!(type_text(&ty), name);
        let row = documented(name);
        for (value, json) in values {
            assert!(row.contains(&format!("`{json}`")), "{name}: {json}");
            assert_eq!(written(&value, &ty), json, "{name}");
            assert_eq!(parsed(json, &ty), Ok(value), "{name} from {json}");
        }
    }
}

#[test]
fn what_others_write_is_read_too() {
    let cases = [
        (plain("u64"), "\"7\"", Val::U64(7)),
        (plain("u64"), "18446744073709551615", Val::U64(u64::MAX)),
        (plain("u32"), "7.0", Val::U32(7)),
        (plain("s64"), "-1e3", Val::S64(-1000)),
        (plain("f64"), "3", Val::Float64(3.0)),
        (list(plain("u8")), "[1,2]", bytes(&[1, 2])),
        (
            record(&[("day", option(plain("u8")))]),
            "{}",
            named(&[("day", Val::Option(None))]),
        ),
        (
            Wit::Flags(names(&["read", "write"])),
            "[\"write\",\"read\",\"write\"]",
            Val::Flags(names(&["read", "write"])),
        ),
    ];
    for (wit, json, value) in cases {
        assert_eq!(parsed(json, &wit.load()), Ok(value), "{json}");
    }
}

/// Checks what is said of each JSON text that does not fit.
fn refused(cases: &[(Wit, &str, &str)]) {
    for (wit, json, error) in cases {
        assert_eq!(parsed(json, &wit.load()), Err((*error).into()), "{json}");
    }
}

#[test]
fn what_does_not_fit_is_named_with_its_place() {
    let item = record(&[("price", plain("u32")), ("note", option(plain("string")))]);
    let order = record(&[("items", list(item))]);
    let pay = variant(&[("cash", None), ("card", Some(plain("u8")))]);
    refused(&[
        (
            order.clone(),
            "{\"items\":[{\"price\":1},{\"price\":\"x\"}]}",
            ".items[1].price: expected u32, found \"x\"",
        ),
        (
            order.clone(),
            "{\"items\":[{}]}",
            ".items[0].price: expected u32, found nothing",
        ),
        (
            order.clone(),
            "{\"items\":[],\"itmes\":[]}",
            "expected the fields items, found the field \"itmes\"",
        ),
        (
            pay.clone(),
            "\"card\"",
            "expected {\"card\": u8}, found \"card\"",
        ),
        (
            pay.clone(),
            "{\"card\":true}",
            ".card: expected u8, found true",
        ),
        (
            pay.clone(),
            "\"gold\"",
            "expected one of the cases cash, card, found \"gold\"",
        ),
        (
            pay,
            "{\"cash\":null}",
            "expected \"cash\" without a value, found an object with \"cash\"",
        ),
        (
            option(option(plain("u8"))),
            "3",
            "expected option<option<u8>>, found 3",
        ),
        (
            result(None, Some(plain("string"))),
            "{\"err\":1}",
            ".err: expected string, found 1",
        ),
        (
            Wit::Map("string", Box::new(plain("u8"))),
            "{\"a\":\"b\"}",
            "[\"a\"]: expected u8, found \"b\"",
        ),
        (
            Wit::Tuple(vec![plain("u8")]),
            "[1,2]",
            "expected tuple<u8>, found a list of 2",
        ),
        (
            Wit::Flags(names(&["read"])),
            "[\"write\"]",
            "[0]: expected flags { read }, found \"write\"",
        ),
    ]);
}

#[test]
fn scalars_that_do_not_fit_are_shown() {
    refused(&[
        (plain("u8"), "256", "expected u8, found 256"),
        (plain("u8"), "1.5", "expected u8, found 1.5"),
        (plain("u8"), "\"1\"", "expected u8, found \"1\""),
        (plain("u64"), "\"+1\"", "expected u64, found \"+1\""),
        (
            plain("s64"),
            "9223372036854775808",
            "expected s64, found 9223372036854775808",
        ),
        (
            plain("u64"),
            "9007199254740993.0",
            "expected u64, found 9007199254740992.0",
        ),
        (plain("f32"), "1e39", "expected f32, found 1e+39"),
        (plain("char"), "\"ab\"", "expected char, found \"ab\""),
        (
            list(plain("u8")),
            "\"abc\"",
            "expected bytes as base64, found \"abc\"",
        ),
        (
            list(plain("u8")),
            "\"3q2+7/t=\"",
            "expected bytes as base64, found \"3q2+7/t=\"",
        ),
    ]);
}

/// What an author of a component may do to the host by types alone, in few bytes.
#[test]
fn large_types_and_large_values_are_refused() {
    let fields = |count: usize, ty: Wit| -> Vec<(String, Wit)> {
        (0..count).map(|n| (format!("f{n}"), ty.clone())).collect()
    };
    let check = |wit: &Wit| super::size::check(&wit.function());
    let wide = Wit::Record(fields(200, option(plain("u8"))));
    check(&wide).unwrap();
    let error = check(&Wit::Record(fields(257, plain("u8")))).unwrap_err();
    assert!(error.contains("257 fields"), "{error}");
    // Each record twice in the next one: the text doubles.
    let mut deep = wide.clone();
    for _ in 0..5 {
        deep = Wit::Tuple(vec![deep.clone(), deep]);
    }
    let error = check(&deep).unwrap_err();
    assert!(error.contains("65536 bytes in WIT"), "{error}");
    // An empty object stands for 200 options.
    let ty = list(wide).load();
    let payload = |records: usize| {
        let json = format!("[{}]", vec!["{}"; records].join(","));
        read::payload(&sandglass_engine::Payload::json(json), &ty)
    };
    payload(100).unwrap();
    let error = payload(20_000).unwrap_err().to_string();
    assert!(error.contains("67108864 bytes in memory"), "{error}");
    let long = "x".repeat(1 << 20);
    let json = serde_json::json!([{ long: 1 }]).to_string();
    let error = parsed(&json, &ty).unwrap_err();
    assert!(error.len() < 4000 && error.contains("xxx\"..."), "{error}");
}
