//! Kubernetes quantities (`5Gi`, `500m`, `1e3`) as numbers.
//! Grammar: <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>.

/// `text` in thousandths, rounded up; `None` when it is not a quantity or too large.
pub fn milli(text: &str) -> Option<i128> {
    let digits_end = text
        .char_indices()
        .find(|(index, c)| {
            !(c.is_ascii_digit() || *c == '.' || (*index == 0 && matches!(c, '+' | '-')))
        })
        .map_or(text.len(), |(index, _)| index);
    let (number, suffix) = text.split_at(digits_end);
    let (numerator, denominator) = factor(suffix)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let negative = whole.starts_with('-');
    let whole = whole.trim_start_matches(['+', '-']);
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let above = digits.checked_mul(numerator)?.checked_mul(1000)?;
    let below = denominator.checked_mul(scale)?;
    let rounded = above / below + i128::from(above % below != 0);
    Some(if negative { -rounded } else { rounded })
}

/// `text` as a whole number of bytes, rounded up; `None` when it is not a quantity of 1 or more.
pub fn bytes(text: &str) -> Option<u64> {
    let milli = milli(text).filter(|value| *value > 0)?;
    u64::try_from((milli + 999) / 1000).ok()
}

/// The factor of a suffix, as numerator and denominator.
fn factor(suffix: &str) -> Option<(i128, i128)> {
    let power = |base: i128, exponent: u32| Some((base.checked_pow(exponent)?, 1));
    match suffix {
        "" => Some((1, 1)),
        "n" => Some((1, 1_000_000_000)),
        "u" => Some((1, 1_000_000)),
        "m" => Some((1, 1000)),
        "k" => power(1000, 1),
        "M" => power(1000, 2),
        "G" => power(1000, 3),
        "T" => power(1000, 4),
        "P" => power(1000, 5),
        "E" => power(1000, 6),
        "Ki" => power(1024, 1),
        "Mi" => power(1024, 2),
        "Gi" => power(1024, 3),
        "Ti" => power(1024, 4),
        "Pi" => power(1024, 5),
        "Ei" => power(1024, 6),
        _ => {
            let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            let size = 10_i128.checked_pow(exponent.unsigned_abs())?;
            Some(if exponent < 0 { (1, size) } else { (size, 1) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_become_numbers() {
        let cases = [
            ("5Gi", Some(5 * 1024 * 1024 * 1024)),
            ("1.5Ki", Some(1536)),
            ("1e3", Some(1000)),
            ("1E", Some(1_000_000_000_000_000_000)),
            ("100M", Some(100_000_000)),
            ("1500m", Some(2)),
            ("0", None),
            ("-1", None),
            ("", None),
            (".", None),
            ("5GB", None),
            ("five", None),
            ("1.2.3", None),
            ("99999999999999999999999999999999999999999Ei", None),
        ];
        for (text, expected) in cases {
            assert_eq!(bytes(text), expected, "{text}");
        }
        assert_eq!(milli("0.5"), milli("500m"));
    }
}
