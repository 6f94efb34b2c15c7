//! Whatever happens, what was logged out stays so over a restart, and nothing else does.

use std::collections::HashSet;
use std::time::Duration;

use proptest::prelude::*;

use super::super::kept::Kept;
use super::*;
use crate::auth::keyed::KEY;

const NOW: Seconds = Seconds(1_800_000_000);

fn id(issued: u64, number: u64) -> SessionId {
    let mut random = [0; 16];
    random[..8].copy_from_slice(&number.to_le_bytes());
    SessionId { issued: Seconds(issued), random }
}

fn journal(dir: &Path, revoked: &Arc<Revoked>) -> Journal {
    Journal::new(dir, Key::new([7; KEY]), Arc::clone(revoked), Arc::default())
}

fn end(journal: &mut Journal, revoked: &Revoked, name: &UserName, id: SessionId) -> io::Result<()> {
    revoked.add(name, id);
    journal.write_all(line(name, &id).as_bytes())
}

#[test]
fn the_file_stays_small_however_often_a_user_logs_out() {
    let (dir, revoked, anna) = (tempfile::tempdir().unwrap(), Arc::default(), UserName::of(b"anna"));
    let mut journal = journal(dir.path(), &revoked);
    let mut largest = 0;
    for number in 0..3000 {
        end(&mut journal, &revoked, &anna, id(NOW.0 + number / 10, number)).unwrap();
        largest = largest.max(path(dir.path()).metadata().unwrap().len());
    }
    assert!(largest < SMALL + 100, "{largest}");
    let after = Revoked::default();
    after.restore(&read(dir.path(), NOW).unwrap());
    assert!((0..3000).all(|number| after.contains(&anna, &id(NOW.0 + number / 10, number))));
    assert!(!after.contains(&anna, &id(NOW.0 + 301, 1)), "one that began later");
}

#[test]
fn while_nothing_can_be_noted_the_key_is_off_the_disk_and_it_comes_back() {
    let (dir, revoked, anna) = (tempfile::tempdir().unwrap(), Arc::default(), UserName::of(b"anna"));
    let key = dir.path().join(KEY_FILE);
    fs::write(&key, [7; KEY]).unwrap();
    let mut journal = journal(dir.path(), &revoked);
    // A full disk, on which the whole cannot be written either.
    journal.file = Some(OpenOptions::new().write(true).open("/dev/full").unwrap());
    fs::remove_file(path(dir.path())).unwrap();
    fs::create_dir(path(dir.path())).unwrap();
    end(&mut journal, &revoked, &anna, id(NOW.0, 1)).unwrap_err();
    assert!(!key.exists(), "a restart would make the session good again");
    assert!(journal.behind.load(Ordering::Relaxed));

    fs::remove_dir(path(dir.path())).unwrap();
    journal.write_all(b"\n").unwrap();
    assert_eq!(fs::read(&key).unwrap(), [7; KEY]);
    assert_eq!(read(dir.path(), NOW).unwrap(), [(anna, End::One(id(NOW.0, 1)))]);
    assert!(!journal.behind.load(Ordering::Relaxed));
}

#[test]
fn where_a_line_cannot_be_added_the_whole_is_written() {
    let (dir, revoked, anna) = (tempfile::tempdir().unwrap(), Arc::default(), UserName::of(b"anna"));
    let mut journal = journal(dir.path(), &revoked);
    journal.file = Some(OpenOptions::new().write(true).open("/dev/full").unwrap());
    end(&mut journal, &revoked, &anna, id(NOW.0, 1)).unwrap();
    assert_eq!(read(dir.path(), NOW).unwrap(), [(anna, End::One(id(NOW.0, 1)))]);
}

#[derive(Clone, Debug)]
enum Step {
    /// A user's session begins.
    Begin(u8),
    /// One of the sessions is ended.
    End(prop::sample::Index),
    /// So many of them, one after the other.
    EndMany(prop::sample::Index, usize),
    /// Time passes.
    Pass(u64),
    Sweep,
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..3u8).prop_map(Step::Begin),
        6 => any::<prop::sample::Index>().prop_map(Step::End),
        1 => (any::<prop::sample::Index>(), 60..100usize).prop_map(|(first, count)| Step::EndMany(first, count)),
        3 => prop_oneof![0..3u64, 0..LIFETIME].prop_map(Step::Pass),
        1 => Just(Step::Sweep),
        2 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..300)
}

/// A daemon's list and its file.
fn start(dir: &Path, now: Seconds) -> (Arc<Revoked>, Kept) {
    let revoked = Arc::default();
    let kept = Kept::open(dir, now, &revoked).unwrap();
    (revoked, kept)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn an_ended_session_never_comes_back_and_the_others_stay(steps in steps()) {
        const MANY: usize = 64;
        let dir = tempfile::tempdir().unwrap();
        let users = [b"anna", b"ben_", b"carl"].map(|name| UserName::of(name));
        let mut now = NOW;
        let (mut revoked, mut kept) = start(dir.path(), now);
        let key = fs::read(dir.path().join(KEY_FILE)).unwrap();
        let mut begun: Vec<(usize, SessionId)> = Vec::new();
        let mut ended = HashSet::new();
        for step in steps {
            match step {
                Step::Begin(user) => begun.push((user.into(), id(now.0, begun.len() as u64))),
                Step::End(_) | Step::EndMany(..) => {
                    let (first, count) = match step {
                        Step::EndMany(first, count) => (first, count),
                        Step::End(first) => (first, 1),
                        _ => unreachable!(),
                    };
                    // Many are begun for it, of one user, some of them in the same second.
                    if count > 1 {
                        begun.extend((0..count as u64).map(|number| (0, id(now.0 + number / 7, 1_000_000 + number))));
                    }
                    if begun.is_empty() { continue }
                    let first = if count > 1 { begun.len() - count } else { first.index(begun.len()) };
                    for (user, id) in begun.iter().skip(first).take(count) {
                        if revoked.add(&users[*user], *id) {
                            kept.ended(&users[*user], *id);
                        }
                        ended.insert((*user, *id));
                    }
                }
                Step::Pass(seconds) => now.0 += seconds,
                Step::Sweep => {
                    revoked.sweep(now);
                    kept.catch_up();
                }
                Step::Restart => {
                    kept.flush(Duration::from_secs(60));
                    drop(kept);
                    (revoked, kept) = start(dir.path(), now);
                    prop_assert_eq!(&fs::read(dir.path().join(KEY_FILE)).unwrap(), &key, "nobody is logged out by it");
                }
            }
            for (user, id) in begun.iter().filter(|(_, id)| !id.is_over(now)) {
                let is_ended = revoked.contains(&users[*user], id);
                if ended.contains(&(*user, *id)) {
                    prop_assert!(is_ended, "{:?} came back", id);
                } else if is_ended {
                    // Only to make room for many that its user ended, one of which began no earlier.
                    let of_user = ended.iter().filter(|(whose, _)| whose == user);
                    let (count, latest) = of_user.fold((0, 0), |(count, latest), (_, other)| (count + 1, latest.max(other.issued.0)));
                    prop_assert!(count > MANY && id.issued.0 <= latest, "{:?} ended with no reason", id);
                }
            }
        }
    }
}
