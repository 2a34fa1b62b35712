//! `splitdeck overrides import`: many ids into a variant, looked at before they are.

use std::io::{BufRead as _, ErrorKind, IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use futures_util::Stream;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::io::AsyncReadExt as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::api::banners::group;
use crate::api::imports::{ApplyChunks, CHUNK_IDS, Import, ImportState, StartImport};
use crate::client::{Client, ClientError, Owner};
use crate::cockpit::format::steers;
use crate::domain::{Key, OverrideSubject};

use super::CliError;
use super::output::{Table, plain, print, print_json};
use super::overrides::owner;
use super::remote::{Remote, Session};

/// How much of a file is read at once.
const PIECE: usize = 64 << 10;

/// The most refused lines that are shown.
const SHOWN: usize = 10;

/// Arguments of `splitdeck overrides import`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The list is text: ids, one a line or with commas between them; blanks and double quotes around ids do not count.
Nothing is in force before the difference was shown and confirmed. The ids are applied in chunks of 10,000;
Ctrl-C stops after the chunk that is under way, and --resume goes on.")]
pub struct Args {
    /// Key or UUID of the experiment, or with --flag of the flag
    key: String,
    /// File with the ids, `-` for standard input
    #[arg(value_name = "FILE", required_unless_present_any = ["resume", "undo"])]
    file: Option<PathBuf>,
    /// The variant that the ids are forced into
    #[arg(long, value_name = "VARIANT", required_unless_present_any = ["resume", "undo"])]
    variant: Option<Key>,
    /// What kind of ids these are
    #[arg(long, value_enum, default_value_t = Subject::User, value_name = "KIND")]
    subject: Subject,
    /// Show the difference and apply nothing
    #[arg(long)]
    dry_run: bool,
    /// Apply without asking
    #[arg(long, short = 'y', conflicts_with = "dry_run")]
    yes: bool,
    /// Sending the same list again under the same name is the same import
    #[arg(long, value_name = "NAME")]
    idempotency_key: Option<String>,
    /// Apply what is left of an import
    #[arg(long, value_name = "IMPORT", conflicts_with_all = ["file", "variant", "undo", "idempotency_key"])]
    resume: Option<String>,
    /// Take back what is in force of an import
    #[arg(long, value_name = "IMPORT", conflicts_with_all = ["file", "variant", "dry_run", "idempotency_key"])]
    undo: Option<String>,
}

/// The kinds of ids.
#[derive(Debug, Clone, Copy, Eq, PartialEq, clap::ValueEnum)]
enum Subject {
    /// User ids
    User,
    /// Device ids
    Device,
}

impl From<Subject> for OverrideSubject {
    fn from(subject: Subject) -> Self {
        match subject {
            Subject::User => Self::User,
            Subject::Device => Self::Device,
        }
    }
}

/// Runs `splitdeck overrides import`.
///
/// # Errors
/// See [`CliError`].
pub fn run(args: &Args, flag: bool, remote: &Remote, session: &Session, json: bool) -> Result<(), CliError> {
    let from_stdin = args.file.as_deref().is_some_and(is_stdin);
    if !args.yes && !args.dry_run {
        if json {
            return Err(usage(
                "--json does not ask: say --yes to apply, or --dry-run to see the difference",
            ));
        }
        if from_stdin {
            return Err(usage(
                "the list comes from standard input, so nobody can be asked: say --yes, --dry-run, or name a file",
            ));
        }
    }
    remote.run(session, async |client| {
        // How far it is stands there as a bar.
        let client = client.unremarked();
        let to = To { client, flag, args };
        let done = match (&args.resume, &args.undo) {
            (Some(import), _) => {
                let import = to.client.import(to.owner(), import).await?;
                go_on(&to, import, Way::Apply, json).await?
            }
            (None, Some(import)) => {
                let import = to.client.import(to.owner(), import).await?;
                go_on(&to, import, Way::Undo, json).await?
            }
            (None, None) => {
                let import = upload(&to).await?;
                go_on(&to, import, Way::Apply, json).await?
            }
        };
        if json { print_json(&done) } else { Ok(()) }
    })
}

/// Where an import goes, and how.
struct To<'a> {
    client: Client,
    /// Whether the key is that of a flag.
    flag: bool,
    args: &'a Args,
}

impl To<'_> {
    fn owner(&self) -> Owner<'_> {
        owner(self.flag, &self.args.key)
    }
}

fn usage(text: &str) -> CliError {
    CliError::Usage(text.to_owned())
}

fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == "-"
}

/// Which way chunks go.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
enum Way {
    Apply,
    Undo,
}

/// Sends the list.
async fn upload(to: &To<'_>) -> Result<Import, CliError> {
    let args = to.args;
    let (Some(file), Some(variant)) = (&args.file, &args.variant) else {
        return Err(usage("name a file with the ids, and --variant"));
    };
    let unreadable = |error| CliError::Failed(format!("cannot read ids from {}: {error}", file.display()));
    let (open, size) = if is_stdin(file) {
        let stdin = std::io::stdin()
            .as_fd()
            .try_clone_to_owned()
            .map_err(unreadable)?;
        (tokio::fs::File::from_std(stdin.into()), None)
    } else {
        let open = tokio::fs::File::open(file).await.map_err(unreadable)?;
        let of_file = open.metadata().await.map_err(unreadable)?;
        if of_file.is_dir() {
            return Err(unreadable(ErrorKind::IsADirectory.into()));
        }
        (open, Some(of_file.len()))
    };
    let query = StartImport {
        variant: variant.clone(),
        subject_type: args.subject.into(),
        source_name: file.file_name().map(|name| {
            let name: String = name
                .to_string_lossy()
                .chars()
                .filter(|c| !steers(*c))
                .take(200)
                .collect();
            if is_stdin(file) {
                "standard input".to_owned()
            } else {
                name
            }
        }),
    };
    let bar = match size {
        Some(size) => bar(size, "sending {wide_bar} {bytes}/{total_bytes} {bytes_per_sec}"),
        None => bar(0, "sending {bytes} {bytes_per_sec}"),
    };
    let key = args.idempotency_key.as_deref();
    let staged = to
        .client
        .start_import(to.owner(), &query, key, pieces(open, bar.clone()))
        .await;
    bar.finish_and_clear();
    Ok(staged?)
}

/// A file in pieces.
fn pieces(file: tokio::fs::File, bar: ProgressBar) -> impl Stream<Item = std::io::Result<Vec<u8>>> + Send {
    futures_util::stream::try_unfold((file, bar), |(mut file, bar)| async move {
        let mut piece = vec![0; PIECE];
        let length = file.read(&mut piece).await?;
        piece.truncate(length);
        bar.inc(length as u64);
        Ok((length > 0).then_some((piece, (file, bar))))
    })
}

/// A bar on standard error, if that is a terminal.
fn bar(length: u64, template: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    // The templates are constants and valid; the default style is what is left if one were not.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style)
}

/// Shows what an import does, asks, and does it.
async fn go_on(to: &To<'_>, import: Import, way: Way, json: bool) -> Result<Import, CliError> {
    let args = to.args;
    if !json {
        print(&text(&import, way))?;
    }
    let (done, question) = match way {
        Way::Apply => (import.state == ImportState::Applied, "Apply?"),
        Way::Undo => (import.state == ImportState::Undone, "Take them back?"),
    };
    if done || args.dry_run {
        return Ok(import);
    }
    if !args.yes && !is_confirmed(question)? {
        return Err(CliError::Failed(format!(
            "nothing was done; {}",
            how_to_go_on(to, &import, way)
        )));
    }
    let import = chunk_by_chunk(to, import, way).await?;
    if !json {
        print(&done_text(&import, way))?;
    }
    Ok(import)
}

fn is_confirmed(question: &str) -> Result<bool, CliError> {
    let mut err = std::io::stderr().lock();
    // Who closed standard error does not want to be asked in words.
    let _ = write!(err, "{question} [y/N] ").and_then(|()| err.flush());
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| CliError::Failed(format!("cannot read an answer: {error}")))?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// One chunk a request, so that it can be stopped between them.
async fn chunk_by_chunk(to: &To<'_>, mut import: Import, way: Way) -> Result<Import, CliError> {
    let ids = |import: &Import| (u64::from(import.applied_chunks) * CHUNK_IDS as u64).min(import.unique);
    let bar = match way {
        Way::Apply => bar(
            import.unique,
            "applying {wide_bar} {human_pos}/{human_len} {per_sec} {eta} left",
        ),
        Way::Undo => bar(
            ids(&import),
            "undoing {wide_bar} {human_pos}/{human_len} {per_sec} {eta} left",
        ),
    };
    let in_force = ids(&import);
    let position = |import: &Import| match way {
        Way::Apply => ids(import),
        Way::Undo => in_force.saturating_sub(ids(import)),
    };
    bar.set_position(position(&import));
    // The rate is that of this run.
    bar.reset_eta();
    let mut interrupts = interrupts()?;
    let mut is_stopping = false;
    loop {
        let one = ApplyChunks { chunks: Some(1) };
        let id = import.id.to_string();
        let call = async {
            match way {
                Way::Apply => to.client.apply_import(to.owner(), &id, one).await,
                Way::Undo => to.client.undo_import(to.owner(), &id, one).await,
            }
        };
        let mut call = std::pin::pin!(call);
        let answer = loop {
            tokio::select! {
                answer = &mut call => break answer,
                _ = interrupts.recv() => {
                    if is_stopping {
                        bar.abandon();
                        return Err(stopped(to, &import, way, "the chunk under way may still land"));
                    }
                    is_stopping = true;
                    bar.set_message("stopping");
                }
            }
        };
        import = answer.map_err(|error| failed(to, &import, way, &error))?;
        bar.set_position(position(&import));
        match (way, import.state) {
            (Way::Apply, ImportState::Applied) | (Way::Undo, ImportState::Undone) => break,
            _ if is_stopping => {
                bar.abandon();
                return Err(stopped(to, &import, way, "stopped"));
            }
            _ => {}
        }
    }
    bar.finish_and_clear();
    Ok(import)
}

fn interrupts() -> Result<Signal, CliError> {
    signal(SignalKind::interrupt())
        .map_err(|error| CliError::Failed(format!("cannot listen to Ctrl-C: {error}")))
}

/// What is in force, to the id.
fn landed(import: &Import) -> String {
    let effect = &import.effect;
    format!(
        "{} of {} chunks are in force: {} added, {} changed, {} as they were",
        import.applied_chunks,
        import.chunks,
        group(effect.added),
        group(effect.changed),
        group(effect.unchanged)
    )
}

fn how_to_go_on(to: &To<'_>, import: &Import, way: Way) -> String {
    let (key, id) = (plain(&to.args.key), import.id);
    let key = if to.flag {
        format!("--flag {key}")
    } else {
        key.to_string()
    };
    let (resume, undo) = (
        format!("`splitdeck overrides import {key} --resume {id}`"),
        format!("`splitdeck overrides import {key} --undo {id}`"),
    );
    match (way, import.applied_chunks) {
        (Way::Apply, 0) => format!("{resume} applies it"),
        (Way::Apply, _) => format!("{resume} goes on, {undo} takes it back"),
        (Way::Undo, _) => format!("{undo} goes on"),
    }
}

fn stopped(to: &To<'_>, import: &Import, way: Way, how: &str) -> CliError {
    CliError::Failed(format!(
        "{how}; {}; {}",
        landed(import),
        how_to_go_on(to, import, way)
    ))
}

fn failed(to: &To<'_>, import: &Import, way: Way, error: &ClientError) -> CliError {
    let known = if error.is_unreachable() {
        // The answer is lost, the chunk may not be.
        format!("when last heard of, {}", landed(import))
    } else {
        landed(import)
    };
    CliError::Failed(format!("{error}; {known}; {}", how_to_go_on(to, import, way)))
}

fn text(import: &Import, way: Way) -> String {
    let of = import
        .source_name
        .as_ref()
        .map_or_else(String::new, |name| format!(" of {}", plain(name)));
    let ids = format!(
        "{} {} ids{of}",
        group(import.unique),
        import.subject_type.as_str()
    );
    let mut text = match way {
        Way::Apply => format!("{}: {ids} into {}\n", import.experiment, import.variant),
        Way::Undo => format!(
            "{}: {ids}, of which {} of {} chunks in {} are in force\n",
            import.experiment, import.applied_chunks, import.chunks, import.variant
        ),
    };
    let effect = &import.effect;
    let from: Vec<String> = effect
        .changed_from
        .iter()
        .map(|(variant, count)| format!("{} from {variant}", group(*count)))
        .collect();
    let mut table = Table::pairs();
    table.pair("import", &import.id.to_string());
    if way == Way::Apply {
        table.pair("received", &group(import.received));
        table.pair("unique", &group(import.unique));
        table.pair("duplicates", &group(import.duplicates));
        table.pair("malformed", &group(import.malformed));
        table.pair("first", &import.first.join(", "));
        table.pair("last", &import.last.join(", "));
    }
    table.pair("added", &group(effect.added));
    let changed = match from.as_slice() {
        [] => group(effect.changed),
        from => format!("{}: {}", group(effect.changed), from.join(", ")),
    };
    table.pair("changed", &changed);
    table.pair("unchanged", &group(effect.unchanged));
    if way == Way::Apply {
        let exposed = match (import.exposed_elsewhere, &import.exposed_unknown) {
            (Some(0), _) => "0".to_owned(),
            (Some(count), _) => format!("{}; what they did then stays counted there", group(count)),
            (None, why) => format!(
                "not known: {}",
                why.as_deref().unwrap_or("the server does not say why")
            ),
        };
        table.pair("exposed to another variant already", &exposed);
    }
    text.push_str(&table.text());
    for refused in import
        .malformed_lines
        .iter()
        .take(SHOWN)
        .filter(|_| way == Way::Apply)
    {
        text.push_str(&format!(
            "line {}: {} is refused; allowed: {}\n",
            refused.line,
            plain(&refused.given),
            refused.allowed
        ));
    }
    let more = import.malformed.saturating_sub(SHOWN as u64);
    if more > 0 && way == Way::Apply {
        text.push_str(&format!("{} more ids are refused\n", group(more)));
    }
    text
}

fn done_text(import: &Import, way: Way) -> String {
    match way {
        Way::Apply => format!("applied: {}\n", landed(import)),
        Way::Undo => format!(
            "taken back: {} have what they had before, {} were changed meanwhile and stay as they are\n",
            group(import.undone),
            group(import.kept)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_valid() {
        for template in [
            "sending {wide_bar} {bytes}/{total_bytes} {bytes_per_sec}",
            "sending {bytes} {bytes_per_sec}",
            "applying {wide_bar} {human_pos}/{human_len} {per_sec} {eta} left",
            "undoing {wide_bar} {human_pos}/{human_len} {per_sec} {eta} left",
        ] {
            ProgressStyle::with_template(template).unwrap();
        }
    }
}
