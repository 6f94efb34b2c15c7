//! A picture of CPU a request: bars a scenario, as long as the ratio to nginx.

use super::table::{Table, microseconds, ratio_shown};

const WIDTH: u32 = 900;
/// Where bars begin, and how long one of nginx's own length is.
const LEFT: u32 = 230;
const ONE: f64 = 190.0;
/// A longer bar is cut and says its ratio.
const MOST: f64 = 2.6;
const BAR: u32 = 18;

/// The picture as SVG, or none if nothing has CPU a request.
pub(crate) fn svg(machine: &str, tables: &[Table]) -> Option<String> {
    let mut body = String::new();
    let mut y = 64;
    for table in tables {
        let compared = table.compared();
        let bars = || {
            compared
                .iter()
                .filter_map(|(row, medians, ratios)| Some((row, medians.get("cpu_us")?, ratios.get("cpu_us")?)))
        };
        if bars().count() < 2 {
            continue;
        }
        y += 26;
        body += &text(16, y - 8, "heading", table.title);
        for (row, cpu, ratio) in bars() {
            let length = (ratio.min(MOST) * ONE).round().max(1.0);
            let class = if row.name.starts_with("ours") { "ours" } else { "other" };
            body += &text(LEFT - 8, y + 13, "label", row.label);
            body += &format!(
                "<rect class=\"{class}\" x=\"{LEFT}\" y=\"{y}\" width=\"{length}\" height=\"{}\"/>\n",
                BAR - 4
            );
            let cut = if *ratio > MOST { " ▸" } else { "" };
            let figure = format!("{}{cut}  {}", microseconds(*cpu), ratio_shown(*ratio));
            body += &text(LEFT + length as u32 + 6, y + 12, "figure", &figure);
            y += BAR;
        }
        y += 12;
    }
    if body.is_empty() {
        return None;
    }
    let (height, line) = (y + 8, f64::from(LEFT) + ONE);
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <style>.heading{{font-weight:bold}}.label{{text-anchor:end}}.figure{{fill:#444;paint-order:stroke;stroke:#fff;stroke-width:4px}}.ours{{fill:#2a7f62}}.other{{fill:#9aa5b1}}</style>\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n{}{}\
         <line x1=\"{line}\" y1=\"66\" x2=\"{line}\" y2=\"{}\" stroke=\"#c33\" stroke-dasharray=\"3 3\"/>\n{body}</svg>\n",
        text(16, 26, "heading", "CPU a request: shorter is better, the dashed line is nginx with kept connections"),
        text(16, 46, "figure", machine),
        y - 8,
    ))
}

fn text(x: u32, y: u32, class: &str, content: &str) -> String {
    format!("<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{}</text>\n", escaped(content))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::table;
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_ratio() {
        let svg = svg("two cores", &[table()]).unwrap();
        assert!(svg.contains("class=\"ours\" x=\"230\" y=\"90\" width=\"95\""), "{svg}");
        assert!(svg.contains("class=\"other\" x=\"230\" y=\"108\" width=\"190\""), "{svg}");
        assert!(svg.contains("12.5 us  1.00"), "{svg}");
    }

    #[test]
    fn what_is_written_in_it_is_text() {
        let svg = svg("<b> & \"c\"", &[table()]).unwrap();
        assert!(svg.contains("&lt;b&gt; &amp; &quot;c&quot;") && svg.contains("nginx &amp; co"), "{svg}");
    }

    #[test]
    fn nothing_to_compare_is_no_picture() {
        assert_eq!(svg("x", &[]), None);
        let mut one = table();
        one.rows.truncate(1);
        assert_eq!(svg("x", &[one]), None);
    }
}
