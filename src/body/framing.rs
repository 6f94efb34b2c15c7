//! Where an answer ends, and what of the bytes before that is its body (RFC 9112 sections 6 and 7). No input or output here.

use bytes::{Buf as _, Bytes, BytesMut};
use http_body::SizeHint;
use httparse::Status;

/// The longest line before a chunk, and the most that trailers may be together, in bytes.
const LONGEST_LINE: usize = 16 << 10;

/// How the end of an answer is found, and what is still to come before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is nothing, or nothing more.
    Ended,
    /// So many bytes are to come.
    Length(u64),
    /// Chunks.
    Chunked(Chunk),
    /// By the connection's end.
    UntilClose,
}

/// Where in its chunks an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk {
    /// Before a chunk's size.
    Size,
    /// Within its bytes; so many are to come.
    Data(u64),
    /// Behind them, before the end of the line.
    DataEnd,
    /// Behind the last chunk, with so many bytes of trailers, which are dropped.
    Trailers(usize),
}

/// What can be told by what has been read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A part of the body.
    Part(Bytes),
    /// It has ended.
    End,
    /// Nothing, before more is read.
    More,
}

impl Framing {
    /// Takes what comes next out of what has been `read`.
    ///
    /// # Errors
    /// What is wrong with it, if nothing that follows could be understood.
    pub(super) fn next(&mut self, read: &mut BytesMut) -> Result<Next, &'static str> {
        let next = match self {
            Framing::Ended => Next::End,
            Framing::UntilClose => part(read, &mut { u64::MAX }),
            Framing::Length(left) => {
                let next = part(read, left);
                if *left == 0 {
                    *self = Framing::Ended;
                }
                next
            }
            Framing::Chunked(chunk) => chunk.next(read)?,
        };
        if next == Next::End {
            *self = Framing::Ended;
        }
        Ok(next)
    }

    /// How much is to come.
    pub(super) fn size_hint(&self) -> SizeHint {
        match self {
            Framing::Ended => SizeHint::with_exact(0),
            Framing::Length(left) => SizeHint::with_exact(*left),
            Framing::Chunked(_) | Framing::UntilClose => SizeHint::default(),
        }
    }
}

impl Chunk {
    fn next(&mut self, read: &mut BytesMut) -> Result<Next, &'static str> {
        loop {
            match self {
                // An empty line is no size, though the parser takes it for 0.
                Chunk::Size if read.first().is_some_and(|first| !first.is_ascii_hexdigit()) => {
                    return Err("a chunk has no size");
                }
                Chunk::Size => match httparse::parse_chunk_size(read) {
                    Ok(Status::Complete((line, size))) => {
                        read.advance(line);
                        *self = if size == 0 { Chunk::Trailers(0) } else { Chunk::Data(size) };
                    }
                    Ok(Status::Partial) if read.len() <= LONGEST_LINE => return Ok(Next::More),
                    Ok(Status::Partial) | Err(_) => return Err("the size of a chunk cannot be read"),
                },
                Chunk::Data(left) => {
                    let next = part(read, left);
                    if *left == 0 {
                        *self = Chunk::DataEnd;
                    }
                    return Ok(next);
                }
                Chunk::DataEnd => match read.get(..2) {
                    Some(b"\r\n") => {
                        read.advance(2);
                        *self = Chunk::Size;
                    }
                    Some(_) => return Err("a chunk is longer than its size"),
                    None => return Ok(Next::More),
                },
                Chunk::Trailers(seen) => {
                    let end = read.iter().position(|byte| *byte == b'\n').map(|end| end + 1);
                    *seen += end.unwrap_or(0);
                    if *seen + end.map_or(read.len(), |_| 0) > LONGEST_LINE {
                        return Err("its trailers are too long");
                    }
                    let Some(end) = end else { return Ok(Next::More) };
                    let is_last = matches!(&read[..end], b"\n" | b"\r\n");
                    if !is_last && !read[..end].iter().skip(1).any(|byte| *byte == b':') {
                        // The head of an answer that was sent too early, for one.
                        return Err("a trailer is none");
                    }
                    read.advance(end);
                    if is_last {
                        return Ok(Next::End);
                    }
                }
            }
        }
    }
}

/// What there is of `left` bytes, which become fewer.
fn part(read: &mut BytesMut, left: &mut u64) -> Next {
    let length = usize::try_from(*left).map_or(read.len(), |left| left.min(read.len()));
    if length == 0 {
        return Next::More;
    }
    *left -= length as u64;
    Next::Part(read.split_to(length).freeze())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The body of what comes in these pieces, whether it has ended, and what was not taken.
    fn taken(mut framing: Framing, pieces: &[&[u8]]) -> Result<(Vec<u8>, bool, Vec<u8>), &'static str> {
        let (mut read, mut body) = (BytesMut::new(), Vec::new());
        for piece in pieces {
            read.extend_from_slice(piece);
            while let Next::Part(part) = framing.next(&mut read)? {
                body.extend_from_slice(&part);
            }
        }
        Ok((body, framing == Framing::Ended, read.to_vec()))
    }

    #[test]
    fn a_body_ends_where_its_length_says() {
        let taken = |length, pieces: &[&[u8]]| taken(Framing::Length(length), pieces).unwrap();
        assert_eq!(taken(5, &[b"he", b"llo"]), (b"hello".to_vec(), true, vec![]));
        assert_eq!(taken(5, &[b"hello, you"]), (b"hello".to_vec(), true, b", you".to_vec()));
        assert_eq!(taken(5, &[b"hell"]), (b"hell".to_vec(), false, vec![]));
        assert_eq!(taken(u64::MAX, &[b"hell"]), (b"hell".to_vec(), false, vec![]));
    }

    #[test]
    fn chunks_are_read_as_the_rfc_writes_them() {
        let taken = |text: &[u8]| taken(Framing::Chunked(Chunk::Size), &[text]);
        let hello = |rest: &[u8]| Ok((b"hello".to_vec(), true, rest.to_vec()));
        assert_eq!(taken(b"5\r\nhello\r\n0\r\n\r\n"), hello(b""));
        assert_eq!(
            taken(b"2;name=\"value\"\r\nhe\r\n03\r\nllo\r\n000\r\nX-T: 1\r\nX-U: 2\r\n\r\nmore"),
            hello(b"more")
        );
        assert_eq!(taken(b"0\r\n\r\n"), Ok((vec![], true, vec![])));
        assert_eq!(taken(b"5\r\nhello\r\n0\r\n"), Ok((b"hello".to_vec(), false, vec![])));
        let long = [b"0\r\n".to_vec(), b"x: y\r\n".repeat(LONGEST_LINE)].concat();
        let broken: [&[u8]; 10] = [
            b"5\r\nhello!\r\n0\r\n\r\n",
            b"0x5\r\nhello\r\n",
            b"-5\r\nhello\r\n",
            b"+5\r\nhello\r\n",
            b" 5\r\nhello\r\n",
            b"\r\nhello\r\n",
            b"5\nhello\r\n",
            b"11111111111111111\r\nhello",
            b"0\r\nHTTP/1.1 200 OK\r\n\r\n",
            &long,
        ];
        for text in broken {
            assert!(taken(text).is_err(), "{:?}", String::from_utf8_lossy(&text[..text.len().min(40)]));
        }
        assert!(taken(&[b"5;".to_vec(), vec![b'x'; LONGEST_LINE]].concat()).is_err());
    }

    proptest! {
        #[test]
        fn chunks_mean_the_same_however_they_arrive(
            body in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 0..6),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let mut text = Vec::new();
            for chunk in &body {
                text.extend(format!("{:X}\r\n", chunk.len()).bytes());
                text.extend([&chunk[..], b"\r\n"].concat());
            }
            text.extend(b"0\r\n\r\n");
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len())).collect();
            cuts.sort_unstable();
            let starts = std::iter::once(0).chain(cuts.iter().copied());
            let ends = cuts.iter().copied().chain([text.len()]);
            let pieces: Vec<&[u8]> = starts.zip(ends).map(|(start, end)| &text[start..end]).collect();
            prop_assert_eq!(taken(Framing::Chunked(Chunk::Size), &pieces), Ok((body.concat(), true, vec![])));
        }

        #[test]
        fn no_bytes_bring_it_down(bytes in prop::collection::vec(any::<u8>(), 0..60), text in "[0-9a-f;:\r\n ]{0,40}") {
            let _ = taken(Framing::Chunked(Chunk::Size), &[&bytes]);
            let _ = taken(Framing::Chunked(Chunk::Size), &[text.as_bytes()]);
        }
    }
}
