//! Durations and sizes as people write them: `90s`, `15m`, `1h 30m`, `7d`; `64KiB`, `1MiB`.
//!
//! A bare number is refused, since programs differ in what it means; so are months and years, which have no fixed
//! length, and fractions.

use std::time::Duration;

/// The units of a duration and their length in milliseconds, longest first.
const DURATION_UNITS: [(&str, u128); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// The units of a size in bytes, largest first. The decimal ones are what disks are sold in.
const SIZE_UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1_000),
    ("B", 1),
];

/// Reads a duration: one or more numbers, each with its unit of `ms`, `s`, `m`, `h` or `d`.
///
/// # Errors
/// Why the text is none, and what to write.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    if let Some(hint) = bare_number(text) {
        return Err(format!("has no unit; write \"{hint}s\" for seconds"));
    }
    if let Some(unit) = words(text).find(|word| !DURATION_UNITS.iter().any(|(unit, _)| unit == word)) {
        return Err(match unit {
            "M" | "month" | "months" | "y" | "Y" | "year" | "years" => {
                format!("counts in {unit:?}, whose length is not fixed; write days, as in \"30d\"")
            }
            _ => format!("has {unit:?} for a unit; the units are ms, s, m, h and d"),
        });
    }
    if text.contains('.') {
        return Err("has a fraction; write a whole number of a smaller unit, as in \"1500ms\"".to_owned());
    }
    humantime::parse_duration(text).map_err(|error| match error {
        humantime::DurationError::NumberOverflow => "is too long".to_owned(),
        _ => "is not a duration; write one as \"90s\", \"15m\", \"24h\" or \"7d\"".to_owned(),
    })
}

/// Writes a duration in the largest unit that leaves no rest, so that it reads back as the same.
pub(crate) fn format_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    DURATION_UNITS
        .iter()
        .find(|(_, length)| millis > 0 && millis.is_multiple_of(*length))
        .map_or_else(|| "0s".to_owned(), |(unit, length)| format!("{}{unit}", millis / length))
}

/// Reads a size: one whole number and its unit. `0` needs none.
///
/// # Errors
/// Why the text is none, and what to write.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    if text == "0" {
        return Ok(0);
    }
    if let Some(hint) = bare_number(text) {
        return Err(format!("has no unit; write \"{hint}B\" for bytes"));
    }
    let (digits, unit) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
    let unit = unit.trim_start_matches(' ');
    if digits.is_empty() {
        return Err("is not a size; write one as \"64KiB\" or \"1MiB\"".to_owned());
    }
    let Some((_, bytes)) = SIZE_UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(match size_hint(unit) {
            Some(hint) => format!("has {unit:?} for a unit; write \"{digits}{hint}\""),
            None => format!("has {unit:?} for a unit; the units are B, KiB, MiB, GiB, and KB, MB, GB in thousands"),
        });
    };
    digits.parse::<u64>().ok().and_then(|number| number.checked_mul(*bytes)).ok_or_else(|| "is too large".to_owned())
}

/// Writes a size in the largest unit that leaves no rest, so that it reads back as the same.
pub(crate) fn format_size(bytes: u64) -> String {
    SIZE_UNITS
        .iter()
        .filter(|(unit, _)| *unit == "B" || unit.ends_with("iB"))
        .find(|(_, size)| bytes > 0 && bytes.is_multiple_of(*size))
        .map_or_else(|| "0B".to_owned(), |(unit, size)| format!("{}{unit}", bytes / size))
}

/// The number itself when the text is nothing else.
fn bare_number(text: &str) -> Option<&str> {
    let text = text.trim();
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

/// The runs of letters in a text.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty())
}

/// The unit that was probably meant: nginx writes `1m`, others `1M`, `1mb` or `1mib`.
fn size_hint(unit: &str) -> Option<&'static str> {
    match unit.to_ascii_lowercase().as_str() {
        "k" | "kb" | "kib" => Some("KiB"),
        "m" | "mb" | "mib" => Some("MiB"),
        "g" | "gb" | "gib" => Some("GiB"),
        "b" => Some("B"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_as_people_write_them() {
        let table = [
            ("90s", 90_000),
            ("15m", 900_000),
            ("24h", 86_400_000),
            ("7d", 604_800_000),
            ("250ms", 250),
            ("1h 30m", 5_400_000),
            ("1h30m", 5_400_000),
            ("0s", 0),
        ];
        for (text, millis) in table {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn other_durations_are_refused_with_a_reason() {
        let table = [
            ("60", "has no unit; write \"60s\" for seconds"),
            ("0", "has no unit; write \"0s\" for seconds"),
            ("1M", "counts in \"M\", whose length is not fixed; write days, as in \"30d\""),
            ("2years", "counts in \"years\", whose length is not fixed; write days, as in \"30d\""),
            ("1d 2months", "counts in \"months\", whose length is not fixed; write days, as in \"30d\""),
            ("5sec", "has \"sec\" for a unit; the units are ms, s, m, h and d"),
            ("1H", "has \"H\" for a unit; the units are ms, s, m, h and d"),
            ("1.5s", "has a fraction; write a whole number of a smaller unit, as in \"1500ms\""),
            ("-5s", "is not a duration; write one as \"90s\", \"15m\", \"24h\" or \"7d\""),
            ("", "is not a duration; write one as \"90s\", \"15m\", \"24h\" or \"7d\""),
            ("s", "is not a duration; write one as \"90s\", \"15m\", \"24h\" or \"7d\""),
            ("99999999999999999999d", "is too long"),
            ("999999999999999999d", "is too long"),
        ];
        for (text, reason) in table {
            assert_eq!(parse_duration(text), Err(reason.to_owned()), "{text}");
        }
    }

    #[test]
    fn sizes_as_people_write_them() {
        let table = [
            ("0", 0),
            ("512B", 512),
            ("64KiB", 65_536),
            ("1MiB", 1_048_576),
            ("1 MiB", 1_048_576),
            ("1GiB", 1_073_741_824),
            ("2KB", 2_000),
            ("2MB", 2_000_000),
            ("2GB", 2_000_000_000),
        ];
        for (text, bytes) in table {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn other_sizes_are_refused_with_a_reason() {
        let units = "the units are B, KiB, MiB, GiB, and KB, MB, GB in thousands";
        let table = [
            ("1024", "has no unit; write \"1024B\" for bytes".to_owned()),
            ("1m", "has \"m\" for a unit; write \"1MiB\"".to_owned()),
            ("64k", "has \"k\" for a unit; write \"64KiB\"".to_owned()),
            ("1mib", "has \"mib\" for a unit; write \"1MiB\"".to_owned()),
            ("1TiB", format!("has \"TiB\" for a unit; {units}")),
            ("1.5MiB", format!("has \".5MiB\" for a unit; {units}")),
            ("", "is not a size; write one as \"64KiB\" or \"1MiB\"".to_owned()),
            ("MiB", "is not a size; write one as \"64KiB\" or \"1MiB\"".to_owned()),
            ("-1B", "is not a size; write one as \"64KiB\" or \"1MiB\"".to_owned()),
            ("99999999999999999999B", "is too large".to_owned()),
            ("18446744073709551615KiB", "is too large".to_owned()),
        ];
        for (text, reason) in table {
            assert_eq!(parse_size(text), Err(reason), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_written_duration_reads_back(millis in 0..u64::from(u32::MAX) * 1_000) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }

        #[test]
        fn a_written_size_reads_back(bytes: u64) {
            prop_assert_eq!(parse_size(&format_size(bytes)), Ok(bytes));
        }

        #[test]
        fn no_text_panics(text: String, units in "[0-9 .µ-]{0,24}(ms|s|m|h|d|M|KiB|GB|B)?[0-9a-zA-Z ]{0,6}") {
            for text in [text, units] {
                let _ = parse_duration(&text);
                let _ = parse_size(&text);
            }
        }
    }
}
