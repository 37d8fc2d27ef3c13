//! Arithmetic of templates: nil is 0, and a text is the number it spells.

use liquid_core::model::{Value, ValueView};
use liquid_core::{Error, Result};

#[derive(Clone, Copy)]
enum Number {
    Whole(i64),
    Real(f64),
}

impl Number {
    fn of(value: &dyn ValueView) -> Result<Self> {
        if value.is_nil() {
            return Ok(Self::Whole(0));
        }
        let scalar = value.as_scalar().ok_or_else(|| not_a_number(value))?;
        if let Some(whole) = scalar.to_integer() {
            return Ok(Self::Whole(whole));
        }
        if let Some(real) = scalar.to_float() {
            return Ok(Self::Real(real));
        }
        let text = scalar.to_kstr();
        match text.trim() {
            "" => Ok(Self::Whole(0)),
            text => text
                .parse()
                .map(Self::Whole)
                .or_else(|_| text.parse().map(Self::Real))
                .map_err(|_| not_a_number(value)),
        }
    }

    fn real(self) -> f64 {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "as the language counts")]
            Self::Whole(whole) => whole as f64,
            Self::Real(real) => real,
        }
    }
}

/// Whole where both are and the result is, else real.
fn apply(
    input: &dyn ValueView,
    given: &[Value],
    whole: fn(i64, i64) -> Option<i64>,
    real: fn(f64, f64) -> f64,
) -> Result<Value> {
    let operand = given.first().ok_or_else(|| Error::with_msg("A number is missing"))?;
    let (left, right) = (Number::of(input)?, Number::of(operand)?);
    if let (Number::Whole(left), Number::Whole(right)) = (left, right)
        && let Some(whole) = whole(left, right)
    {
        return Ok(Value::scalar(whole));
    }
    Ok(Value::scalar(real(left.real(), right.real())))
}

pub(super) fn plus(input: &dyn ValueView, given: &[Value]) -> Result<Value> {
    apply(input, given, i64::checked_add, |left, right| left + right)
}

pub(super) fn minus(input: &dyn ValueView, given: &[Value]) -> Result<Value> {
    apply(input, given, i64::checked_sub, |left, right| left - right)
}

pub(super) fn times(input: &dyn ValueView, given: &[Value]) -> Result<Value> {
    apply(input, given, i64::checked_mul, |left, right| left * right)
}

pub(super) fn divided_by(input: &dyn ValueView, given: &[Value]) -> Result<Value> {
    must_divide(given)?;
    // Rounded down, as the language divides whole numbers.
    apply(input, given, i64::checked_div_euclid, |left, right| left / right)
}

pub(super) fn modulo(input: &dyn ValueView, given: &[Value]) -> Result<Value> {
    must_divide(given)?;
    apply(input, given, i64::checked_rem_euclid, f64::rem_euclid)
}

fn must_divide(given: &[Value]) -> Result<()> {
    match given.first().map(|value| Number::of(value)).transpose()? {
        Some(Number::Whole(0)) => Err(Error::with_msg("A division by 0")),
        _ => Ok(()),
    }
}

fn not_a_number(value: &dyn ValueView) -> Error {
    // The language prints the keys of an object in an order of chance.
    let Some(scalar) = value.as_scalar() else {
        return Error::with_msg(format!("A value of type {} is not a number", value.type_name()));
    };
    let text: String = scalar.to_kstr().chars().take(40).collect();
    Error::with_msg(format!("`{text}` is not a number"))
}
