//! What follows the options in the help of `mailwarden user` and its commands.

pub(super) const EXAMPLES: &str = "\
The file is auth.users_file of the configuration unless --file names one. The
password is asked for, or read with --stdin; it is never an argument. The daemon
takes a change up by itself, within two seconds.

Examples:
  mailwarden user add anna
  mailwarden user list --file /etc/nginx/.htpasswd

Exit codes: 0 done; 1 it could not be done, or a wrong password; 2 wrong usage;
78 the configuration is wrong, and no --file was given";

pub(super) const ADD: &str = "\
A new file gets argon2id. A file that nginx or Apache can read gets bcrypt, so
that they still can. --cost is passes over 19 MiB for argon2id (2 to 16, usually
2), 8 to 15 for bcrypt (10), rounds for sha512-crypt (50000 to 1000000, usually
100000); auto takes 100 ms on this machine, and never less than the usual.

Examples:
  mailwarden user add anna
  pwgen -s 20 1 | mailwarden user add ci-bot --stdin --cost auto

Exit codes: 0 done, 1 there is such a user or it could not be written,
2 wrong usage, 78 bad configuration";

pub(super) const PASSWD: &str = "\
The format is that of the old password if that is no weaker than a new one, else
the same as for user add. --cost is as there.

Examples:
  mailwarden user passwd anna
  mailwarden user passwd anna --hash bcrypt --cost 12

Exit codes: 0 done, 1 there is no such user or it could not be written,
2 wrong usage, 78 bad configuration";

pub(super) const REMOVE: &str = "\
Every line for that name goes, so that no later one comes alive.

Example:
  mailwarden user remove anna

Exit codes: 0 done, 1 there is no such user or it could not be written,
2 wrong usage, 78 bad configuration";

pub(super) const VERIFY: &str = "\
Example:
  mailwarden user verify anna && echo right

Exit codes: 0 right, 1 wrong name or password, or the file cannot be read,
2 wrong usage, 78 bad configuration";
