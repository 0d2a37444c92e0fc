//! The language of list filters: a part of SQL's conditions, as Temporal's clients write them.
//!
//! `WorkflowType = "order" AND (ExecutionStatus IN ('Running', 'Failed') OR StartTime > "...")`,
//! with `NOT`, `BETWEEN`, `IS NULL`, `STARTS_WITH`; then `ORDER BY`, which changes nothing, and
//! `GROUP BY ExecutionStatus`, which counts can be asked for.

/// How deep conditions may be nested.
const DEPTH_MAX: usize = 64;

/// Bytes of a whole filter.
const LENGTH_MAX: usize = 64 << 10;

/// A filter.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Query {
    /// The condition; none: every run.
    pub(crate) condition: Option<Condition>,
    /// Whether a count is asked for each status.
    pub(crate) by_status: bool,
}

/// A condition on a run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Condition {
    /// All of them hold.
    All(Vec<Condition>),
    /// One of them holds.
    Any(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// An attribute compared with a value.
    Compare(String, Comparison, Value),
    /// An attribute has one of these values.
    In(String, Vec<Value>),
    /// An attribute is not there.
    IsNull(String),
}

/// How an attribute is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    StartsWith,
}

/// A value in a filter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Int(i64),
    Double(f64),
    Bool(bool),
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    /// A name or a key word.
    Word(String),
    /// A name in backquotes, never a key word.
    Name(String),
    Value(Value),
    Compare(Comparison),
    Open,
    Close,
    Comma,
}

/// Reads a filter.
///
/// # Errors
/// Says what is wrong, and where.
pub(crate) fn parse(text: &str) -> Result<Query, String> {
    if text.len() > LENGTH_MAX {
        return Err(format!("it has more than {LENGTH_MAX} bytes"));
    }
    let tokens = tokens(text)?;
    let mut parser = Parser {
        tokens: &tokens,
        at: 0,
        end: text.len(),
    };
    let mut query = Query::default();
    if !parser.is_at_end() && !parser.sees("ORDER") && !parser.sees("GROUP") {
        query.condition = Some(parser.any(0)?);
    }
    if parser.takes("GROUP") {
        parser.expects("BY")?;
        match parser.name()?.as_str() {
            "ExecutionStatus" => query.by_status = true,
            other => {
                return Err(format!(
                    "GROUP BY {other} is not supported, only ExecutionStatus"
                ));
            }
        }
    }
    if parser.takes("ORDER") {
        parser.expects("BY")?;
        parser.order()?;
    }
    if !parser.is_at_end() {
        return Err(parser.wrong("the end"));
    }
    Ok(query)
}

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, String> {
    let bytes = text.as_bytes();
    let (mut tokens, mut at) = (Vec::new(), 0);
    while let Some(&byte) = bytes.get(at) {
        let next = bytes.get(at + 1).copied();
        let (token, length) = match (byte, next) {
            (b' ' | b'\t' | b'\n' | b'\r', _) => {
                at += 1;
                continue;
            }
            (b'(', _) => (Token::Open, 1),
            (b')', _) => (Token::Close, 1),
            (b',', _) => (Token::Comma, 1),
            (b'!', Some(b'=')) | (b'<', Some(b'>')) => (Token::Compare(Comparison::NotEqual), 2),
            (b'<', Some(b'=')) => (Token::Compare(Comparison::LessOrEqual), 2),
            (b'>', Some(b'=')) => (Token::Compare(Comparison::GreaterOrEqual), 2),
            (b'<', _) => (Token::Compare(Comparison::Less), 1),
            (b'>', _) => (Token::Compare(Comparison::Greater), 1),
            (b'=', _) => (Token::Compare(Comparison::Equal), 1),
            (b'"' | b'\'' | b'`', _) => {
                let (inner, length) = quoted(&text[at..])?;
                let token = match byte {
                    b'`' => Token::Name(inner),
                    _ => Token::Value(Value::Text(inner)),
                };
                (token, length)
            }
            (b'0'..=b'9' | b'-' | b'+' | b'.', _) => number(&text[at..], at)?,
            (b'A'..=b'Z' | b'a'..=b'z' | b'_', _) => word(&text[at..]),
            _ => {
                let found = text[at..].chars().next().unwrap_or_default();
                return Err(format!("unexpected {found:?} at position {at}"));
            }
        };
        tokens.push((at, token));
        at += length;
    }
    Ok(tokens)
}

/// A text in quotes at the beginning of this one, and how many bytes it takes.
fn quoted(text: &str) -> Result<(String, usize), String> {
    let mut characters = text.char_indices();
    let quote = characters.next().map_or('"', |(_, quote)| quote);
    let mut inner = String::new();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some((_, escaped)) => inner.push(escaped),
                None => break,
            },
            // A doubled quote is one of the text.
            _ if character == quote && text[at + 1..].starts_with(quote) => {
                characters.next();
                inner.push(quote);
            }
            _ if character == quote => return Ok((inner, at + 1)),
            _ => inner.push(character),
        }
    }
    Err(format!("a text that begins with {quote} does not end"))
}

fn number(text: &str, at: usize) -> Result<(Token, usize), String> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'+');
    let length = text.bytes().take_while(|byte| is_part(*byte)).count();
    let number = &text[..length];
    let value = match (number.parse(), number.parse::<f64>()) {
        (Ok(number), _) => Value::Int(number),
        (Err(_), Ok(number)) if number.is_finite() => Value::Double(number),
        _ => return Err(format!("{number:?} at position {at} is not a number")),
    };
    Ok((Token::Value(value), length))
}

fn word(text: &str) -> (Token, usize) {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let length = text.bytes().take_while(|byte| is_part(*byte)).count();
    let word = &text[..length];
    let token = match word.to_ascii_lowercase().as_str() {
        "true" => Token::Value(Value::Bool(true)),
        "false" => Token::Value(Value::Bool(false)),
        _ => Token::Word(word.into()),
    };
    (token, length)
}

/// Words that name no attribute, unless they are in backquotes.
const KEY_WORDS: [&str; 12] = [
    "AND",
    "OR",
    "NOT",
    "IN",
    "BETWEEN",
    "IS",
    "NULL",
    "STARTS_WITH",
    "ORDER",
    "GROUP",
    "BY",
    "LIKE",
];

struct Parser<'a> {
    tokens: &'a [(usize, Token)],
    at: usize,
    end: usize,
}

impl Parser<'_> {
    fn is_at_end(&self) -> bool {
        self.at == self.tokens.len()
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn sees(&self, key_word: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(key_word))
    }

    fn takes(&mut self, key_word: &str) -> bool {
        let sees = self.sees(key_word);
        self.at += usize::from(sees);
        sees
    }

    fn takes_token(&mut self, token: &Token) -> bool {
        let sees = self.peek() == Some(token);
        self.at += usize::from(sees);
        sees
    }

    fn expects(&mut self, key_word: &str) -> Result<(), String> {
        match self.takes(key_word) {
            true => Ok(()),
            false => Err(self.wrong(key_word)),
        }
    }

    fn wrong(&self, expected: &str) -> String {
        match self.tokens.get(self.at) {
            Some((at, _)) => format!("expected {expected} at position {at}"),
            None => format!("expected {expected} at position {}", self.end),
        }
    }

    fn any(&mut self, depth: usize) -> Result<Condition, String> {
        if depth > DEPTH_MAX {
            return Err(format!("conditions are nested deeper than {DEPTH_MAX}"));
        }
        let mut conditions = vec![self.all(depth)?];
        while self.takes("OR") {
            conditions.push(self.all(depth)?);
        }
        Ok(joined(conditions, Condition::Any))
    }

    fn all(&mut self, depth: usize) -> Result<Condition, String> {
        let mut conditions = vec![self.one(depth)?];
        while self.takes("AND") {
            conditions.push(self.one(depth)?);
        }
        Ok(joined(conditions, Condition::All))
    }

    fn one(&mut self, depth: usize) -> Result<Condition, String> {
        if depth > DEPTH_MAX {
            return Err(format!("conditions are nested deeper than {DEPTH_MAX}"));
        }
        if self.takes("NOT") {
            return Ok(Condition::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.takes_token(&Token::Open) {
            let inner = self.any(depth + 1)?;
            return match self.takes_token(&Token::Close) {
                true => Ok(inner),
                false => Err(self.wrong("a closing parenthesis")),
            };
        }
        self.predicate()
    }

    fn predicate(&mut self) -> Result<Condition, String> {
        let name = self.name()?;
        if self.takes("IS") {
            let negated = self.takes("NOT");
            self.expects("NULL")?;
            return Ok(negate(negated, Condition::IsNull(name)));
        }
        let negated = self.takes("NOT");
        if self.takes("IN") {
            return Ok(negate(negated, Condition::In(name, self.values()?)));
        }
        if self.takes("STARTS_WITH") {
            let condition = Condition::Compare(name, Comparison::StartsWith, self.value()?);
            return Ok(negate(negated, condition));
        }
        if self.takes("BETWEEN") {
            let low = self.value()?;
            self.expects("AND")?;
            let high = self.value()?;
            let bounds = vec![
                Condition::Compare(name.clone(), Comparison::GreaterOrEqual, low),
                Condition::Compare(name, Comparison::LessOrEqual, high),
            ];
            return Ok(negate(negated, Condition::All(bounds)));
        }
        match self.peek() {
            Some(Token::Compare(comparison)) if !negated => {
                let comparison = *comparison;
                self.at += 1;
                Ok(Condition::Compare(name, comparison, self.value()?))
            }
            _ => Err(self.wrong("a comparison")),
        }
    }

    fn name(&mut self) -> Result<String, String> {
        let is_key = |word: &str| KEY_WORDS.iter().any(|key| key.eq_ignore_ascii_case(word));
        let name = match self.peek() {
            Some(Token::Name(name)) => name.clone(),
            Some(Token::Word(word)) if !is_key(word) => word.clone(),
            _ => return Err(self.wrong("a search attribute")),
        };
        self.at += 1;
        Ok(name)
    }

    fn value(&mut self) -> Result<Value, String> {
        let Some(Token::Value(value)) = self.peek() else {
            return Err(self.wrong("a value"));
        };
        let value = value.clone();
        self.at += 1;
        Ok(value)
    }

    fn values(&mut self) -> Result<Vec<Value>, String> {
        if !self.takes_token(&Token::Open) {
            return Err(self.wrong("an opening parenthesis"));
        }
        let mut values = vec![self.value()?];
        while self.takes_token(&Token::Comma) {
            values.push(self.value()?);
        }
        match self.takes_token(&Token::Close) {
            true => Ok(values),
            false => Err(self.wrong("a closing parenthesis")),
        }
    }

    fn order(&mut self) -> Result<(), String> {
        loop {
            self.name()?;
            let _direction = self.takes("ASC") || self.takes("DESC");
            if !self.takes_token(&Token::Comma) {
                return Ok(());
            }
        }
    }
}

fn negate(negated: bool, condition: Condition) -> Condition {
    match negated {
        true => Condition::Not(Box::new(condition)),
        false => condition,
    }
}

fn joined(mut conditions: Vec<Condition>, join: fn(Vec<Condition>) -> Condition) -> Condition {
    match conditions.len() {
        1 => conditions.remove(0),
        _ => join(conditions),
    }
}
