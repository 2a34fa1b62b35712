//! The steps of an experiment's life on the command line.

use crate::api::experiments::ChangeStatus;
use crate::client::Client;
use crate::domain::{EndedReason, Experiment, Key, Status};

use super::CliError;
use super::experiments::status;

/// The subcommands of `splitdeck experiments` that move one through its life.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Life {
    /// Start a draft
    Activate(Step),
    /// Hold an active experiment: everybody gets the default variant
    Pause(Step),
    /// Go on with a paused experiment
    Resume {
        #[command(flatten)]
        step: Step,
        /// Go on although the sample ratio test still fails
        #[arg(long)]
        override_failing_srm: bool,
    },
    /// Finish an active or paused experiment
    Complete {
        #[command(flatten)]
        step: Step,
        /// Variant to serve to everybody from now on
        #[arg(long, value_name = "VARIANT")]
        winner: Option<Key>,
        /// Why it is finished
        #[arg(long, value_name = "WHY", value_parser = ended_reason)]
        ended_reason: Option<EndedReason>,
    },
    /// End a completed experiment: no assignment is recorded any more
    End {
        #[command(flatten)]
        step: Step,
        /// Why it is ended
        #[arg(long, value_name = "WHY", value_parser = ended_reason)]
        ended_reason: Option<EndedReason>,
    },
    /// Hide a draft, a completed or an ended experiment from lists
    Archive(Step),
}

/// Arguments of every step.
#[derive(Debug, clap::Args)]
pub(super) struct Step {
    /// Key or UUID of the experiment
    pub(super) key: String,
    /// Why, in words, for the audit log; required to resume after an automatic pause, or with --override-failing-srm
    #[arg(long, visible_alias = "reason", value_name = "TEXT")]
    pub(super) comment: Option<String>,
}

fn ended_reason(text: &str) -> Result<EndedReason, String> {
    serde_json::from_value(text.into())
        .map_err(|_| "allowed are success, tech_issue, no_longer_needed, no_stat_sig, other".to_owned())
}

/// Takes a step; the experiment after it.
///
/// # Errors
/// See [`CliError`].
pub(super) async fn take(client: &Client, life: Life) -> Result<Experiment, CliError> {
    match life {
        Life::Activate(step) => {
            let from = Some((Status::Draft, "activate"));
            change(client, step, Status::Active, from, |_| {}).await
        }
        Life::Pause(step) => change(client, step, Status::Paused, None, |_| {}).await,
        Life::Resume {
            step,
            override_failing_srm,
        } => {
            let from = Some((Status::Paused, "resume"));
            let set = |body: &mut ChangeStatus| body.override_failing_srm = override_failing_srm;
            change(client, step, Status::Active, from, set).await
        }
        Life::Complete {
            step,
            winner,
            ended_reason,
        } => {
            let set = |body: &mut ChangeStatus| {
                body.winning_variant = winner;
                body.ended_reason = ended_reason;
            };
            change(client, step, Status::Completed, None, set).await
        }
        Life::End { step, ended_reason } => {
            let set = |body: &mut ChangeStatus| body.ended_reason = ended_reason;
            change(client, step, Status::Ended, None, set).await
        }
        Life::Archive(step) => change(client, step, Status::Archived, None, |_| {}).await,
    }
}

/// Moves an experiment to another status, from the version that is live now.
///
/// Two commands lead to `active`: `from` tells which status this one is for.
async fn change(
    client: &Client,
    step: Step,
    to: Status,
    from: Option<(Status, &str)>,
    set: impl FnOnce(&mut ChangeStatus),
) -> Result<Experiment, CliError> {
    let live = client.experiment(&step.key).await?;
    if let Some((from, command)) = from
        && live.status != from
    {
        return Err(CliError::Failed(format!(
            "cannot {command} {}: it is {}, and only a {from} one can be{}",
            live.key,
            status(&live),
            match live.status {
                Status::Paused => "; `splitdeck experiments resume` goes on with it",
                Status::Draft => "; `splitdeck experiments activate` starts it",
                _ => "",
            }
        )));
    }
    let mut body = ChangeStatus {
        comment: step.comment,
        ..ChangeStatus::new(to, live.resource_version)
    };
    set(&mut body);
    Ok(client.change_status(&live.id.to_string(), &body).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_for_the_end_is_one_of_five() {
        assert_eq!(ended_reason("no_stat_sig"), Ok(EndedReason::NoStatSig));
        assert!(ended_reason("bored").expect_err("refused").contains("tech_issue"));
    }
}
