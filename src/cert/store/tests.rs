use super::*;

fn pair(text: &str) -> Pair {
    Pair { certificate: format!("certificate {text}\n"), key: Zeroizing::new(format!("key {text}\n")) }
}

fn mode(path: PathBuf) -> u32 {
    path.metadata().unwrap().mode() & 0o7777
}

#[test]
fn each_part_is_for_whom_it_is_for() {
    let top = tempfile::tempdir().unwrap();
    let dir = top.path().join("etc/tls");
    let folder = Folder::open(&dir).unwrap();
    folder.keep_authority(&pair("one")).unwrap();
    folder.publish("certificate one\n").unwrap();
    folder.keep("a.example", &pair("a"), Group::Nobody).unwrap();
    let own = rustix::process::getegid().as_raw();
    folder.keep("b.example", &pair("b"), Group::Number(own)).unwrap();
    assert_eq!(mode(dir.clone()), 0o755);
    assert_eq!(mode(dir.join("authority")), 0o700);
    assert_eq!(mode(dir.join("authority/key.pem")), 0o600);
    assert_eq!(mode(dir.join("authority.pem")), 0o644);
    assert_eq!((mode(dir.join("a.example")), mode(dir.join("a.example/key.pem"))), (0o755, 0o600));
    assert_eq!((mode(dir.join("b.example")), mode(dir.join("b.example/key.pem"))), (0o755, 0o640));
    assert_eq!(mode(dir.join("b.example/certificate.pem")), 0o644);
    assert_eq!(folder.all().unwrap(), ["a.example", "b.example"]);
    assert_eq!(*folder.read("a.example").unwrap().key, "key a\n");
    assert_eq!(folder.authority().unwrap().unwrap().certificate, "certificate one\n");
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 4, "nothing else is left there");
}

#[test]
fn nothing_is_overwritten() {
    let top = tempfile::tempdir().unwrap();
    let folder = Folder::open(top.path()).unwrap();
    folder.keep_authority(&pair("one")).unwrap();
    folder.publish("certificate one\n").unwrap();
    folder.keep("a.example", &pair("a"), Group::Nobody).unwrap();
    fs::write(top.path().join("file.example"), "mine").unwrap();
    let exists = |done: Result<PathBuf, StoreError>| matches!(done, Err(StoreError::Exists(_)));
    assert!(exists(folder.keep("a.example", &pair("other"), Group::Nobody)));
    assert!(exists(folder.keep("file.example", &pair("other"), Group::Nobody)));
    assert!(matches!(folder.keep_authority(&pair("two")), Err(StoreError::AnothersCopy(_))));
    fs::remove_file(folder.trusted()).unwrap();
    assert!(matches!(folder.keep_authority(&pair("two")), Err(StoreError::Exists(_))));
    folder.publish("certificate one\n").unwrap();
    folder.publish("certificate one\n").unwrap();
    assert!(matches!(folder.publish("certificate two\n"), Err(StoreError::AnothersCopy(_))));
    assert_eq!(*folder.read("a.example").unwrap().key, "key a\n");
    assert_eq!(fs::read_to_string(folder.trusted()).unwrap(), "certificate one\n");
    assert!(folder.place("authority").is_err() && folder.place("authority.pem").is_err());
    assert_eq!(fs::read_dir(top.path()).unwrap().count(), 4, "nothing unfinished is left there");
}

#[test]
fn a_renewed_certificate_keeps_key_and_mode() {
    let top = tempfile::tempdir().unwrap();
    let folder = Folder::open(top.path()).unwrap();
    assert!(matches!(folder.replace("a.example", "new\n"), Err(StoreError::Os(..))));
    folder.keep("a.example", &pair("a"), Group::Nobody).unwrap();
    let certificate = top.path().join("a.example/certificate.pem");
    fs::set_permissions(&certificate, Permissions::from_mode(0o640)).unwrap();
    folder.replace("a.example", "new\n").unwrap();
    let now = folder.read("a.example").unwrap();
    assert_eq!((now.certificate.as_str(), now.key.as_str()), ("new\n", "key a\n"));
    assert_eq!(mode(certificate), 0o640);
    assert_eq!(fs::read_dir(top.path().join("a.example")).unwrap().count(), 2);
}

#[test]
fn what_others_could_have_changed_or_read_is_not_relied_on() {
    let top = tempfile::tempdir().unwrap();
    let folder = Folder::open(top.path()).unwrap();
    folder.keep_authority(&pair("one")).unwrap();
    fs::set_permissions(top.path().join("authority/key.pem"), Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(folder.authority(), Err(StoreError::Unsafe(..))));
    drop(folder);
    fs::set_permissions(top.path(), Permissions::from_mode(0o775)).unwrap();
    assert!(matches!(Folder::open(top.path()), Err(StoreError::Unsafe(..))));
}

#[test]
fn what_was_killed_is_cleared_away() {
    let top = tempfile::tempdir().unwrap();
    fs::create_dir(top.path().join(".unfinished-1")).unwrap();
    fs::write(top.path().join(".unfinished-1/key.pem"), "half").unwrap();
    fs::write(top.path().join(".mine"), "").unwrap();
    let _folder = Folder::open(top.path()).unwrap();
    assert!(!top.path().join(".unfinished-1").exists() && top.path().join(".mine").exists());
}
