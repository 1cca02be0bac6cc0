//! The shape of a parsed query.

/// `select … from … where … order by … limit … offset …`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Query {
    pub(super) columns: Vec<String>,
    pub(super) module: String,
    pub(super) filter: Option<Filter>,
    pub(super) order: Vec<Order>,
    pub(super) limit: usize,
    pub(super) offset: usize,
}

/// A condition or two joined ones.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Filter {
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
    Condition(Condition),
}

/// A column against literals.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Condition {
    pub(super) column: String,
    pub(super) operator: Operator,
    pub(super) values: Vec<Literal>,
}

/// The operators of zoho.md section 2.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
    Like,
    NotLike,
    In,
    NotIn,
    Between,
    IsNull,
    IsNotNull,
}

impl Operator {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Greater => ">",
            Self::Less => "<",
            Self::GreaterOrEqual => ">=",
            Self::LessOrEqual => "<=",
            Self::Like => "like",
            Self::NotLike => "not like",
            Self::In => "in",
            Self::NotIn => "not in",
            Self::Between => "between",
            Self::IsNull => "is null",
            Self::IsNotNull => "is not null",
        }
    }
}

/// A literal as written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    Text(String),
    Number(String),
    Boolean(bool),
}

impl Literal {
    /// The characters between the quotes, or the bare word.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Number(text) => text,
            Self::Boolean(true) => "true",
            Self::Boolean(false) => "false",
        }
    }
}

/// One key of `order by`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Order {
    pub(super) column: String,
    pub(super) ascending: bool,
}

impl Filter {
    /// All conditions from left to right.
    pub(super) fn conditions(&self) -> Vec<&Condition> {
        match self {
            Self::Condition(condition) => vec![condition],
            Self::And(left, right) | Self::Or(left, right) => {
                let mut all = left.conditions();
                all.extend(right.conditions());
                all
            }
        }
    }
}
