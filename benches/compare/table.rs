//! What was measured, as tables: Markdown for people, JSON for programs.

use serde_json::{Map, Value, json};

use super::stats::{Figures, medians, ratios};

/// One proxy in one scenario.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) rounds: Vec<Figures>,
    /// Why there are no figures, or no more of them.
    pub(crate) skipped: Option<String>,
}

/// One scenario.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) rows: Vec<Row>,
}

/// How a figure is shown: its name, its title, its unit, and whether its ratio to nginx says something.
struct Column(&'static str, &'static str, Unit, bool);

#[derive(Clone, Copy)]
enum Unit {
    Count,
    Microseconds,
    Milliseconds,
    Kib,
    /// KiB, shown in MB.
    Memory,
    Mib,
}

/// In the order of the tables. What is not here is in the JSON only.
const COLUMNS: &[Column] = &[
    Column("requests_per_second", "requests/s", Unit::Count, true),
    Column("cpu_us", "CPU a request", Unit::Microseconds, true),
    Column("p50_us", "p50", Unit::Microseconds, true),
    Column("p99_us", "p99", Unit::Microseconds, true),
    Column("p999_us", "p99.9", Unit::Microseconds, true),
    Column("longest_us", "longest", Unit::Microseconds, true),
    Column("added_p50_us", "added p50", Unit::Microseconds, true),
    Column("added_p99_us", "added p99", Unit::Microseconds, true),
    Column("guesses", "guesses", Unit::Count, false),
    Column("last_ms", "all have it after", Unit::Milliseconds, true),
    Column("lists", "lists asked for", Unit::Count, false),
    Column("list_kib", "a list as sent", Unit::Kib, false),
    Column("kib_each", "each", Unit::Kib, true),
    Column("first_answer_ms", "first answer after", Unit::Milliseconds, true),
    Column("rss_kib", "RSS", Unit::Memory, true),
    Column("pss_kib", "PSS", Unit::Memory, true),
    Column("binary_mib", "program", Unit::Mib, false),
    Column("errors", "errors", Unit::Count, false),
];

impl Table {
    /// The row that the others are compared with: nginx with kept connections, else the first with figures.
    pub(crate) fn base(&self) -> Option<&Row> {
        let measured = || self.rows.iter().filter(|row| !row.rounds.is_empty());
        measured().find(|row| row.name == "nginx").or_else(|| measured().next())
    }

    /// Medians and ratios of each row that has figures.
    pub(crate) fn compared(&self) -> Vec<(&Row, Figures, Figures)> {
        let Some(base) = self.base() else { return Vec::new() };
        let measured = self.rows.iter().filter(|row| !row.rounds.is_empty());
        measured.map(|row| (row, medians(&row.rounds), ratios(&row.rounds, &base.rounds))).collect()
    }

    fn markdown(&self) -> String {
        let compared = self.compared();
        let has = |column: &&Column| compared.iter().any(|(_, medians, _)| medians.contains_key(column.0));
        let columns: Vec<&Column> = COLUMNS.iter().filter(has).collect();
        let mut text = format!("### {}\n\n", self.title);
        if !compared.is_empty() {
            let titles: Vec<_> = columns.iter().map(|column| column.1).collect();
            text += &format!("| | {} |\n|---|{}\n", titles.join(" | "), "---|".repeat(columns.len()));
        }
        let base = self.base().map(|base| base.name);
        for (row, medians, ratios) in &compared {
            let cells: Vec<_> = columns
                .iter()
                .map(|Column(name, _, unit, compares)| {
                    let Some(value) = medians.get(name) else { return String::new() };
                    let ratio = ratios.get(name).filter(|_| *compares && base != Some(row.name));
                    let ratio = ratio.map(|value| format!(" ({})", ratio_shown(*value))).unwrap_or_default();
                    let cell = format!("{}{ratio}", shown(*value, *unit));
                    if *name == "errors" && *value > 0.0 { format!("**{cell}**") } else { cell }
                })
                .collect();
            text += &format!("| {} | {} |\n", row.label, cells.join(" | "));
        }
        for row in &self.rows {
            if let Some(reason) = &row.skipped {
                text += &format!("\n{}: **skipped**, {reason}\n", row.label);
            }
        }
        text + "\n"
    }
}

/// What a round measured, in a line.
pub(crate) fn line(figures: &Figures) -> String {
    let there = COLUMNS.iter().filter_map(|Column(name, title, unit, _)| {
        let value = figures.get(name).filter(|value| *name != "errors" || **value > 0.0)?;
        Some(format!("{title} {}", shown(*value, *unit)))
    });
    there.collect::<Vec<_>>().join(", ")
}

/// A figure for people, with three digits or more.
pub(crate) fn microseconds(value: f64) -> String {
    shown(value, Unit::Microseconds)
}

fn shown(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Count => thousands(value),
        Unit::Microseconds if value.abs() >= 9_999.5 => format!("{} ms", digits(value / 1000.0)),
        Unit::Microseconds => format!("{} us", digits(value)),
        Unit::Milliseconds => format!("{} ms", digits(value)),
        Unit::Kib => format!("{} KB", digits(value)),
        Unit::Memory => format!("{} MB", digits(value / 1024.0)),
        Unit::Mib => format!("{} MB", digits(value)),
    }
}

/// A ratio with two digits at least, however small or large.
pub(crate) fn ratio_shown(ratio: f64) -> String {
    match ratio.abs() {
        size if size >= 99.5 => thousands(ratio),
        size if size >= 9.95 => format!("{ratio:.1}"),
        size if size >= 0.0995 || size == 0.0 => format!("{ratio:.2}"),
        size if size >= 0.00995 => format!("{ratio:.3}"),
        size if size >= 0.000_995 => format!("{ratio:.4}"),
        _ => format!("{ratio:.5}"),
    }
}

fn digits(value: f64) -> String {
    if value.abs() < 99.95 { format!("{value:.1}") } else { thousands(value) }
}

fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = if value.round() < 0.0 { "-".to_owned() } else { String::new() };
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What stands above the tables: the machine, the versions, what was asked for.
pub(crate) type Facts = Vec<(&'static str, String)>;

/// The whole as Markdown.
pub(crate) fn markdown(facts: &Facts, tables: &[Table]) -> String {
    let mut text = "# The gates, compared\n\n".to_owned();
    for (name, value) in facts {
        text += &format!("- {name}: {value}\n");
    }
    text += "\nMedians of the rounds. In brackets the ratio to nginx with kept connections (to the first row where nginx is \
             not), the median of the ratios within a round: less is better, but for requests/s. CPU is the proxy's user \
             and system time with its children.\n\n## In short\n\n";
    text += &summary(tables);
    text += "\n## All figures\n\n";
    tables.iter().fold(text, |text, table| text + &table.markdown())
}

/// CPU a request as ratios to nginx; where there is none, p99.
fn summary(tables: &[Table]) -> String {
    let names: Vec<(&str, &str)> = {
        let mut names = Vec::new();
        for row in tables.iter().flat_map(|table| &table.rows) {
            if !names.contains(&(row.name, row.label)) && !row.rounds.is_empty() && row.name != "direct" {
                names.push((row.name, row.label));
            }
        }
        names
    };
    let mut text = "CPU a request, as ratios:\n\n| |".to_owned();
    text += &names.iter().map(|(_, label)| format!(" {label} |")).collect::<String>();
    text += &format!("\n|---|{}\n", "---|".repeat(names.len()));
    for table in tables {
        let compared = table.compared();
        if !compared.iter().any(|(_, medians, _)| medians.contains_key("cpu_us")) {
            continue;
        }
        let base = table.base().map(|base| base.name);
        text += &format!("| {} |", table.title);
        for (name, _) in &names {
            let found = compared.iter().find(|(row, ..)| row.name == *name);
            let cell = found.and_then(|(row, medians, ratios)| match base == Some(row.name) {
                true => medians.get("cpu_us").map(|value| microseconds(*value)),
                false => ratios.get("cpu_us").map(|value| ratio_shown(*value)),
            });
            text += &format!(" {} |", cell.unwrap_or_default());
        }
        text.push('\n');
    }
    text
}

/// The whole as JSON, each round's figures included.
pub(crate) fn json(facts: &Facts, tables: &[Table]) -> Value {
    let object = |figures: &Figures| -> Value {
        figures.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect::<Map<_, _>>().into()
    };
    let scenarios = tables.iter().map(|table| {
        let compared = table.compared();
        let rows = table.rows.iter().map(|row| {
            let found = compared.iter().find(|(one, ..)| one.name == row.name);
            json!({
                "name": row.name,
                "label": row.label,
                "skipped": row.skipped,
                "median": found.map(|(_, medians, _)| object(medians)),
                "ratio": found.map(|(_, _, ratios)| object(ratios)),
                "rounds": row.rounds.iter().map(object).collect::<Vec<_>>(),
            })
        });
        json!({
            "name": table.name,
            "title": table.title,
            "base": table.base().map(|row| row.name),
            "rows": rows.collect::<Vec<_>>(),
        })
    });
    let facts: Map<_, _> = facts.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    json!({ "facts": facts, "scenarios": scenarios.collect::<Vec<_>>() })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn table() -> Table {
        let row = |name, label, cpu: &[f64], errors| Row {
            name,
            label,
            rounds: cpu
                .iter()
                .map(|cpu| Figures::from([("cpu_us", *cpu), ("errors", errors), ("requests_per_second", 1e6 / cpu)]))
                .collect(),
            skipped: None,
        };
        let skipped =
            Row { name: "caddy", label: "Caddy", rounds: Vec::new(), skipped: Some("no <reason>".to_owned()) };
        let ours = row("ours", "Mailwarden", &[5.0, 10.0, 6.0], 2.0);
        let rows = vec![ours, row("nginx", "nginx & co", &[10.0, 20.0, 12.5], 0.0), skipped];
        Table { name: "kept", title: "Kept connections", rows }
    }

    #[test]
    fn a_table_has_medians_and_ratios_to_nginx_wherever_it_stands() {
        let text = table().markdown();
        assert!(text.contains("| Mailwarden | 166,667 (2.00) | 6.0 us (0.50) | **2** |"), "{text}");
        assert!(text.contains("| nginx & co | 80,000 | 12.5 us | 0 |"), "{text}");
        assert!(text.contains("Caddy: **skipped**, no <reason>"), "{text}");
    }

    #[test]
    fn a_round_is_a_line_that_names_errors_only_if_there_are_any() {
        let mut figures = Figures::from([("cpu_us", 12.44), ("errors", 0.0), ("requests", 9.0)]);
        assert_eq!(line(&figures), "CPU a request 12.4 us");
        figures.insert("errors", 3.0);
        assert_eq!(line(&figures), "CPU a request 12.4 us, errors 3");
    }

    #[test]
    fn the_summary_has_one_line_a_scenario() {
        let text = summary(&[table()]);
        assert!(text.contains("| Kept connections | 0.50 | 12.5 us |\n"), "{text}");
    }

    #[test]
    fn json_has_every_round() {
        let value = json(&vec![("machine", "x".to_owned())], &[table()]);
        let rows = &value["scenarios"][0]["rows"];
        assert_eq!(rows[0]["rounds"][1]["cpu_us"], 10.0);
        assert_eq!(rows[0]["ratio"]["cpu_us"], 0.5);
        assert_eq!(rows[2]["skipped"], "no <reason>");
        assert_eq!(value["facts"]["machine"], "x");
    }

    #[test]
    fn figures_are_shown_as_people_write_them() {
        let cases = [
            (shown(1_234_567.4, Unit::Count), "1,234,567"),
            (shown(999.0, Unit::Count), "999"),
            (shown(12.44, Unit::Microseconds), "12.4 us"),
            (shown(428.4, Unit::Microseconds), "428 us"),
            (shown(62_300.0, Unit::Microseconds), "62.3 ms"),
            (shown(-3.21, Unit::Microseconds), "-3.2 us"),
            (shown(6_144.0, Unit::Memory), "6.0 MB"),
            (ratio_shown(1.104), "1.10"),
            (ratio_shown(1769.2), "1,769"),
            (ratio_shown(0.000_386), "0.00039"),
        ];
        for (got, right) in cases {
            assert_eq!(got, right);
        }
    }
}
