//! What follows the options in the help of `mailwarden cert` and its commands.

pub(super) const EXAMPLES: &str = "\
For a development server that no public authority gives a certificate to.
Whoever opens its pages trusts the local authority once; that may sign for its
own names only.

Examples:
  mailwarden cert new mail.dev.example 192.0.2.7
  mailwarden cert renew

Exit codes: 0 done, 1 it could not be done, 2 wrong usage";

pub(super) const NEW: &str = "\
It prints the files, what to write into the configuration, and how to trust the
authority on each system. Nothing is ever overwritten. An authority signs only
for what it was made for: the NAMEs, what --allow adds, and the machine itself.

Examples:
  mailwarden cert new mail.dev.example 192.0.2.7 2001:db8::7
  mailwarden cert new '*.dev.example' --allow dev.example,10.0.0.0/8
  mailwarden cert new localhost --dir ./tls --days 30
  sudo mailwarden cert new mail.test --dir ./mailwarden/tls --group 65532

Exit codes: 0 done, 1 it is there already or could not be made, 2 wrong usage";

pub(super) const RENEW: &str = "\
Names and key stay, so that one file is replaced and the daemon takes it up by
itself; nobody has to trust anything anew. Without a NAME all are renewed: it
can run from cron.

Examples:
  mailwarden cert renew
  mailwarden cert renew mail.dev.example --days 90

Exit codes: 0 done, 1 there is none or it could not be renewed, 2 wrong usage";

pub(super) const SHOW: &str = "\
Examples:
  mailwarden cert show --dir ./tls
  mailwarden cert show --format json | jq '.certificates[].not_after'

Exit codes: 0 printed, 1 there is none or it cannot be read, 2 wrong usage";
