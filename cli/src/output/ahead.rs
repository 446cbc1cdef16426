//! What looks ahead of enforcement, for a person.

pub(crate) mod confidence;
pub(crate) mod reach;
pub(crate) mod rollout;
pub(crate) mod whatif;

/// Columns of text give way beyond this: most terminals are at least that wide.
const WIDTH: usize = 120;

/// `1 dependency`, `2 dependencies`.
fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Hours for a person: `7 days`, `36 hours`.
fn hours(number: u64) -> String {
    if number > 24 && number.is_multiple_of(24) {
        counted(number / 24, "day", "days")
    } else {
        counted(number, "hour", "hours")
    }
}

/// A share for a person: `99.87 %`. Rounded down, so that only the whole is 100 %.
fn percent(share: f64) -> String {
    format!("{:.2} %", (share * 10_000.0).floor() / 100.0)
}

fn length(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([1, 24, 36, 168].map(hours), ["1 hour", "24 hours", "36 hours", "7 days"]);
        assert_eq!([1.0, 0.999_99, 0.5].map(percent), ["100.00 %", "99.99 %", "50.00 %"]);
    }
}
