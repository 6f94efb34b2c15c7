//! `mailwarden user add`, `passwd` and `remove`: what is asked for, changed and told.

use super::super::out;
use super::{Failure, Name, Place, Set};
use crate::auth::users::edit::store::{self, Absent, StoreError, Stored};
use crate::auth::users::edit::{self, Change, EditError};
use crate::auth::users::shell_word;
use crate::auth::{Plaintext, Users, UsersFileError};

fn is_known(users: &Users, name: &[u8]) -> bool {
    users.get(name).is_some() || users.refused(name).is_some()
}

/// Adds a user.
pub(super) fn add(place: &Place, set: &Set) -> Result<String, Failure> {
    let (name, shown) = set.name.checked()?;
    store::look_at_links(&place.path).map_err(Failure::problem)?;
    let users = match Users::load(&place.path, Plaintext::Accepted) {
        Err(UsersFileError::Missing(_)) => {
            store::look_for_folder(&place.path).map_err(Failure::problem)?;
            Users::default()
        }
        users => users?,
    };
    let exists = || {
        let hint = format!("mailwarden user passwd {}{}", shell_word(shown.as_ref()), place.flag);
        Failure::problem(format!("{shown} is in {} already; to change the password: {hint}", place.path.display()))
    };
    // Before anybody types a password in vain. What counts is what the file says under the lock.
    if is_known(&users, name) {
        return Err(exists());
    }
    let recipe = set.how.recipe(&users, name, &place.path)?;
    let hash = recipe.make(&set.password.new_one(&shown, recipe)?)?;
    let stored = store::update(&place.path, Absent::Make, |file| edit::edit(file, name, Change::Add(&hash)));
    let stored = stored.map_err(|error| match error {
        StoreError::Edit(EditError::Exists { .. }) => exists(),
        error => Failure::problem(error),
    })?;
    tell_manner(place, &stored);
    Ok(format!("added {shown} to {}: {}\n", place.path.display(), recipe.scheme()))
}

/// Gives a user another password.
pub(super) fn passwd(place: &Place, set: &Set) -> Result<String, Failure> {
    let (name, shown) = set.name.checked()?;
    store::look_at_links(&place.path).map_err(Failure::problem)?;
    let users = Users::load(&place.path, Plaintext::Accepted)?;
    let missing = || no_such_user(place, &shown, "; to add one: mailwarden user add");
    if !is_known(&users, name) {
        return Err(missing());
    }
    let recipe = set.how.recipe(&users, name, &place.path)?;
    let hash = recipe.make(&set.password.new_one(&shown, recipe)?)?;
    let stored = store::update(&place.path, Absent::Refuse, |file| edit::edit(file, name, Change::Rehash(&hash)));
    let stored = stored.map_err(|error| match error {
        StoreError::Edit(EditError::NoSuchUser) => missing(),
        error => Failure::problem(error),
    })?;
    tell_manner(place, &stored);
    if let ([first], [_, ..]) = (stored.edited.lines.as_slice(), stored.edited.left.as_slice()) {
        let left = lines(&stored.edited.left);
        out::error(&format!(
            "warning: {left} for {shown} too, and left as it was: line {first} comes first and decides\n"
        ));
    }
    Ok(format!("changed the password of {shown} in {}: {}\n", place.path.display(), recipe.scheme()))
}

/// Removes a user.
pub(super) fn remove(place: &Place, name: &Name) -> Result<String, Failure> {
    let (name, shown) = name.checked()?;
    store::look_at_links(&place.path).map_err(Failure::problem)?;
    let stored = store::update(&place.path, Absent::Refuse, |file| edit::edit(file, name, Change::Remove));
    let stored = stored.map_err(|error| match error {
        StoreError::Edit(EditError::NoSuchUser) => no_such_user(place, &shown, ""),
        error => Failure::problem(error),
    })?;
    tell_manner(place, &stored);
    let several = match stored.edited.lines.as_slice() {
        [_] => String::new(),
        all => format!(", {} lines", all.len()),
    };
    Ok(format!("removed {shown} from {}{several}\n", place.path.display()))
}

fn no_such_user(place: &Place, shown: &str, hint: &str) -> Failure {
    let hint =
        if hint.is_empty() { String::new() } else { format!("{hint} {}{}", shell_word(shown.as_ref()), place.flag) };
    Failure::problem(format!("{shown} is not in {}{hint}", place.path.display()))
}

/// What is unusual about the manner in which a change came to the disk.
fn tell_manner(place: &Place, stored: &Stored) {
    let file = place.path.display();
    if let Some(made) = &stored.made {
        out::error(&format!("made {file}, {made}: the daemon's user has to be able to read it\n"));
    }
    if let Some(why) = &stored.in_place {
        out::error(&format!("warning: {file} was written in place, not replaced: {why}\n"));
    }
    if stored.unlocked {
        out::error(&format!("warning: {file} could not be locked: change it by one command at a time\n"));
    }
}

fn lines(numbers: &[usize]) -> String {
    let list = numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match numbers {
        [_] => format!("line {list} is"),
        _ => format!("lines {list} are"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_in_words() {
        assert_eq!(lines(&[7]), "line 7 is");
        assert_eq!(lines(&[5, 7]), "lines 5, 7 are");
    }
}
