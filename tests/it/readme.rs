//! What the README says of the tests.

use std::path::{Path, PathBuf};

/// Every Rust file below a folder of the project.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_test_that_the_table_about_nginx_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let mut files = Vec::new();
    sources(&root.join("tests"), &mut files);
    let named: Vec<&str> = readme
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|text| {
            text.contains("::") && text.bytes().all(|byte| byte.is_ascii_lowercase() || b":_0123456789".contains(&byte))
        })
        .collect();
    let rows = readme
        .lines()
        .skip_while(|line| !line.contains("| shown by |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    assert!(rows.clone().count() >= 20 && named.len() >= rows.clone().count());
    for row in rows {
        assert!(named.iter().any(|name| row.ends_with(&format!("| `{name}` |"))), "no test in {row}");
    }
    for name in named {
        let (module, test) = name.rsplit_once("::").unwrap();
        let is_there = files.iter().any(|file| {
            file.file_stem().is_some_and(|stem| stem == module)
                && std::fs::read_to_string(file).unwrap().contains(&format!("#[test]\nfn {test}() {{"))
        });
        assert!(is_there, "the README names {name}, and there is no such test");
    }
}
