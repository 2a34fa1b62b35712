//! Files for a person, in the working directory: whole or not at all, and never over another one.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

/// A file that is being written. It has a name of its own until it is whole; dropped before, nothing of it stays.
#[derive(Debug)]
pub struct Part {
    out: BufWriter<File>,
    part: PathBuf,
    path: PathBuf,
}

impl Part {
    /// Begins a file.
    ///
    /// # Errors
    /// What failed, on which path, and what to do: the folder cannot be written, or there is such a file.
    pub fn begin(folder: &Path, name: &str) -> Result<Self, String> {
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let path = folder.join(name);
        if path.symlink_metadata().is_ok() {
            return Err(exists(&path));
        }
        sweep(&folder);
        let part = folder.join(format!(".{name}{UNFINISHED}"));
        let out = OpenOptions::new().write(true).create_new(true).open(&part);
        let out = out.map_err(|error| failed(&path, &error))?;
        // Whoever finds it locked knows that somebody still writes it; where nothing can be locked, it is not swept.
        let _ = out.try_lock();
        Ok(Self {
            out: BufWriter::new(out),
            part,
            path,
        })
    }

    /// Writes more.
    ///
    /// # Errors
    /// What failed, on which path, and what to do.
    pub fn write(&mut self, text: &str) -> Result<(), String> {
        let written = self.out.write_all(text.as_bytes());
        written.map_err(|error| failed(&self.path, &error))
    }

    /// Gives it its name; its path.
    ///
    /// # Errors
    /// What failed, on which path, and what to do.
    pub fn keep(mut self) -> Result<String, String> {
        let path = self.path.clone();
        let done = (self.out.flush()).and_then(|()| self.out.get_ref().sync_all());
        done.map_err(|error| failed(&path, &error))?;
        // Renaming goes over what is there, so that the name is taken first, by an empty file of ours.
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Err(exists(&path)),
            Err(error) => return Err(failed(&path, &error)),
        }
        if let Err(error) = std::fs::rename(&self.part, &path) {
            let _ = std::fs::remove_file(&path);
            return Err(failed(&path, &error));
        }
        Ok(path.display().to_string())
    }
}

/// How a file ends that is not whole yet.
const UNFINISHED: &str = ".splitdeck-part";

/// Takes away what a process left behind that was killed while it wrote: a lock ends with its process.
fn sweep(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let ours = name
            .to_str()
            .is_some_and(|name| name.starts_with('.') && name.ends_with(UNFINISHED));
        let file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if !ours || !file {
            continue;
        }
        let path = entry.path();
        if File::open(&path).is_ok_and(|file| file.try_lock().is_ok()) {
            // Another one may have swept it.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Renamed, or nobody can do more about it.
        let _ = std::fs::remove_file(&self.part);
    }
}

fn exists(path: &Path) -> String {
    format!(
        "{} is there already and stays as it is; try again in a second",
        path.display()
    )
}

fn failed(path: &Path, error: &std::io::Error) -> String {
    format!(
        "Cannot write {}: {error}; start the cockpit in a folder that can be written",
        path.display()
    )
}

/// Writes files, all or none; their paths.
///
/// # Errors
/// What failed, on which path, and what to do.
pub fn write_new<'a>(
    folder: &Path,
    files: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Vec<String>, String> {
    let mut parts = Vec::new();
    for (name, content) in files {
        let mut part = Part::begin(folder, name)?;
        part.write(content)?;
        parts.push(part);
    }
    keep_all(parts)
}

/// Gives all of them their names, or none.
///
/// # Errors
/// What failed, on which path, and what to do.
pub fn keep_all(parts: Vec<Part>) -> Result<Vec<String>, String> {
    let mut kept = Vec::new();
    for part in parts {
        match part.keep() {
            Ok(path) => kept.push(path),
            Err(why) => {
                for path in kept {
                    let _ = std::fs::remove_file(path);
                }
                return Err(why);
            }
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let all = std::fs::read_dir(folder).expect("a folder");
        let mut names: Vec<String> = all
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_has_its_name_once_it_is_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut part = Part::begin(folder.path(), "a.csv").expect("begins");
        part.write("x").expect("writes");
        assert_eq!(names(folder.path()), [".a.csv.splitdeck-part"]);
        let path = part.keep().expect("kept");
        assert_eq!(std::fs::read_to_string(path).expect("reads"), "x");
        assert_eq!(names(folder.path()), ["a.csv"]);
        drop(Part::begin(folder.path(), "b.csv").expect("begins"));
        assert_eq!(
            names(folder.path()),
            ["a.csv"],
            "nothing stays of one that was given up"
        );
    }

    #[test]
    fn nothing_is_written_over_and_of_several_files_all_are_there_or_none() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("b"), "theirs").expect("writes");
        let why = write_new(folder.path(), [("a", "1"), ("b", "2")]).expect_err("refused");
        assert!(why.contains("/b is there already"), "{why}");
        // It may also come to be while ours is written.
        let mut parts = Vec::new();
        for name in ["c", "d"] {
            parts.push(Part::begin(folder.path(), name).expect("begins"));
        }
        std::fs::write(folder.path().join("d"), "theirs").expect("writes");
        let why = keep_all(parts).expect_err("refused");
        assert!(why.contains("/d is there already"), "{why}");
        assert_eq!(names(folder.path()), ["b", "d"]);
        for name in ["b", "d"] {
            let text = std::fs::read_to_string(folder.path().join(name)).expect("reads");
            assert_eq!(text, "theirs");
        }
    }

    #[test]
    fn what_a_killed_process_left_is_swept_and_what_is_written_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let others = [".a.part", "b.splitdeck-part", ".c.csv"];
        for name in [&others[..], &[".dead.csv.splitdeck-part"]].concat() {
            std::fs::write(folder.path().join(name), "x").expect("writes");
        }
        let mut live = Part::begin(folder.path(), "live.csv").expect("begins");
        drop(Part::begin(folder.path(), "next.csv").expect("begins"));
        let mut left = vec![".live.csv.splitdeck-part"];
        left.extend(others);
        left.sort_unstable();
        assert_eq!(names(folder.path()), left);
        live.write("whole").expect("writes");
        let path = live.keep().expect("kept");
        assert_eq!(std::fs::read_to_string(path).expect("reads"), "whole");
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let gone = folder.path().join("gone");
        let why = write_new(&gone, [("a.csv", "1")]).expect_err("refused");
        assert!(
            why.contains("gone/a.csv") && why.contains("can be written"),
            "{why}"
        );
    }
}
