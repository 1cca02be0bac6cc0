//! Every endpoint there is, each with the lowest role that may call it.
//!
//! A group of endpoints is a file in `v1/`, and its entries are made there; it is added to the list by one line here.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use crate::endpoint::Endpoint;
use crate::openapi::{self, Shapes};
use crate::{tds, v1};

/// All endpoints, in the order of the document.
#[must_use]
pub fn all() -> Vec<Endpoint> {
    [
        v1::accounts::endpoints(),
        v1::grants::endpoints(),
        v1::channels::endpoints(),
        v1::mappings::endpoints(),
        v1::jobs::endpoints(),
        v1::erp::endpoints(),
        tds::endpoints(),
        v1::transfers::endpoints(),
        v1::events::endpoints(),
        v1::dead_letters::endpoints(),
        v1::registrations::endpoints(),
        v1::schedules::endpoints(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// An endpoint with the shapes that its requests are checked by.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) endpoint: Endpoint,
    pub(crate) path: Schema,
    pub(crate) query: Schema,
    pub(crate) body: Option<Schema>,
    pub(crate) answer: Schema,
}

/// The endpoints with their shapes.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) entries: Vec<Entry>,
    /// Named shapes, which others refer to as `#/components/schemas/NAME`.
    pub(crate) shapes: Shapes,
}

impl Table {
    pub(crate) fn new(endpoints: Vec<Endpoint>) -> Self {
        let settings = |serialize: bool| {
            let settings = SchemaSettings::draft2020_12()
                .with(|settings| settings.definitions_path = "/components/schemas".into());
            if serialize { settings.for_serialize() } else { settings.for_deserialize() }
        };
        let mut requests = settings(false).into_generator();
        let mut answers = settings(true).into_generator();
        let entries = endpoints
            .into_iter()
            .map(|endpoint| Entry {
                path: openapi::exact((endpoint.path_shape)(&mut requests)),
                query: openapi::exact((endpoint.query_shape)(&mut requests)),
                body: endpoint.body_shape.map(|shape| openapi::exact(shape(&mut requests))),
                answer: openapi::exact((endpoint.answer_shape)(&mut answers)),
                endpoint,
            })
            .collect();
        let problem = answers.subschema_for::<crate::problem::Body>();
        debug_assert!(problem.get("$ref").is_some(), "the problem has a name of its own");
        let mut shapes: Map<String, Value> = Map::new();
        for (name, shape) in requests.take_definitions(true).into_iter().chain(answers.take_definitions(true)) {
            let shape = openapi::exact_value(shape);
            let before = shapes.insert(name.clone(), shape.clone());
            debug_assert!(before.is_none_or(|before| before == shape), "two different shapes are named {name}");
        }
        Table { entries, shapes: Shapes(shapes) }
    }
}
