//! Carries requests out, each in a task of its own that can be cancelled.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{self, Stream};
use jiff::Timestamp;
use tokio::io::AsyncReadExt as _;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use uuid::Uuid;

use super::export::Step;
use super::files;
use super::intake::{self, Intakes};
use super::look::Files;
use super::reader::{Reader, counting_failure};
use crate::api::experiments::HistoryQuery;
use crate::api::imports::{Import, StartImport};
use crate::api::problem::Code;
use crate::client::{Client, ClientError, Options, Owner};
use crate::cockpit::Action;
use crate::cockpit::change::{Change, Changed};
use crate::cockpit::edit::Of;
use crate::cockpit::effect::File;
use crate::cockpit::export;
use crate::cockpit::intake::Order;
use crate::cockpit::ports::{Answer, Failure, FailureKind, ImportStep, Reply, Request, RunId, Service, Slot};
use crate::config::{Access, AccessError, Config, Flags};

/// How long the server may take before it counts as lost.
const API_LIMIT: Duration = Duration::from_secs(10);
/// How long a change may take: longer than the server gives itself, which answers then that it gave up. A change that
/// is given up on before may be made all the same.
const WRITE_LIMIT: Duration = Duration::from_secs(40);
/// How long a step of a bulk import may take.
const IMPORT_LIMIT: Duration = Duration::from_secs(630);
/// How much of a bulk import is read at once while it is sent.
const UPLOAD_PIECE: usize = 256 << 10;
/// How long ClickHouse may take: longer than the limit of its queries, whose own error says more.
const WAREHOUSE_LIMIT: Duration = Duration::from_secs(35);

/// What a task sends back.
#[derive(Debug)]
pub enum Outcome {
    /// What came of it.
    Done(Box<Action>),
    /// How another server is spoken to, or why that is not known.
    Access(Box<Result<Access, String>>),
    /// The task panicked.
    Crashed,
}

/// A thread of the cockpit. When it panics, the terminal was given back and the cockpit ends: it would go on without
/// a screen otherwise.
pub fn thread(
    replies: mpsc::UnboundedSender<Outcome>,
    work: impl FnOnce() + Send + 'static,
) -> std::thread::JoinHandle<()> {
    struct Watch(mpsc::UnboundedSender<Outcome>);
    impl Drop for Watch {
        fn drop(&mut self) {
            if std::thread::panicking() {
                // The loop is gone when nobody listens.
                let _ = self.0.send(Outcome::Crashed);
            }
        }
    }
    std::thread::spawn(move || {
        let _watch = Watch(replies);
        work();
    })
}

/// Runs requests.
pub struct Runner {
    client: Client,
    /// The client that is in force, for what asks page by page.
    clients: watch::Sender<Client>,
    reader: Reader,
    replies: mpsc::UnboundedSender<Outcome>,
    running: HashMap<Slot, AbortHandle>,
    allow_plain_http: bool,
    intakes: Intakes,
    exporting: Option<(export::ExportId, AbortHandle)>,
}

impl Runner {
    /// Prepares connections; nothing is sent yet.
    ///
    /// # Errors
    /// When the server's address cannot be used.
    pub fn new(
        access: &Access,
        allow_plain_http: bool,
        replies: mpsc::UnboundedSender<Outcome>,
    ) -> Result<Self, ClientError> {
        let allow_plain_http = allow_plain_http || access.allow_plain_http;
        let client = client_of(access, allow_plain_http)?;
        let reader = Reader::new(client.clone(), allow_plain_http);
        Ok(Self {
            clients: watch::Sender::new(client.clone()),
            client,
            reader,
            intakes: Intakes::new(replies.clone()),
            replies,
            running: HashMap::new(),
            allow_plain_http,
            exporting: None,
        })
    }

    /// From now on the same server is asked with these credentials. What is read is dropped; what is written, taken in
    /// and exported goes on: ids that come in pieces are one list, and an export asks for its next page with these as
    /// soon as it is told which project is meant.
    ///
    /// # Errors
    /// As [`Self::new`]; everything stays as it was then.
    pub fn renew(&mut self, access: &Access, allow_plain_http: bool) -> Result<(), ClientError> {
        let allow_plain_http = allow_plain_http || access.allow_plain_http;
        self.client = client_of(access, allow_plain_http)?;
        self.reader = Reader::new(self.client.clone(), allow_plain_http);
        self.allow_plain_http = allow_plain_http;
        self.cancel_reads();
        Ok(())
    }

    /// From now on this project is meant.
    ///
    /// # Errors
    /// When the key cannot be sent.
    pub fn turn_to(&mut self, project: &str) -> Result<(), ClientError> {
        self.client = self.client.clone().in_project(Some(project))?;
        self.clients.send_replace(self.client.clone());
        // What was counted of another project is of no use.
        self.reader = Reader::new(self.client.clone(), self.allow_plain_http);
        Ok(())
    }

    /// Takes ids in.
    pub fn intake(&mut self, order: Order) {
        self.intakes.order(order);
    }

    /// Starts a request. An unfinished one of the same kind is dropped, unless it writes: such a one is
    /// carried through, whoever waits for it.
    pub fn fetch(&mut self, run: RunId, request: Request) {
        let slot = request.slot();
        self.cancel(slot);
        let writes = request.writes();
        let client = self.client.clone();
        let reader = self.reader.clone();
        let limit = match slot.service() {
            // A million ids take their time; the client has its own limit for them.
            Service::Api if slot == Slot::ImportStep => IMPORT_LIMIT,
            Service::Api if writes => WRITE_LIMIT,
            Service::Api => API_LIMIT,
            Service::Warehouse => WAREHOUSE_LIMIT,
        };
        let work = tokio::spawn(async move {
            let begun = Instant::now();
            let outcome = match tokio::time::timeout(limit, ask(&client, &reader, request)).await {
                Ok(outcome) => outcome,
                Err(_elapsed) => Err(Failure::new(
                    slot.service(),
                    FailureKind::Lost,
                    format!(
                        "no answer from {} within {} s",
                        slot.service().as_str(),
                        limit.as_secs()
                    ),
                )),
            };
            Box::new(Reply {
                run,
                slot,
                took: begun.elapsed(),
                outcome,
            })
        });
        if !writes {
            self.running.insert(slot, work.abort_handle());
        }
        let replies = self.replies.clone();
        tokio::spawn(async move {
            let outcome = match work.await {
                Ok(reply) => Outcome::Done(Box::new(Action::Reply(reply))),
                Err(error) if error.is_panic() => Outcome::Crashed,
                // Cancelled: nobody waits for it.
                Err(_) => return,
            };
            // The loop is gone when nobody listens.
            let _ = replies.send(outcome);
        });
    }

    /// Finds out how the server of a context is spoken to: a program may have to print the token.
    pub fn find(&self, files: Files, context: String) {
        self.look_up(files, move |config| {
            Access::of_context(&config, &context).map_err(|error| format!("Cannot go to {context}: {error}"))
        });
    }

    /// Reads the credentials for the server at `api`, which is that of no context, as they were found at the start.
    pub fn find_again(&self, files: Files, asked: Flags, api: String) {
        self.look_up(files, move |config| {
            let found: Result<_, AccessError> =
                Access::find(&asked, |name| std::env::var(name).ok(), || Ok(config));
            let found = found.map_err(|error| format!("Cannot read the token anew: {error}"))?;
            if found.api != api || found.context.is_some() {
                return Err(format!(
                    "The configuration means another server than {api} by now: go to a context of it, or start the \
                     cockpit anew"
                ));
            }
            Ok(found)
        });
    }

    fn look_up(&self, files: Files, find: impl FnOnce(Config) -> Result<Access, String> + Send + 'static) {
        let replies = self.replies.clone();
        tokio::task::spawn_blocking(move || {
            let found = files.usable().and_then(find);
            // The loop is gone when nobody listens.
            let _ = replies.send(Outcome::Access(Box::new(found)));
        });
    }

    /// A runner for another server, with the same ear for its answers.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn elsewhere(&self, access: &Access, allow_plain_http: bool) -> Result<Self, ClientError> {
        Self::new(access, allow_plain_http, self.replies.clone())
    }

    /// Writes new files into the working directory, off the loop: a disk may be slow.
    pub fn save(&self, files: Vec<File>) {
        let replies = self.replies.clone();
        tokio::task::spawn_blocking(move || {
            let files = files.iter().map(|file| (&*file.name, &*file.content));
            let outcome = files::write_new(Path::new("."), files);
            // The loop is gone when nobody listens.
            let _ = replies.send(Outcome::Done(Box::new(Action::Saved(outcome))));
        });
    }

    /// Writes a table that comes in pages into new files of the working directory.
    pub fn export(&mut self, order: export::Order) {
        let clients = self.clients.subscribe();
        let replies = self.replies.clone();
        let id = order.id;
        let tell = move |told| {
            // The loop is gone when nobody listens.
            let _ = replies.send(Outcome::Done(Box::new(Action::Export(told))));
        };
        let crashed = self.replies.clone();
        let work = tokio::spawn(async move {
            let step = |step| {
                tell(match step {
                    Step::Written(rows) => export::Told::Written { id, rows },
                    Step::Refused(why) => export::Told::Refused { id, why },
                });
            };
            let outcome = super::export::write(clients, &order, Path::new("."), step).await;
            tell(export::Told::Ended { id, outcome });
        });
        self.exporting = Some((id, work.abort_handle()));
        tokio::spawn(async move {
            if work.await.is_err_and(|error| error.is_panic()) {
                let _ = crashed.send(Outcome::Crashed);
            }
        });
    }

    /// Stops an export; its files are taken away.
    pub fn stop_export(&mut self, id: export::ExportId) {
        if let Some((_, work)) = self.exporting.take_if(|(running, _)| *running == id) {
            work.abort();
        }
    }

    /// Drops everything that is on its way, except what writes.
    pub fn cancel_all(&mut self) {
        self.cancel_reads();
        if let Some((_, exporting)) = self.exporting.take() {
            exporting.abort();
        }
    }

    fn cancel_reads(&mut self) {
        for (_, running) in self.running.drain() {
            running.abort();
        }
    }

    /// Drops the unfinished request of a kind.
    pub fn cancel(&mut self, slot: Slot) {
        if let Some(running) = self.running.remove(&slot) {
            running.abort();
        }
    }
}

/// The client for what is found of a server.
fn client_of(access: &Access, allow_plain_http: bool) -> Result<Client, ClientError> {
    let options = Options {
        timeout: API_LIMIT,
        write_timeout: WRITE_LIMIT,
        allow_plain_http,
        ..Options::default()
    };
    Client::new(&access.api, &access.token, options)?.in_project(access.project.as_deref())
}

async fn ask(client: &Client, reader: &Reader, request: Request) -> Result<Answer, Failure> {
    let now = Timestamp::now();
    let failed = |error: ClientError| api_failure(&error);
    let counting = |error: ClientError| counting_failure(&error);
    Ok(match request {
        Request::Me => Answer::Me(client.me().await.map_err(failed)?),
        Request::Experiments { archived } => {
            Answer::Experiments(client.experiments(archived).await.map_err(failed)?)
        }
        Request::Experiment { id_or_key } => {
            Answer::Experiment(Box::new(client.experiment(&id_or_key).await.map_err(failed)?))
        }
        Request::Overview { experiments } => Answer::Overview(reader.overview(&experiments, now).await?),
        Request::Probe { experiment } => Answer::Mark(reader.mark(&experiment).await?),
        Request::Results { experiment, query } => {
            let experiment = Arc::unwrap_or_clone(experiment);
            Answer::Results(Box::new(reader.results(&experiment, &query, now).await?))
        }
        Request::SampleRatio { id } => {
            let srm = client.sample_ratio(&id.to_string()).await.map_err(counting)?;
            Answer::SampleRatio(Box::new(srm))
        }
        Request::History { id, before } => {
            let query = HistoryQuery {
                before,
                ..HistoryQuery::default()
            };
            Answer::History(client.history(&id.to_string(), &query).await.map_err(failed)?)
        }
        Request::Overrides { id, query } => {
            Answer::Overrides(client.overrides(&id.to_string(), &query).await.map_err(failed)?)
        }
        Request::Explain { id, flag, request } => {
            let id = id.to_string();
            let explained = if flag {
                client.explain_flag(&id, &request.user).await
            } else {
                client.explain_supposing(&id, &request).await
            };
            Answer::Explain(Box::new(explained.map_err(failed)?))
        }
        Request::Update { id, change } => Answer::Experiment(Box::new(
            client
                .update_experiment(&id.to_string(), &change)
                .await
                .map_err(failed)?,
        )),
        Request::Create { experiment } => Answer::Experiment(Box::new(
            client.create_experiment(&experiment).await.map_err(failed)?,
        )),
        Request::SetOverride { id, change } => Answer::OverridesSet(
            client
                .set_overrides(&id.to_string(), &change)
                .await
                .map_err(failed)?,
        ),
        Request::RemoveOverride { id, change } => {
            client
                .delete_override(&id.to_string(), &change)
                .await
                .map_err(failed)?;
            Answer::OverrideRemoved
        }
        Request::ApplyWinner { id, change } => Answer::WinnerApplied(Box::new(
            client
                .apply_winner(&id.to_string(), &change)
                .await
                .map_err(failed)?,
        )),
        Request::Suggest { project, what } => Answer::Names(reader.names(project, &what, now).await?),
        Request::Flags => Answer::Flags(client.flags(true).await.map_err(failed)?),
        Request::Deployments => Answer::Deployments(client.deployments().await.map_err(failed)?),
        Request::Projects => Answer::Projects(client.projects().await.map_err(failed)?),
        Request::Labs => Answer::Labs(client.labs().await.map_err(failed)?),
        Request::Tokens => Answer::Tokens(client.tokens().await.map_err(failed)?),
        Request::FlagOverrides { id, query } => Answer::FlagOverrides(
            client
                .overrides(Owner::Flag(&id.to_string()), &query)
                .await
                .map_err(failed)?,
        ),
        Request::FlagHistory { id } => Answer::FlagHistory(
            client
                .flag_history(&id.to_string(), &HistoryQuery::default())
                .await
                .map_err(failed)?,
        ),
        Request::Audit { query } => Answer::Audit(client.audit(&query).await.map_err(failed)?),
        Request::Insight { id } => match client.insight(&id.to_string()).await {
            Ok(insight) => Answer::Insight(Some(Box::new(insight))),
            Err(error) if error.code() == Some(Code::NotFound) => Answer::Insight(None),
            Err(error) => return Err(api_failure(&error)),
        },
        Request::WriteInsight { id } => {
            let insight = client.write_insight(&id.to_string()).await.map_err(counting)?;
            Answer::Insight(Some(Box::new(insight)))
        }
        Request::Imports { of, id } => {
            let list = client.imports(owner(of, &id.to_string())).await.map_err(failed)?;
            Answer::Imports(of, id, list)
        }
        Request::ImportRows {
            of,
            id,
            import,
            query,
        } => Answer::ImportRows(
            client
                .import_rows(owner(of, &id.to_string()), &import.to_string(), &query)
                .await
                .map_err(failed)?,
        ),
        Request::ImportStep { of, id, step } => Answer::Import(import_step(client, of, id, *step).await?),
        Request::Change(change) => Answer::Changed(change_of(client, *change).await.map_err(failed)?),
        Request::Delete { id, version } => {
            let deleted = client.delete_experiment(&id.to_string(), version).await;
            deleted.map_err(failed)?;
            Answer::Deleted
        }
        Request::Status { id, change } => Answer::Experiment(Box::new(
            client
                .change_status(&id.to_string(), &change)
                .await
                .map_err(failed)?,
        )),
    })
}

/// Whose overrides are meant.
pub(super) fn owner(of: Of, id: &str) -> Owner<'_> {
    match of {
        Of::Experiment => Owner::Experiment(id),
        Of::Flag => Owner::Flag(id),
    }
}

async fn import_step(
    client: &Client,
    of: Of,
    id: Uuid,
    step: ImportStep,
) -> Result<Option<Box<Import>>, Failure> {
    let text = id.to_string();
    let owner = owner(of, &text);
    let failed = |error: ClientError| api_failure(&error);
    let import = match step {
        ImportStep::Stage { intake, query } => {
            let refused = |message| Failure::new(Service::Api, FailureKind::Refused, message);
            let dir = intake::directory().map_err(refused)?;
            let path = intake::file(&dir, id, intake);
            let file = tokio::fs::File::open(&path).await.map_err(|error| {
                let path = path.display();
                refused(format!(
                    "cannot read the ids from {path}: {error}; paste them again"
                ))
            })?;
            let bytes = file.metadata().await.map_err(|error| {
                let path = path.display();
                refused(format!(
                    "cannot read the ids from {path}: {error}; paste them again"
                ))
            })?;
            let key = name_of_upload(intake, &query, bytes.len()).to_string();
            client
                .start_import(owner, &query, Some(&key), pieces(file))
                .await
                .map_err(failed)?
        }
        ImportStep::Apply { import, body } => client
            .apply_import(owner, &import.to_string(), body)
            .await
            .map_err(failed)?,
        ImportStep::Undo { import, body } => client
            .undo_import(owner, &import.to_string(), body)
            .await
            .map_err(failed)?,
        ImportStep::Forget { import } => {
            client
                .forget_import(owner, &import.to_string())
                .await
                .map_err(failed)?;
            return Ok(None);
        }
    };
    Ok(Some(Box::new(import)))
}

/// The name under which ids are sent: sent again after an answer that was lost they are one import, and sent into
/// another variant, or with more ids behind them, they are another. Text is only ever added to an intake.
fn name_of_upload(intake: Uuid, query: &StartImport, bytes: u64) -> Uuid {
    let StartImport {
        variant,
        subject_type,
        source_name,
    } = query;
    let source = source_name.as_deref().unwrap_or_default();
    let what = format!("{bytes}\n{variant}\n{}\n{source}", subject_type.as_str());
    Uuid::new_v5(&intake, what.as_bytes())
}

/// A file in pieces, as it is read.
fn pieces(file: tokio::fs::File) -> impl Stream<Item = std::io::Result<Vec<u8>>> + Send {
    stream::unfold(Some(file), |file| async {
        let mut file = file?;
        let mut piece = vec![0; UPLOAD_PIECE];
        match file.read(&mut piece).await {
            Ok(0) => None,
            Ok(n) => {
                piece.truncate(n);
                Some((Ok(piece), Some(file)))
            }
            Err(error) => Some((Err(error), None)),
        }
    })
}

async fn change_of(client: &Client, change: Change) -> Result<Changed, ClientError> {
    Ok(match change {
        Change::CreateFlag(body) => Changed::Flag(Box::new(client.create_flag(&body).await?)),
        Change::UpdateFlag(id, body) => {
            Changed::Flag(Box::new(client.update_flag(&id.to_string(), &body).await?))
        }
        Change::ConvertFlag(id, body) => {
            Changed::Converted(Box::new(client.experiment_of_flag(&id.to_string(), &body).await?))
        }
        Change::CopyFlag(id, body) => {
            Changed::Flag(Box::new(client.copy_flag(&id.to_string(), &body).await?))
        }
        Change::SetFlagOverrides(id, body) => {
            Changed::Overrides(client.set_overrides(Owner::Flag(&id.to_string()), &body).await?)
        }
        Change::DeleteFlagOverride(id, query) => {
            client
                .delete_override(Owner::Flag(&id.to_string()), &query)
                .await?;
            Changed::Gone
        }
        Change::ConvertExperiment(id, body) => {
            Changed::Converted(Box::new(client.flag_of_experiment(&id.to_string(), &body).await?))
        }
        Change::CopyExperiment(id, body) => {
            Changed::Experiment(Box::new(client.copy_experiment(&id.to_string(), &body).await?))
        }
        Change::CreateDeployment(body) => {
            Changed::Deployment(Box::new(client.create_deployment(&body).await?))
        }
        Change::UpdateDeployment(id, body) => {
            Changed::Deployment(Box::new(client.update_deployment(&id.to_string(), &body).await?))
        }
        Change::RotateKey(id, body) => {
            Changed::Deployment(Box::new(client.rotate_key(&id.to_string(), &body).await?))
        }
        Change::RevokeKey(id, body) => {
            Changed::Deployment(Box::new(client.revoke_deployment(&id.to_string(), &body).await?))
        }
        Change::CreateProject(body) => Changed::Project(Box::new(client.create_project(&body).await?)),
        Change::UpdateProject(id, body) => {
            Changed::Project(Box::new(client.update_project(&id.to_string(), &body).await?))
        }
        Change::CreateLab(body) => Changed::Lab(Box::new(client.create_lab(&body).await?)),
        Change::UpdateLab(id, body) => {
            Changed::Lab(Box::new(client.update_lab(&id.to_string(), &body).await?))
        }
        Change::CreateToken(body) => Changed::Token(Box::new(client.create_token(&body).await?)),
        Change::RevokeToken(id) => match client.revoke_token(id).await? {
            None => Changed::Gone,
            Some(left) => Changed::TokenLeft(Box::new(left)),
        },
    })
}

/// What a failure of the server means to the cockpit.
pub fn api_failure(error: &ClientError) -> Failure {
    // Whatever it answers, a server that answers is there.
    let kind = match (error, error.code()) {
        (ClientError::Unreachable { .. } | ClientError::BadAnswer { .. }, _) => FailureKind::Lost,
        (
            ClientError::BadAddress { .. }
            | ClientError::BadToken
            | ClientError::BadProject { .. }
            | ClientError::Setup(_),
            _,
        ) => FailureKind::Configuration,
        (_, Some(Code::Unauthorized)) => FailureKind::Configuration,
        _ => FailureKind::Refused,
    };
    let message = match error.code() {
        Some(Code::Unauthorized) => {
            "the server does not know this token; set SPLITDECK_TOKEN to a valid one and start again"
                .to_owned()
        }
        _ => error.to_string(),
    };
    let mut failure = Failure::new(Service::Api, kind, message);
    failure.problem = error.problem().map(|problem| Box::new(problem.clone()));
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_ids_are_one_upload_and_others_are_another() {
        use crate::domain::{Key, OverrideSubject};
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let query = |variant: &str, subject_type, source: &str| StartImport {
            variant: Key::new(variant).expect("a key"),
            subject_type,
            source_name: Some(source.to_owned()),
        };
        let (user, device) = (OverrideSubject::User, OverrideSubject::Device);
        let name = |intake, query: &StartImport, bytes| name_of_upload(intake, query, bytes);
        let sent = name(one, &query("t", user, "pasted"), 9);
        assert_eq!(sent, name(one, &query("t", user, "pasted"), 9));
        for other in [
            name(two, &query("t", user, "pasted"), 9),
            name(one, &query("control", user, "pasted"), 9),
            name(one, &query("t", device, "pasted"), 9),
            name(one, &query("t", user, "an earlier session"), 9),
            name(one, &query("t", user, "pasted"), 12),
        ] {
            assert_ne!(sent, other);
        }
    }

    /// What is written into a file goes on with other credentials, and not with another server.
    #[tokio::test]
    async fn an_export_ends_with_its_server_and_not_with_a_token() {
        let access = |token: &str| Access {
            api: "http://127.0.0.1:1".to_owned(),
            token: token.to_owned(),
            project: None,
            context: None,
            from_file: true,
            read_only: false,
            allow_plain_http: false,
        };
        let (replies, _answers) = mpsc::unbounded_channel();
        let mut runner = Runner::new(&access("old"), false, replies).expect("an address");
        let exporting = tokio::spawn(std::future::pending::<()>());
        let reading = tokio::spawn(std::future::pending::<()>());
        runner.exporting = Some((1, exporting.abort_handle()));
        runner.running.insert(Slot::Experiments, reading.abort_handle());
        runner.renew(&access("new"), false).expect("an address");
        assert!(reading.await.expect_err("dropped").is_cancelled());
        assert!(!exporting.is_finished());
        assert!(runner.exporting.is_some(), "and can be stopped");
        // Its next page is asked for as soon as it is known of which project it is.
        let mut clients = runner.clients.subscribe();
        clients.mark_unchanged();
        runner.renew(&access("newer"), false).expect("an address");
        assert!(!clients.has_changed().expect("a runner"));
        runner.turn_to("shop").expect("a key");
        assert!(clients.has_changed().expect("a runner"));
        runner.cancel_all();
        assert!(exporting.await.expect_err("dropped").is_cancelled());
    }

    #[test]
    fn a_thread_that_panics_ends_the_cockpit_and_one_that_ends_does_not() {
        let (replies, mut answers) = mpsc::unbounded_channel();
        let fine = thread(replies.clone(), || {});
        fine.join().expect("no panic");
        assert!(answers.try_recv().is_err(), "nothing is said");
        let broken = thread(replies, || panic!("for the test"));
        broken.join().expect_err("a panic");
        assert!(matches!(answers.try_recv(), Ok(Outcome::Crashed)));
    }
}
