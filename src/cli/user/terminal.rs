//! Asking on the terminal, where nothing shows what is typed, and leaving the terminal as it was, whatever ends the
//! question.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::thread;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::super::Exit;
use super::password::line;

/// What became of a question.
pub(super) enum Answer {
    /// What was typed, without the end of its line.
    Line(Zeroizing<Vec<u8>>),
    /// The end of all input, and nothing before it.
    Nothing,
    /// A signal that ends the process came first.
    Ended(Exit),
}

/// Asks on the terminal of the process.
///
/// # Errors
/// When it has none.
pub(super) fn ask(prompt: &str) -> io::Result<Answer> {
    let tty = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    let runtime = Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        // Before anything is hidden: without handlers a signal would end the process in the middle.
        let mut signals = Signals::listen()?;
        let _hidden = Hidden::hide(&tty)?;
        (&tty).write_all(prompt.as_bytes())?;
        let (tell, told) = oneshot::channel();
        // Reading cannot be cut short; a thread that still reads ends with the process.
        let from = tty.try_clone()?;
        thread::Builder::new().name("terminal".to_owned()).spawn(move || tell.send(read(&from)))?;
        tokio::select! {
            // Ctrl-C drops what was typed, so that nothing is read either.
            biased;
            exit = signals.next() => Ok(Answer::Ended(exit)),
            read = told => read.unwrap_or_else(|_| Err(io::Error::other("the terminal cannot be read"))),
        }
    })
}

fn read(tty: &File) -> io::Result<Answer> {
    let mut has_ended = false;
    let line = line(|byte| {
        let count = rustix::io::retry_on_intr(|| rustix::io::read(tty, &mut byte[..]))?;
        has_ended = count == 0;
        Ok(count)
    })?;
    Ok(if has_ended && line.is_empty() { Answer::Nothing } else { Answer::Line(line) })
}

/// The signals that end a process by themselves and come from keys, a closed window or somebody who wants it to end.
struct Signals([(Signal, Exit); 4]);

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self([
            (signal(SignalKind::interrupt())?, Exit::Interrupted),
            (signal(SignalKind::terminate())?, Exit::Terminated),
            (signal(SignalKind::quit())?, Exit::Quit),
            (signal(SignalKind::hangup())?, Exit::HungUp),
        ]))
    }

    async fn next(&mut self) -> Exit {
        let Self([(interrupt, one), (terminate, two), (quit, three), (hangup, four)]) = self;
        tokio::select! {
            _ = interrupt.recv() => *one,
            _ = terminate.recv() => *two,
            _ = quit.recv() => *three,
            _ = hangup.recv() => *four,
        }
    }
}

/// A terminal that shows nothing that is typed, but for the ends of lines, until this is dropped.
struct Hidden<'a> {
    tty: &'a File,
    before: Termios,
}

impl<'a> Hidden<'a> {
    fn hide(tty: &'a File) -> io::Result<Self> {
        let before = tcgetattr(tty)?;
        let mut hiding = before.clone();
        hiding.local_modes.remove(LocalModes::ECHO | LocalModes::ECHOE | LocalModes::ECHOK);
        hiding.local_modes.insert(LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG);
        tcsetattr(tty, OptionalActions::Now, &hiding)?;
        Ok(Self { tty, before })
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        // A terminal that is gone needs it no more.
        let _ = tcsetattr(self.tty, OptionalActions::Now, &self.before);
    }
}
