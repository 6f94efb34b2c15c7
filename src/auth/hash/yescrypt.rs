//! yescrypt, `$y$j9T$SALT$CHECKSUM`: what Debian's `mkpasswd` writes unless it is told otherwise.

use std::hint::black_box;

use ::yescrypt::{Mode, Params, yescrypt};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{CouldNotTell, HashError, Scheme, crypt64};

/// Blocks of 128 bytes: 256 MiB, as for argon2, which take half a second or a little more. The time grows with the
/// memory, since the parameter that would raise it alone is not read.
const MAX_BLOCKS: u64 = 2 * 1024 * 1024;
/// What that memory allows with r = 8, the smallest r that `crypt` writes. Below it a block takes longer.
const MAX_N: u64 = MAX_BLOCKS / 8;
/// In bytes: the reference implementation's limit.
const MAX_SALT: usize = 64;
const DIGEST: usize = 32;
const CHECKSUM: usize = 43;

/// A parsed hash.
pub(super) struct Yescrypt {
    params: Params,
    /// In KiB.
    memory: u32,
    salt: Box<[u8]>,
    checksum: [u8; CHECKSUM],
}

const fn damaged(fault: &'static str) -> HashError {
    HashError::Damaged { format: "yescrypt", fault }
}

impl Yescrypt {
    /// Reads what follows `$y$`. The whole checksum has to be there: the crate's own reading of this text compares as
    /// much of it as it finds, and one letter of it would do.
    pub(super) fn parse(rest: &[u8]) -> Result<Self, HashError> {
        let fields: Vec<&[u8]> = rest.split(|&byte| byte == b'$').collect();
        let [params, salt, checksum] = fields[..] else {
            return Err(damaged("it has to have parameters, a salt and a checksum"));
        };
        let (params, memory) = params_of(params)?;
        let salt = crypt64::decode(salt).filter(|salt| salt.len() <= MAX_SALT);
        let salt = salt.ok_or(damaged("the salt has to be up to 64 bytes in crypt's base 64"))?;
        let Ok(checksum) = <[u8; CHECKSUM]>::try_from(checksum) else {
            return Err(damaged("the checksum has to have 43 characters"));
        };
        if !crypt64::is_number(&checksum, 4) {
            return Err(damaged("the checksum has a character that no checksum has"));
        }
        Ok(Self { params, memory, salt: salt.into(), checksum })
    }

    /// Allocates the hash's memory for the time of the call; without it the answer is "could not tell".
    pub(super) fn verify(&self, password: &[u8]) -> Result<bool, CouldNotTell> {
        // The crate's own allocation would end the process if it failed, so it is tried first.
        let mut trial: Vec<u8> = Vec::new();
        trial.try_reserve_exact(self.memory as usize * 1024).map_err(|_| CouldNotTell)?;
        drop(black_box(trial));

        let mut digest = Zeroizing::new([0; DIGEST]);
        yescrypt(password, &self.salt, &self.params, &mut digest[..]).map_err(|_| CouldNotTell)?;
        let mut text = Zeroizing::new([0; CHECKSUM]);
        crypt64::encode(&digest[..], &mut text[..]);
        Ok(text.ct_eq(&self.checksum).into())
    }

    pub(super) fn scheme(&self) -> Scheme {
        Scheme::Yescrypt { memory: self.memory }
    }
}

/// Reads the flavour and two numbers, the logarithm of N and r, each a digit, and holds them to the cap. The numbers go
/// on in more digits, and more of them may follow (lanes, time, upgrades, a ROM): no `crypt` writes those.
fn params_of(text: &[u8]) -> Result<(Params, u32), HashError> {
    /// Above it a number has more digits than one.
    const ONE_DIGIT: u32 = 47;
    const OTHER: HashError = HashError::Unsupported("yescrypt with other parameters than j, N and r");
    let [b'j', log_n, r] = *text else {
        return Err(match crypt64::is_number(text, 6) && text.len() > 2 {
            true => OTHER,
            false => damaged("the parameters have to be j and two numbers"),
        });
    };
    let (Some(log_n), Some(r)) = (crypt64::value(log_n), crypt64::value(r)) else {
        return Err(damaged("the parameters have to be j and two numbers"));
    };
    if log_n > ONE_DIGIT || r > ONE_DIGIT {
        return Err(OTHER);
    }
    if log_n == 0 {
        return Err(damaged("N has to be 4 at least"));
    }
    let (n, r) = (2u64 << log_n, r + 1);
    let blocks = n * u64::from(r);
    if n > MAX_N {
        return Err(HashError::TooCostly { format: "yescrypt", limit: "N may be 262144 at most" });
    }
    if blocks > MAX_BLOCKS {
        let limit = "its memory, 128 times N times r, may be 256 MiB at most";
        return Err(HashError::TooCostly { format: "yescrypt", limit });
    }
    let params = Params::new(Mode::Rw, n, r, 1).map_err(|_| damaged("these parameters are not possible"))?;
    // Eight blocks are a KiB; what is less counts as one.
    Ok((params, u32::try_from(blocks.div_ceil(8)).unwrap_or(u32::MAX)))
}
