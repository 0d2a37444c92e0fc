//! Interface `attributes`: memo and search attributes.

use crate::{
    bindings::{
        types::Payload,
        workflow::sandglass::workflow::attributes::{Host, SearchValue as WitValue},
    },
    state::GuestState,
};
use sandglass_engine::{Command, SearchValue, Timestamp};
use wasmtime::Result;

impl Host for GuestState {
    fn upsert_memo(&mut self, entries: Vec<(String, Option<Payload>)>) -> Result<()> {
        let entries = entries.into_iter();
        let entries = entries.map(|(name, value)| (name, value.map(Into::into)));
        self.command(Command::UpsertMemo {
            entries: entries.collect(),
        })?;
        Ok(())
    }

    fn upsert_search_attributes(&mut self, entries: Vec<(String, Option<WitValue>)>) -> Result<()> {
        let entries = entries.into_iter();
        let entries = entries.map(|(name, value)| (name, value.map(Into::into)));
        self.command(Command::UpsertSearchAttributes {
            entries: entries.collect(),
        })?;
        Ok(())
    }

    fn get_memo(&mut self) -> Result<Vec<(String, Payload)>> {
        let entries = self.task()?.memo();
        Ok(entries
            .map(|(name, value)| (name.clone(), value.clone().into()))
            .collect())
    }

    fn get_search_attributes(&mut self) -> Result<Vec<(String, WitValue)>> {
        let entries = self.task()?.search_attributes();
        let known = entries.filter_map(|(name, payload)| {
            let value = SearchValue::from_payload(payload).ok()?;
            Some((name.clone(), value.into()))
        });
        Ok(known.collect())
    }
}

impl From<WitValue> for SearchValue {
    fn from(value: WitValue) -> Self {
        match value {
            WitValue::Keyword(text) => Self::Keyword(text),
            WitValue::KeywordList(texts) => Self::KeywordList(texts),
            WitValue::Text(text) => Self::Text(text),
            WitValue::Int(number) => Self::Int(number),
            WitValue::Double(number) => Self::Double(number),
            WitValue::Boolean(truth) => Self::Bool(truth),
            WitValue::Datetime(at) => Self::Datetime(Timestamp(at)),
        }
    }
}

impl From<SearchValue> for WitValue {
    fn from(value: SearchValue) -> Self {
        match value {
            SearchValue::Keyword(text) => Self::Keyword(text),
            SearchValue::KeywordList(texts) => Self::KeywordList(texts),
            SearchValue::Text(text) => Self::Text(text),
            SearchValue::Int(number) => Self::Int(number),
            SearchValue::Double(number) => Self::Double(number),
            SearchValue::Bool(truth) => Self::Boolean(truth),
            SearchValue::Datetime(at) => Self::Datetime(at.0),
        }
    }
}
