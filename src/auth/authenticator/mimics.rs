//! What an unknown name mimics stays what it is over a restart.

use super::*;

/// What a gate that starts there would have names mimic in a file of two formats, by their keyed hashes.
fn seeds(state_dir: &Path, lines: &str) -> Vec<u64> {
    let gate = Authenticator::new(&AuthLimits::default()).unwrap();
    gate.keep_mimics(&Users::parse(lines.as_bytes()), state_dir);
    (0..9).map(|number| gate.seed(format!("nobody{number}").as_bytes())).collect()
}

#[test]
fn a_restart_changes_nobodys_time_where_the_key_can_be_kept() {
    let mixed = "anna:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\nben:AkLTsy09siuoo\n";
    let [dir, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let first = seeds(dir.path(), mixed);
    assert_eq!(seeds(dir.path(), mixed), first);
    assert_ne!(seeds(other.path(), mixed), first, "another gate's are its own");
    let nowhere = Path::new("/proc/nowhere");
    assert_ne!(seeds(nowhere, mixed), seeds(nowhere, mixed), "in memory only");
}

#[test]
fn with_one_format_there_is_nothing_to_keep() {
    let dir = tempfile::tempdir().unwrap();
    seeds(dir.path(), "anna:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n");
    assert_eq!(dir.path().read_dir().unwrap().count(), 0);
}
