//! Mailwarden stands in front of a mail catcher and makes it safe to share.
