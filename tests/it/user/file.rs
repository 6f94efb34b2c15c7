//! What becomes of the file itself: whose it is, where links lead, and what happens where it cannot be replaced.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::process::Command;

use mailwarden::auth::Users;

use super::{Path, done, output, said, text, user};
use crate::support::gate::{ANNA, binary};
use crate::tools::made_by;

const ADD_BERT: [&str; 5] = ["add", "bert", "--hash", "apr1", "--file"];

/// A folder with anna's file.
fn folder() -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("htpasswd");
    fs::write(&path, ANNA).unwrap();
    (dir, path)
}

fn add_bert(path: &Path) -> String {
    done(&[&ADD_BERT[..], &[text(path)]].concat(), Some("secret"))
}

fn names(path: &Path) -> Vec<String> {
    let users = Users::parse(&fs::read(path).unwrap());
    assert_eq!(users.problems(), []);
    users.iter().map(|user| user.name().to_string()).collect()
}

/// Runs a shell script in a mount namespace of its own, with MW for the program and DIR for a folder.
fn among_own_mounts(dir: &Path, script: &str) -> (i32, String) {
    let mut shell = Command::new("unshare");
    shell.args(["-m", "sh", "-euc", script]).env("MW", env!("CARGO_BIN_EXE_mailwarden")).env("DIR", dir);
    said(&output(&mut shell, b""))
}

#[test]
fn a_hundred_at_once_lose_nobody_and_leave_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (path, link) = (dir.path().join("htpasswd"), dir.path().join("link"));
    symlink("htpasswd", &link).unwrap();
    // None of them finds a file; half of them come by the link.
    let children: Vec<_> = (0..100)
        .map(|number| {
            let file = if number % 2 == 0 { &path } else { &link };
            let script = r#"echo secret | "$0" user add "$1" --stdin --hash apr1 --file "$2""#;
            let mut shell = Command::new("sh");
            shell.args(["-c", script, env!("CARGO_BIN_EXE_mailwarden"), &format!("user{number}"), text(file)]);
            shell.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let mut found = names(&path);
    found.sort();
    let mut all: Vec<String> = (0..100).map(|number| format!("user{number}")).collect();
    all.sort();
    assert_eq!(found, all);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[test]
fn many_at_once_in_place_lose_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let (path, second) = (dir.path().join("htpasswd"), dir.path().join("second"));
    fs::write(&path, "").unwrap();
    fs::hard_link(&path, &second).unwrap();
    let children: Vec<_> = (0..30)
        .map(|number| {
            let file = if number % 2 == 0 { &path } else { &second };
            let script = r#"echo secret | "$0" user add "$1" --stdin --hash apr1 --file "$2" 2>/dev/null"#;
            let mut shell = Command::new("sh");
            shell.args(["-c", script, env!("CARGO_BIN_EXE_mailwarden"), &format!("user{number}"), text(file)]);
            shell.stdout(std::process::Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(names(&path).len(), 30);
}

#[test]
fn a_file_that_root_makes_is_for_the_daemons_group() {
    let dir = tempfile::tempdir().unwrap();
    let (code, told) = among_own_mounts(
        dir.path(),
        r#"grep -v '^mailwarden:' /etc/group >"$DIR/group"; echo mailwarden:x:4242: >>"$DIR/group"
           mount --bind "$DIR/group" /etc/group; mkdir -m 2750 "$DIR/own"; chgrp 4343 "$DIR/own"
           for file in new own/new; do
               echo secret | "$MW" user add anna --stdin --hash apr1 --file "$DIR/$file"
               stat -c '%u:%g %a' "$DIR/$file"
           done"#,
    );
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("\n0:4242 640\n") && told.contains("/new, root:mailwarden 0640"), "{told}");
    assert!(told.contains("\n0:4343 640\n"), "a folder that gives its own group has the last word: {told}");
}

#[test]
fn links_stay_and_what_they_lead_to_is_changed() {
    let (dir, path) = folder();
    let (below, chain) = (dir.path().join("below"), dir.path().join("below/chain"));
    fs::create_dir(&below).unwrap();
    symlink("../htpasswd", below.join("relative")).unwrap();
    symlink(below.join("relative"), &chain).unwrap();
    add_bert(&chain);
    assert_eq!(names(&path), ["anna", "bert"]);
    assert!(chain.is_symlink() && below.join("relative").is_symlink() && !path.is_symlink());
    // One that leads nowhere yet, from the folder that the command runs in.
    symlink("below/new", dir.path().join("dangling")).unwrap();
    let mut command = binary();
    command.current_dir(dir.path()).arg("user").args(ADD_BERT).args(["dangling", "--stdin"]);
    assert_eq!(said(&output(&mut command, b"secret")).0, 0);
    assert_eq!(names(&below.join("new")), ["bert"]);
    symlink("loop", dir.path().join("loop")).unwrap();
    assert_eq!(said(&user(&[&ADD_BERT[..], &[text(&dir.path().join("loop"))]].concat(), Some("x"))).0, 1);
}

#[test]
fn owner_group_mode_access_list_and_attributes_stay() {
    let (dir, path) = folder();
    chown(&path, Some(1234), Some(5678)).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o604)).unwrap();
    let inode = fs::metadata(&path).unwrap().ino();
    add_bert(&path);
    let found = fs::metadata(&path).unwrap();
    assert_eq!((found.uid(), found.gid(), found.mode() & 0o7777), (1234, 5678, 0o604));
    assert_ne!(found.ino(), inode, "it was replaced");

    made_by("setfacl", &["-m", "u:daemon:r,g:games:rw", text(&path)], "");
    made_by("setfattr", &["-n", "user.note", "-v", "kept", text(&path)], "");
    let before = made_by("getfacl", &["-pn", text(&path)], "");
    done(&["remove", "bert", "--file", text(&path)], None);
    assert_eq!(made_by("getfacl", &["-pn", text(&path)], ""), before);
    assert!(before.contains("user:1:r") && before.contains("group:60:rw"), "{before}");
    assert_eq!(made_by("getfattr", &["-n", "user.note", "--only-values", "--absolute-names", text(&path)], ""), "kept");

    // What the folder gives to new files is not for one that had it not.
    made_by("setfacl", &["-b", text(&path)], "");
    made_by("setfacl", &["-dm", "u:games:rw", text(dir.path())], "");
    let before = made_by("getfacl", &["-pn", text(&path)], "");
    add_bert(&path);
    assert_eq!(made_by("getfacl", &["-pn", text(&path)], ""), before);
}

#[test]
fn a_new_file_is_not_for_everybody_and_a_missing_folder_is_named_with_its_command() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("htpasswd");
    let told = add_bert(&path);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o640);
    assert!(told.contains(&format!("made {}, root:", path.display())), "{told}");
    let path = dir.path().join("no/such/htpasswd");
    let (code, told) = said(&user(&[&ADD_BERT[..], &[text(&path)]].concat(), Some("secret")));
    let folder = path.parent().unwrap().display();
    assert_eq!((code, told), (1, format!("the folder {folder} does not exist; make it with: mkdir -p {folder}\n")));
    let (code, told) = said(&user(&["list", "--file", text(&path)], None));
    assert!(code == 1 && told.contains(&format!("&& mailwarden user add NAME --file {}", path.display())), "{told}");
}

#[test]
fn a_file_that_is_mounted_by_itself_is_written_in_place_with_a_warning() {
    let (dir, path) = folder();
    let inode = fs::metadata(&path).unwrap().ino();
    let (code, told) = among_own_mounts(
        dir.path(),
        r#"mkdir "$DIR/in"; touch "$DIR/in/htpasswd"; mount --bind "$DIR/htpasswd" "$DIR/in/htpasswd"
           echo secret | "$MW" user add bert --stdin --hash apr1 --file "$DIR/in/htpasswd"
           "$MW" user remove anna --file "$DIR/in/htpasswd"; ls -A "$DIR/in""#,
    );
    assert_eq!(code, 0, "{told}");
    assert_eq!(
        told.matches("was written in place, not replaced: it cannot be replaced: Device or resource busy").count(),
        2
    );
    assert!(told.contains("\nhtpasswd\n"), "nothing is left beside it: {told}");
    assert_eq!((names(&path), fs::metadata(&path).unwrap().ino()), (vec!["bert".to_owned()], inode));
}

#[test]
fn a_file_with_a_second_name_keeps_it() {
    let (dir, path) = folder();
    let second = dir.path().join("second");
    fs::hard_link(&path, &second).unwrap();
    assert!(add_bert(&path).contains("a hard link"));
    assert_eq!(names(&second), ["anna", "bert"]);
}

#[test]
fn a_full_disk_changes_nothing_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let fill = r#"mount -t tmpfs -o size=64k none "$DIR"; cd "$DIR"
        printf 'anna:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n# %04049d' 0 >htpasswd; cp htpasswd /tmp/before.$$
        cp htpasswd linked; ln linked second
        head -c 100000 /dev/zero >filler 2>/dev/null || true"#;
    let script = format!(
        r#"{fill}
        for file in htpasswd linked new; do
            echo secret | "$MW" user add bert --stdin --hash apr1 --file "$DIR/$file" 2>&1 && echo DONE || echo "is $?"
        done
        cmp htpasswd /tmp/before.$$; cmp linked /tmp/before.$$; rm /tmp/before.$$; ls -A | tr '\n' ' '"#
    );
    let (code, told) = among_own_mounts(dir.path(), &script);
    assert_eq!(code, 0, "{told}");
    assert_eq!(told.matches(": No space left on device; nothing was changed\nis 1\n").count(), 3, "{told}");
    assert!(told.ends_with("is 1\nfiller htpasswd linked second "), "{told}");
}

#[test]
fn a_read_only_file_system_is_told_and_nothing_is_changed() {
    let dir = tempfile::tempdir().unwrap();
    let (code, told) = among_own_mounts(
        dir.path(),
        r#"mount -t tmpfs none "$DIR"; echo "anna:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=" >"$DIR/htpasswd"
           mount -o remount,ro "$DIR"
           "$MW" user remove anna --file "$DIR/htpasswd" 2>&1 || echo "is $?"
           echo secret | "$MW" user add bert --stdin --hash apr1 --file "$DIR/new" 2>&1 || echo "is $?"
           "$MW" user list --file "$DIR/htpasswd""#,
    );
    assert_eq!(code, 0, "{told}");
    assert_eq!(told.matches("Read-only file system; nothing was changed\nis 1\n").count(), 2, "{told}");
    assert!(told.contains("anna"), "{told}");
}

/// Runs the command as somebody without rights of his own.
fn as_nobody(dir: &Path, arguments: &[&str]) -> (i32, String) {
    // Where the tests run may not be a place that everybody can enter.
    let program = dir.join("mailwarden");
    if !program.exists() {
        fs::copy(env!("CARGO_BIN_EXE_mailwarden"), &program).unwrap();
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program).arg("user").args(arguments);
    said(&output(&mut command, b"secret\n"))
}

#[test]
fn what_cannot_be_replaced_without_losing_something_is_written_in_place() {
    let (dir, path) = folder();
    let set = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    let add = |name| as_nobody(dir.path(), &["add", name, "--stdin", "--hash", "apr1", "--file", text(&path)]);
    // His own file in somebody else's folder.
    set(dir.path(), 0o755);
    chown(&path, Some(65534), Some(65534)).unwrap();
    let (code, told) = add("bert");
    assert!(
        code == 0 && told.contains("in place, not replaced: no file can be made beside it: Permission denied"),
        "{told}"
    );
    // Somebody else's file in a folder for everybody: a new one could not have its owner.
    set(dir.path(), 0o777);
    chown(&path, Some(1234), Some(65534)).unwrap();
    set(&path, 0o660);
    let (code, told) = add("carl");
    assert!(code == 0 && told.contains("a new file cannot have its owner, mode and attributes"), "{told}");
    assert_eq!(fs::metadata(&path).unwrap().uid(), 1234);
    assert_eq!(names(&path), ["anna", "bert", "carl"]);
    // Neither way: it is readable and no more.
    set(dir.path(), 0o755);
    set(&path, 0o644);
    chown(&path, Some(0), Some(0)).unwrap();
    let (code, told) = add("dora");
    assert!(code == 1 && told.contains("may not be written, and no file can be made beside it"), "{told}");
    assert_eq!(names(&path), ["anna", "bert", "carl"]);
}

#[test]
fn what_is_no_file_is_refused_at_once() {
    let (dir, _) = folder();
    let pipe = dir.path().join("pipe");
    made_by("mkfifo", &[text(&pipe)], "");
    for (path, why) in
        [(text(&pipe), "not a regular file"), (text(dir.path()), "a directory"), ("/dev/null", "not a regular")]
    {
        let (code, told) = said(&user(&[&ADD_BERT[..], &[path]].concat(), Some("secret")));
        assert!(code == 1 && told.contains(why), "{told}");
    }
}

#[test]
fn a_strangers_link_in_a_shared_folder_is_refused_and_what_it_leads_to_stays() {
    let (own, path) = folder();
    let shared = tempfile::tempdir().unwrap();
    fs::set_permissions(shared.path(), Permissions::from_mode(0o1777)).unwrap();
    let link = shared.path().join("htpasswd");
    symlink(&path, &link).unwrap();
    std::os::unix::fs::lchown(&link, Some(65534), None).unwrap();
    let password = Some("secret");
    for (command, password) in
        [(&["remove", "anna"][..], None), (&ADD_BERT[..4], password), (&["passwd", "anna"], password)]
    {
        let (status, said) = said(&user(&[command, &["--file", text(&link)]].concat(), password));
        assert_eq!(status, 1, "{said}");
        let why =
            format!("{}: a link of nobody's in a folder that everybody may write to is not followed", text(&link));
        assert!(said.contains(&why), "{said}");
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), ANNA);
    // One's own is followed.
    std::os::unix::fs::lchown(&link, Some(0), None).unwrap();
    done(&["remove", "anna", "--file", text(&link)], None);
    drop(own);
}

#[test]
fn a_lock_that_somebody_keeps_is_waited_for_ten_seconds_and_he_is_named() {
    let (_dir, path) = folder();
    let held = fs::File::open(&path).unwrap();
    held.lock().unwrap();
    let (status, said) = said(&user(&["remove", "anna", "--file", text(&path)], None));
    assert_eq!(status, 1, "{said}");
    assert!(said.contains(&format!("is locked by process {} (", std::process::id())), "{said}");
    assert!(said.contains("and was for 10 seconds; try again when that is done; nothing was changed"), "{said}");
    assert_eq!(fs::read_to_string(&path).unwrap(), ANNA);
    held.unlock().unwrap();
    done(&["remove", "anna", "--file", text(&path)], None);
}
