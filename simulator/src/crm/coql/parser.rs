//! From tokens to a query. More than two conditions must be nested in pairs with brackets.

use serde_json::json;

use super::Refusal;
use super::lexer::{Kind, Token, tokens};
use super::query::{Condition, Filter, Literal, Operator, Order, Query};

const COLUMNS: usize = 50;
const CONDITIONS: usize = 25;
const DEFAULT_LIMIT: usize = 200;
const LARGEST_LIMIT: usize = 2_000;
/// Brackets deeper than any legal query needs.
const DEPTH: usize = 60;

/// Words that cannot be column names unless quoted.
const RESERVED: &[&str] = &[
    "select", "from", "where", "and", "or", "order", "by", "asc", "desc", "limit", "offset", "not", "in", "like",
    "between", "is", "null", "true", "false",
];

pub(super) fn parse(text: &str) -> Result<Query, Refusal> {
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens: &tokens, at: 0 };
    let query = parser.query()?;
    match parser.peek() {
        None => Ok(query),
        Some(token) => Err(near(token)),
    }
}

fn near(token: &Token) -> Refusal {
    Refusal::syntax(json!({"line": 1, "column": token.column, "near": token.kind.near()}))
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<&'a Token> {
        let token = self.tokens.get(self.at);
        self.at += 1;
        token
    }

    fn query(&mut self) -> Result<Query, Refusal> {
        self.keyword("select")?;
        let columns = self.columns()?;
        self.keyword("from")?;
        let module = self.name("from")?;
        let filter = if self.take_keyword("where") { Some(self.filter(0)?) } else { None };
        if let Some(conditions) =
            filter.as_ref().map(|filter| filter.conditions().len()).filter(|count| *count > CONDITIONS)
        {
            return Err(Refusal::limit(json!({"limit": CONDITIONS, "criteria": conditions})));
        }
        let order = self.order()?;
        let limit = if self.take_keyword("limit") { self.whole_number("limit")? } else { DEFAULT_LIMIT };
        if limit > LARGEST_LIMIT {
            return Err(Refusal::limit(json!({"limit": LARGEST_LIMIT})));
        }
        let offset = if self.take_keyword("offset") { self.whole_number("offset")? } else { 0 };
        Ok(Query { columns, module, filter, order, limit, offset })
    }

    fn columns(&mut self) -> Result<Vec<String>, Refusal> {
        let mut columns: Vec<String> = Vec::new();
        loop {
            let column = self.name("select")?;
            if columns.contains(&column) {
                let details = json!({"column_name": column});
                return Err(Refusal { code: "DUPLICATE_DATA", details, message: "duplicate column" });
            }
            columns.push(column);
            if !self.take_sign(",") {
                break;
            }
        }
        if columns.len() > COLUMNS {
            return Err(Refusal::limit(json!({"limit": COLUMNS})));
        }
        Ok(columns)
    }

    /// One condition, or two joined by `and` or `or`.
    fn filter(&mut self, depth: usize) -> Result<Filter, Refusal> {
        let left = self.term(depth)?;
        let joined = if self.take_keyword("and") {
            Filter::And(Box::new(left), Box::new(self.term(depth)?))
        } else if self.take_keyword("or") {
            Filter::Or(Box::new(left), Box::new(self.term(depth)?))
        } else {
            return Ok(left);
        };
        match self.peek() {
            Some(token) if is_word(token, "and") || is_word(token, "or") => Err(near(token)),
            _ => Ok(joined),
        }
    }

    fn term(&mut self, depth: usize) -> Result<Filter, Refusal> {
        let Some(token) = self.peek() else { return Err(Refusal::syntax(json!({"clause": "where"}))) };
        if depth > DEPTH {
            return Err(near(token));
        }
        if !self.take_sign("(") {
            return self.condition().map(Filter::Condition);
        }
        let inner = self.filter(depth + 1)?;
        self.sign(")")?;
        Ok(inner)
    }

    fn condition(&mut self) -> Result<Condition, Refusal> {
        let column = self.name("where")?;
        let operator = self.operator()?;
        let values = match operator {
            Operator::IsNull | Operator::IsNotNull => Vec::new(),
            Operator::In | Operator::NotIn => self.literals()?,
            Operator::Between => {
                let low = self.literal()?;
                self.keyword("and")?;
                vec![low, self.literal()?]
            }
            _ => vec![self.literal()?],
        };
        Ok(Condition { column, operator, values })
    }

    fn operator(&mut self) -> Result<Operator, Refusal> {
        let Some(token) = self.next() else { return Err(Refusal::syntax(json!({"clause": "where"}))) };
        let operator = match &token.kind {
            Kind::Sign("=") => Operator::Equal,
            Kind::Sign("!=") => Operator::NotEqual,
            Kind::Sign(">") => Operator::Greater,
            Kind::Sign("<") => Operator::Less,
            Kind::Sign(">=") => Operator::GreaterOrEqual,
            Kind::Sign("<=") => Operator::LessOrEqual,
            Kind::Word(word) if word.eq_ignore_ascii_case("like") => Operator::Like,
            Kind::Word(word) if word.eq_ignore_ascii_case("in") => Operator::In,
            Kind::Word(word) if word.eq_ignore_ascii_case("between") => Operator::Between,
            Kind::Word(word) if word.eq_ignore_ascii_case("not") => self.negated()?,
            Kind::Word(word) if word.eq_ignore_ascii_case("is") => {
                let negated = self.take_keyword("not");
                self.keyword("null")?;
                if negated { Operator::IsNotNull } else { Operator::IsNull }
            }
            Kind::Sign(sign @ ("(" | ")" | ",")) => return Err(Refusal::syntax(json!({"near": sign}))),
            other => return Err(Refusal::syntax(json!({"operator": other.near()}))),
        };
        Ok(operator)
    }

    fn negated(&mut self) -> Result<Operator, Refusal> {
        if self.take_keyword("like") {
            return Ok(Operator::NotLike);
        }
        self.keyword("in")?;
        Ok(Operator::NotIn)
    }

    fn literals(&mut self) -> Result<Vec<Literal>, Refusal> {
        self.sign("(")?;
        let mut values = vec![self.literal()?];
        while self.take_sign(",") {
            values.push(self.literal()?);
        }
        self.sign(")")?;
        Ok(values)
    }

    fn literal(&mut self) -> Result<Literal, Refusal> {
        let Some(token) = self.next() else { return Err(Refusal::syntax(json!({"clause": "where"}))) };
        match &token.kind {
            Kind::Text(text) => Ok(Literal::Text(text.clone())),
            Kind::Number(number) => Ok(Literal::Number(number.clone())),
            Kind::Word(word) if word.eq_ignore_ascii_case("true") => Ok(Literal::Boolean(true)),
            Kind::Word(word) if word.eq_ignore_ascii_case("false") => Ok(Literal::Boolean(false)),
            _ => Err(near(token)),
        }
    }

    fn order(&mut self) -> Result<Vec<Order>, Refusal> {
        if !self.take_keyword("order") {
            return Ok(Vec::new());
        }
        self.keyword("by")?;
        let mut order = Vec::new();
        loop {
            let column = self.name("order by")?;
            let descending = self.take_keyword("desc");
            if !descending {
                self.take_keyword("asc");
            }
            order.push(Order { column, ascending: !descending });
            if !self.take_sign(",") {
                return Ok(order);
            }
        }
    }

    /// A column or module name; reserved words must be quoted.
    fn name(&mut self, clause: &str) -> Result<String, Refusal> {
        match self.next().map(|token| (token, &token.kind)) {
            Some((_, Kind::Text(text))) => Ok(text.clone()),
            Some((token, Kind::Word(word))) if RESERVED.iter().any(|reserved| word.eq_ignore_ascii_case(reserved)) => {
                Err(near(token))
            }
            Some((_, Kind::Word(word))) => Ok(word.clone()),
            Some((token, _)) => Err(near(token)),
            None => Err(Refusal::syntax(json!({"clause": clause}))),
        }
    }

    fn whole_number(&mut self, clause: &str) -> Result<usize, Refusal> {
        let number = match self.next().map(|token| &token.kind) {
            Some(Kind::Number(number)) => number.parse().ok(),
            _ => None,
        };
        number.ok_or_else(|| Refusal::syntax(json!({"clause": clause})))
    }

    fn keyword(&mut self, word: &str) -> Result<(), Refusal> {
        if self.take_keyword(word) {
            return Ok(());
        }
        Err(self.peek().map_or_else(|| Refusal::syntax(json!({"clause": word})), near))
    }

    fn take_keyword(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|token| is_word(token, word));
        self.at += usize::from(found);
        found
    }

    fn sign(&mut self, sign: &str) -> Result<(), Refusal> {
        if self.take_sign(sign) {
            return Ok(());
        }
        Err(self.peek().map_or_else(|| Refusal::syntax(json!({"near": "end of query"})), near))
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let found = self.peek().is_some_and(|token| matches!(token.kind, Kind::Sign(found) if found == sign));
        self.at += usize::from(found);
        found
    }
}

fn is_word(token: &Token, word: &str) -> bool {
    matches!(&token.kind, Kind::Word(found) if found.eq_ignore_ascii_case(word))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_documented_sample_parses() {
        let query = parse(
            "select id, Deal_Name, Docs_Folder, Modified_Time from Deals where ((Docs_Moved = 'false') and (Docs_Folder is not null)) order by Modified_Time asc limit 200 offset 0",
        )
        .unwrap();
        assert_eq!(query.columns.len(), 4);
        assert_eq!(query.filter.unwrap().conditions().len(), 2);
        assert_eq!((query.limit, query.offset), (200, 0));
    }

    #[test]
    fn three_conditions_need_brackets() {
        let plain = parse("select id from Deals where A = 1 and B = 2 and C = 3").unwrap_err();
        assert_eq!(plain.code, "SYNTAX_ERROR");
        assert!(parse("select id from Deals where ((A = 1 and B = 2) and C = 3)").is_ok());
        assert!(parse("select id from Deals where (A = 1) or (B in ('x', 'y') and C between 1 and 5)").is_ok());
    }

    #[test]
    fn limits_are_kept() {
        assert_eq!(parse("select id from Deals limit 2001").unwrap_err().code, "LIMIT_EXCEEDED");
        let columns: Vec<String> = (0..51).map(|number| format!("c{number}")).collect();
        assert_eq!(parse(&format!("select {} from Deals", columns.join(","))).unwrap_err().code, "LIMIT_EXCEEDED");
        assert_eq!(parse("select id, id from Deals").unwrap_err().code, "DUPLICATE_DATA");
    }

    #[test]
    fn unknown_operator_is_named() {
        assert_eq!(parse("select id from Deals where A contains 'x'").unwrap_err().details["operator"], "contains");
    }

    fn filter_text() -> impl Strategy<Value = String> {
        let condition = (
            "[A-Z][a-z]{1,5}_x",
            prop_oneof![Just("="), Just("!="), Just(">="), Just("like"), Just("not like")],
            "[a-z']{0,6}",
        )
            .prop_map(|(column, operator, value)| format!("({column} {operator} '{}')", value.replace('\'', "''")));
        condition.prop_recursive(3, 8, 2, |inner| {
            (inner.clone(), prop_oneof![Just("and"), Just("OR")], inner)
                .prop_map(|(left, word, right)| format!("({left} {word} {right})"))
        })
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in ".{0,120}") {
            let _ = parse(&text);
        }

        #[test]
        fn nested_pairs_always_parse(filter in filter_text()) {
            let query = parse(&format!("select id from Deals where {filter}"));
            prop_assert!(query.is_ok(), "{:?}", query);
        }

        #[test]
        fn deep_brackets_are_refused_not_overflowed(depth in 100_usize..5000) {
            let filter = format!("{}A = 1{}", "(".repeat(depth), ")".repeat(depth));
            let refused = parse(&format!("select id from Deals where {filter}")).is_err();
            prop_assert!(refused);
        }
    }
}
