//! What a sender's signature covers, as a template such as `{timestamp}.{body}`.

/// What a signature covers: the parts one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedContent(Vec<Part>);

/// A part of what is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Text that is always the same.
    Literal(String),
    /// `{timestamp}`: the timestamp header as it was sent.
    Timestamp,
    /// `{delivery_id}`: the delivery id header as it was sent.
    DeliveryId,
    /// `{body}`: the payload.
    Body,
}

impl SignedContent {
    /// The payload alone, which most senders sign.
    #[must_use]
    pub fn body() -> Self {
        Self(vec![Part::Body])
    }

    /// The parts in their order.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.0
    }

    /// Reads a template; `body` alone means `{body}`.
    ///
    /// # Errors
    /// What is wrong with the template, as it would follow its name in a sentence.
    pub fn parse(template: &str) -> Result<Self, &'static str> {
        if template == "body" {
            return Ok(Self::body());
        }
        let mut parts = Vec::new();
        let mut rest = template;
        while let Some(open) = rest.find('{') {
            let close = rest.find('}').filter(|close| *close > open).ok_or("has a `{` without `}`")?;
            if open > 0 {
                parts.push(Part::Literal(rest[..open].to_owned()));
            }
            parts.push(match &rest[open + 1..close] {
                "timestamp" => Part::Timestamp,
                "delivery_id" => Part::DeliveryId,
                "body" => Part::Body,
                _ => return Err("may only hold {timestamp}, {delivery_id} and {body}"),
            });
            rest = &rest[close + 1..];
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        if parts.iter().filter(|part| **part == Part::Body).count() != 1 {
            return Err("must hold {body} once, or the signature would not cover what was sent");
        }
        Ok(Self(parts))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_read_part_by_part() {
        let read = SignedContent::parse("v0:{timestamp}:{body}").unwrap();
        let expected = [Part::Literal("v0:".to_owned()), Part::Timestamp, Part::Literal(":".to_owned()), Part::Body];
        assert_eq!(read.parts(), expected);
        assert_eq!(SignedContent::parse("body").unwrap(), SignedContent::body());
    }

    #[test]
    fn a_template_that_does_not_sign_the_body_is_refused() {
        for template in ["", "{timestamp}", "{body}{body}", "{bdy}", "}{body", "{body"] {
            assert!(SignedContent::parse(template).is_err(), "{template}");
        }
    }
}
