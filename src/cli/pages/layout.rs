//! What follows the options in `--help`, as the sections that a man page has for it.

/// What the program reads and writes, where nothing else is configured.
const FILES: &str = "\
.SH FILES
.TP
\\fI/etc/mailwarden/mailwarden.toml\\fR
The configuration. Without it every key has its default.
.TP
\\fI/etc/mailwarden/htpasswd\\fR
The users file.
.TP
\\fI/var/lib/mailwarden\\fR
What outlives the daemon: the keys of sessions, and which were logged out.
";

/// Lays out a page that was made from a command: the text under `EXTRA` becomes notes, examples and exit codes, each line
/// of a table on a line of its own. The `program`'s page names its files as well.
pub(super) fn laid_out(page: &str, program: bool) -> String {
    const EXTRA: &str = "\n.SH EXTRA\n";
    let Some((before, after)) = page.split_once(EXTRA) else { return page.to_owned() };
    let (extra, rest) = after.find("\n.SH ").map_or((after, ""), |at| after.split_at(at + 1));
    let mut out = format!("{before}\n");
    let (mut section, mut lines) = (".SH NOTES", Vec::new());
    for line in extra.lines() {
        let (next, rest) = match line.split_once(':') {
            Some(("Example" | "Examples", "")) => (".SH EXAMPLES", ""),
            Some(("Exit codes", rest)) => (".SH EXIT STATUS", rest.trim_start()),
            _ => {
                lines.push(line);
                continue;
            }
        };
        close(&mut out, section, &lines);
        (section, lines) = (next, vec![rest]);
    }
    close(&mut out, section, &lines);
    if program {
        out.push_str(FILES);
    }
    out + rest
}

/// Writes a section, if there is anything in it. Lines that are set in stay lines.
fn close(out: &mut String, section: &str, lines: &[&str]) {
    if lines.iter().all(|line| line.trim().is_empty()) {
        return;
    }
    out.push_str(section);
    out.push('\n');
    let (mut in_table, mut after_gap) = (false, false);
    for line in lines {
        if line.trim().is_empty() {
            after_gap = true;
            continue;
        }
        let is_set_in = line.starts_with(' ');
        if in_table != is_set_in {
            out.push_str(if is_set_in { ".RS 4\n.nf\n" } else { ".fi\n.RE\n" });
        } else if after_gap && !out.ends_with(&format!("{section}\n")) {
            out.push_str(".PP\n");
        }
        (in_table, after_gap) = (is_set_in, false);
        out.push_str(line.trim_start());
        out.push('\n');
    }
    if in_table {
        out.push_str(".fi\n.RE\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_examples_and_exit_codes_are_sections_of_their_own() {
        let page = ".SH OPTIONS\nx\n.SH EXTRA\nA note.\n\nAnother.\n\nExamples:\n  one && two\n  three\n\n\
                    Exit codes: 0 done;\n1 not\n.SH VERSION\nv1\n";
        assert_eq!(
            laid_out(page, false),
            ".SH OPTIONS\nx\n.SH NOTES\nA note.\n.PP\nAnother.\n.SH EXAMPLES\n.RS 4\n.nf\none && two\nthree\n.fi\n.RE\n\
             .SH EXIT STATUS\n0 done;\n1 not\n.SH VERSION\nv1\n"
        );
        assert!(laid_out(page, true).contains("1 not\n.SH FILES\n.TP\n"));
        let table = ".SH X\n.SH EXTRA\nExample:\n  one\n\nExit codes:\n   0  success     2  usage\n   1  failed\n";
        assert_eq!(
            laid_out(table, false),
            ".SH X\n.SH EXAMPLES\n.RS 4\n.nf\none\n.fi\n.RE\n\
             .SH EXIT STATUS\n.RS 4\n.nf\n0  success     2  usage\n1  failed\n.fi\n.RE\n"
        );
    }
}
