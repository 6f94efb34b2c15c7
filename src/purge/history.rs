//! The runs that were: a line of JSON each time one begins and ends, in the state directory.
//!
//! A line is added whole and synced, so that what is read is what happened, wherever a process or the machine stopped: a
//! line that was cut off is passed over, and a run that has begun and not ended was interrupted. The file is rewritten, by
//! way of a new one, when it has become long.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::lock::open;

const FILE: &str = "purge.history";
const NEW_FILE: &str = "purge.history.new";
/// How many runs are kept when the file is rewritten: a year of days.
const KEPT: usize = 400;
/// When it is rewritten, in bytes.
const LONG: u64 = 512 << 10;
/// What is read of it, in bytes.
const READ: u64 = 4 << 20;

/// Why a purge ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It was due.
    Schedule,
    /// Somebody ran `mailwarden purge`.
    Hand,
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It has begun, and has not ended or was interrupted.
    Begun,
    /// What had to go is gone.
    Done,
    /// It is not.
    Failed,
    /// It was told to stop.
    Stopped,
    /// Another purge ran, so this one did not.
    Refused,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When it began.
    pub began: Timestamp,
    /// The process that ran it.
    pub pid: u32,
    /// Why.
    pub why: Why,
    /// The instant for which it was scheduled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled: Option<Timestamp>,
    /// What it went by, in words.
    pub rule: String,
    /// How it stands.
    pub state: State,
    /// Messages that had to go.
    #[serde(default)]
    pub decided: usize,
    /// That were deleted.
    #[serde(default)]
    pub deleted: usize,
    /// That the list showed gone.
    #[serde(default)]
    pub confirmed: usize,
    /// How often it was tried.
    #[serde(default)]
    pub attempts: u32,
    /// How long it took, in milliseconds.
    #[serde(default)]
    pub took_ms: u64,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The lowest and the highest id that were left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<(u64, u64)>,
}

impl Record {
    /// A run that begins now.
    #[must_use]
    pub fn begin(now: Timestamp, why: Why, scheduled: Option<Timestamp>, rule: String) -> Self {
        Self {
            began: now,
            pid: std::process::id(),
            why,
            scheduled,
            rule,
            state: State::Begun,
            decided: 0,
            deleted: 0,
            confirmed: 0,
            attempts: 0,
            took_ms: 0,
            error: None,
            left: None,
        }
    }
}

/// The file.
#[derive(Debug)]
pub struct History {
    dir: PathBuf,
}

impl History {
    /// The history of a state directory, which need not exist.
    #[must_use]
    pub fn of(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// The runs that are known of, oldest first.
    ///
    /// # Errors
    /// When there is a file that cannot be read.
    pub fn read(&self) -> io::Result<Vec<Record>> {
        let mut file = match File::open(self.dir.join(FILE)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let length = file.metadata()?.len();
        if length > READ {
            file.seek(SeekFrom::Start(length - READ))?;
        }
        let mut content = Vec::new();
        file.take(READ).read_to_end(&mut content)?;
        Ok(parse(&content))
    }

    /// Adds a line and waits until it is on the disk. Whoever does so holds the lock of purges, if there is one.
    ///
    /// # Errors
    /// Why it is not.
    pub fn add(&self, record: &Record) -> io::Result<()> {
        if self.append(record)? > LONG { self.shorten() } else { Ok(()) }
    }

    /// The same, while another process may hold the lock and add lines of its own: the file is not rewritten. Lines are
    /// added whole, side by side; this one is lost if the other rewrites the file at this very moment.
    ///
    /// # Errors
    /// Why it is not.
    pub fn add_beside(&self, record: &Record) -> io::Result<()> {
        self.append(record).map(drop)
    }

    /// Adds a line; how long the file is then.
    fn append(&self, record: &Record) -> io::Result<u64> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o640);
        let mut file = open(&self.dir, FILE, &options)?;
        let length = file.metadata()?.len();
        if length == 0 {
            // The name is to outlive the machine's stopping as well.
            File::open(&self.dir)?.sync_all()?;
        }
        let mut line = Vec::new();
        if length > 0 {
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                line.push(b'\n'); // behind a line that was cut off
            }
        }
        line.extend_from_slice(&written(record)?);
        file.write_all(&line)?;
        file.sync_data()?;
        Ok(length + line.len() as u64)
    }

    /// Rewrites the file with the latest runs.
    fn shorten(&self) -> io::Result<()> {
        let records = self.read()?;
        let mut content = Vec::new();
        for record in records.iter().skip(records.len().saturating_sub(KEPT)) {
            content.extend_from_slice(&written(record)?);
        }
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o640);
        let mut file = open(&self.dir, NEW_FILE, &options)?;
        file.write_all(&content)?;
        file.sync_all()?;
        fs::rename(self.dir.join(NEW_FILE), self.dir.join(FILE))?;
        File::open(&self.dir)?.sync_all()
    }
}

fn written(record: &Record) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    Ok(line)
}

/// Which of these runs is under way, if one is: the last that did anything, while it has not ended. What was refused since
/// stands behind it.
#[must_use]
pub fn under_way(records: &[Record]) -> Option<usize> {
    let last = records.iter().rposition(|record| record.state == State::Begun || record.attempts > 0)?;
    (records.get(last)?.state == State::Begun).then_some(last)
}

/// The runs of a file, oldest first; of the lines of one run the last holds.
fn parse(content: &[u8]) -> Vec<Record> {
    let mut runs = BTreeMap::new();
    for line in content.split(|byte| *byte == b'\n') {
        if let Ok(record) = serde_json::from_slice::<Record>(line) {
            runs.insert((record.began, record.pid), record);
        }
    }
    runs.into_values().collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn begun(second: i64) -> Record {
        Record::begin(at(second), Why::Schedule, Some(at(second)), "every message goes".to_owned())
    }

    fn done(second: i64) -> Record {
        Record {
            state: State::Done,
            decided: 3,
            deleted: 3,
            confirmed: 3,
            attempts: 1,
            took_ms: 12,
            left: Some((4, 9)),
            ..begun(second)
        }
    }

    #[test]
    fn what_was_added_is_read_and_of_one_run_the_last_line_holds() {
        let dir = tempfile::tempdir().unwrap();
        let history = History::of(&dir.path().join("state"));
        assert_eq!(history.read().unwrap(), []);
        for record in [begun(1), done(1), begun(2)] {
            history.add(&record).unwrap();
        }
        assert_eq!(history.read().unwrap(), [done(1), begun(2)]);
    }

    #[test]
    fn wherever_it_is_cut_off_all_whole_lines_are_read_and_the_next_is_added() {
        let dir = tempfile::tempdir().unwrap();
        let history = History::of(dir.path());
        history.add(&done(1)).unwrap();
        let first = fs::metadata(dir.path().join(FILE)).unwrap().len();
        history.add(&done(2)).unwrap();
        let whole = fs::read(dir.path().join(FILE)).unwrap();
        for cut in 0..whole.len() {
            fs::write(dir.path().join(FILE), &whole[..cut]).unwrap();
            // A line that lacks its end alone is whole.
            let expected = usize::from(cut as u64 >= first - 1) + usize::from(cut == whole.len() - 1);
            assert_eq!(history.read().unwrap().len(), expected, "{cut}");
            history.add(&done(3)).unwrap();
            assert_eq!(history.read().unwrap().last(), Some(&done(3)), "{cut}");
            assert_eq!(history.read().unwrap().len(), expected + 1, "{cut}");
        }
    }

    #[test]
    fn a_long_history_is_shortened_and_keeps_the_latest() {
        let dir = tempfile::tempdir().unwrap();
        let history = History::of(dir.path());
        let mut content = Vec::new();
        for second in 0..3000 {
            content.extend_from_slice(&written(&begun(second)).unwrap());
            content.extend_from_slice(&written(&done(second)).unwrap());
        }
        assert!(content.len() as u64 > LONG);
        fs::write(dir.path().join(FILE), content).unwrap();
        // What a rewriting that was interrupted left behind is no hindrance.
        fs::write(dir.path().join(NEW_FILE), "{").unwrap();
        history.add(&begun(3000)).unwrap();
        let records = history.read().unwrap();
        assert_eq!(records.len(), KEPT);
        assert_eq!(records.last(), Some(&begun(3000)));
        assert_eq!(records[KEPT - 2], done(2999));
        assert!(fs::metadata(dir.path().join(FILE)).unwrap().len() < LONG);
    }

    #[test]
    fn what_is_noted_beside_a_run_leaves_that_one_under_way() {
        let dir = tempfile::tempdir().unwrap();
        let history = History::of(dir.path());
        let refused = Record { state: State::Refused, ..begun(3) };
        for record in [done(1), begun(2)] {
            history.add(&record).unwrap();
        }
        fs::write(dir.path().join(NEW_FILE), "another process is about to rewrite it").unwrap();
        history.add_beside(&refused).unwrap();
        let records = history.read().unwrap();
        assert_eq!((records.len(), under_way(&records)), (3, Some(1)));
        assert_eq!(under_way(&[begun(1), done(2), refused.clone()]), None);
        assert_eq!(under_way(&[refused]), None);
        assert_eq!(under_way(&[]), None);
    }

    #[test]
    fn what_is_no_line_of_ours_is_passed_over() {
        assert_eq!(parse(b"\n{}\nnull\n\xff\xfe\n{\"began\":1}\n"), []);
    }

    #[test]
    fn where_nothing_can_be_written_it_says_so() {
        assert!(History::of(Path::new("/proc/nowhere")).add(&begun(1)).is_err());
        assert_eq!(History::of(Path::new("/proc/nowhere")).read().unwrap(), []);
    }
}
