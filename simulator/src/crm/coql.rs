//! `POST /coql`: a small query language over the records themselves, not over the index (zoho.md section 2.4).

mod evaluate;
mod lexer;
mod parser;
mod query;

use serde_json::{Value, json};

use super::dialect::{error, invalid_module, require};
use crate::answer::Answer;
use crate::context::Context;

use query::Query;

/// Why a query is refused, in CRM's codes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    code: &'static str,
    details: Value,
    message: &'static str,
}

impl Refusal {
    fn syntax(details: Value) -> Self {
        Self { code: "SYNTAX_ERROR", details, message: "error occurred while parsing the query" }
    }

    fn query(details: Value) -> Self {
        Self { code: "INVALID_QUERY", details, message: "invalid query formed" }
    }

    fn limit(details: Value) -> Self {
        Self { code: "LIMIT_EXCEEDED", details, message: "the limit of the query is exceeded" }
    }
}

pub(crate) fn query(context: &mut Context<'_>) -> Answer {
    match try_query(context) {
        Ok(answer) | Err(answer) => answer,
    }
}

fn try_query(context: &Context<'_>) -> Result<Answer, Answer> {
    require(context, &["ZohoCRM.coql.READ"])?;
    let query = read(context)?;
    require(context, &[&format!("ZohoCRM.modules.{}.READ", query.module)])?;
    let crm = &context.organization().crm;
    let Some(module) = crm.module(&query.module) else { return Err(invalid_module()) };
    if query.filter.is_none() && context.world.knobs.crm.coql_requires_where {
        return Err(refused(Refusal::syntax(json!({"clause": "where"}))));
    }
    evaluate::check(&query, module).map_err(refused)?;
    let (rows, more) = evaluate::run(&query, module, crm.offset);
    if rows.is_empty() {
        return Ok(Answer::empty(204));
    }
    let info = json!({"count": rows.len(), "more_records": more});
    Ok(Answer::json(200, &json!({"data": rows, "info": info})))
}

fn read(context: &Context<'_>) -> Result<Query, Answer> {
    let body: Value = serde_json::from_slice(context.body)
        .map_err(|_| error(400, "INVALID_DATA", json!({"expected_data_type": "jsonobject"}), "body is not JSON"))?;
    let Some(text) = body.get("select_query") else {
        return Err(error(400, "MANDATORY_NOT_FOUND", json!({"api_name": "select_query"}), "required field not found"));
    };
    let text = text.as_str().ok_or_else(|| {
        let details =
            json!({"expected_data_type": "string", "api_name": "select_query", "json_path": "$.select_query"});
        error(400, "INVALID_DATA", details, "invalid data")
    })?;
    parser::parse(text).map_err(refused)
}

fn refused(refusal: Refusal) -> Answer {
    error(400, refusal.code, refusal.details, refusal.message)
}
