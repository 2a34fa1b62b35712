//! The operations of flags, deployments, projects, labs, tokens and the audit log, and of what turns one object
//! into another.

use utoipa::openapi::path::HttpMethod::{self, Delete, Get, Patch, Post, Put};

use super::line::{Line, line, one};
use super::{ADMIN, Access, EDITOR, VIEWER};
use crate::api::{assign, audit, deployments, experiments, flags, insights, overrides, projects};
use crate::domain::{Deployment, Experiment, Flag, Lab, Project, User};

/// All of them.
pub(super) fn lines() -> Vec<Line> {
    [
        of_experiments(),
        of_flags(),
        of_deployments(),
        of_projects(),
        of_labs(),
        of_tokens(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What experiments can be turned into.
fn of_experiments() -> Vec<Line> {
    let at = |method: HttpMethod, path, access: Access, summary| {
        line(method, path, "experiments", access, summary)
    };
    vec![
        at(Delete, "/experiments/{id_or_key}", EDITOR, "Delete a draft")
            .if_match()
            .query::<experiments::DeleteExperiment>()
            .empty(204, "It is gone, with its overrides."),
        at(
            Post,
            "/experiments/{id_or_key}/apply-winner",
            EDITOR,
            "Serve the winner to everybody",
        )
        .if_match()
        .body(one::<experiments::ApplyWinner>())
        .answers(
            200,
            "The experiment, completed, and its flag.",
            one::<experiments::WinnerApplied>(),
        ),
        at(
            Post,
            "/experiments/{id_or_key}/convert",
            EDITOR,
            "Turn it into a flag",
        )
        .if_match()
        .body(one::<flags::Convert>())
        .answers(200, "Both.", one::<flags::Converted>()),
        at(
            Post,
            "/experiments/{id_or_key}/copy",
            EDITOR,
            "Copy it to a project",
        )
        .body(one::<experiments::CopyTo>())
        .answers(201, "The copy, a draft.", one::<Experiment>()),
        at(
            Get,
            "/experiments/{id_or_key}/insight",
            VIEWER,
            "The saved summary",
        )
        .answers(
            200,
            "The summary, with what changed since.",
            one::<insights::Insight>(),
        ),
        at(
            Post,
            "/experiments/{id_or_key}/insight",
            EDITOR,
            "Write the summary anew",
        )
        .answers(200, "The summary of this moment.", one::<insights::Insight>()),
    ]
}

/// Flags.
fn of_flags() -> Vec<Line> {
    let at = |method: HttpMethod, path, access: Access, summary| line(method, path, "flags", access, summary);
    vec![
        at(Get, "/flags", VIEWER, "All flags of the project")
            .query::<flags::ListFlags>()
            .answers(200, "Sorted by key.", one::<flags::FlagList>()),
        at(Post, "/flags", EDITOR, "Create a flag")
            .body(one::<flags::CreateFlag>())
            .answers(201, "The flag.", one::<Flag>()),
        at(Get, "/flags/{id_or_key}", VIEWER, "One flag")
            .if_none_match()
            .answers(
                200,
                "The flag; its ETag begins with the version.",
                one::<flags::FlagRow>(),
            ),
        at(Patch, "/flags/{id_or_key}", EDITOR, "Change the configuration")
            .if_match()
            .body(one::<flags::UpdateFlag>())
            .answers(200, "The flag after the change.", one::<Flag>()),
        at(Put, "/flags/{id_or_key}/rules", EDITOR, "Replace the rules")
            .if_match()
            .body(one::<experiments::SetRules>())
            .answers(200, "The flag after the change.", one::<Flag>()),
        at(Get, "/flags/{id_or_key}/overrides", VIEWER, "A page of overrides")
            .query::<overrides::ListOverrides>()
            .answers(200, "Sorted by subject.", one::<overrides::OverridePage>()),
        at(
            Put,
            "/flags/{id_or_key}/overrides",
            EDITOR,
            "Force subjects into a variant",
        )
        .body(one::<overrides::SetOverrides>())
        .answers(
            200,
            "How many were added and changed.",
            one::<overrides::OverridesSet>(),
        ),
        at(
            Delete,
            "/flags/{id_or_key}/overrides",
            EDITOR,
            "Remove an override",
        )
        .query::<overrides::DeleteOverride>()
        .empty(204, "It is gone."),
        at(Get, "/flags/{id_or_key}/history", VIEWER, "What was changed")
            .query::<experiments::HistoryQuery>()
            .answers(
                200,
                "The newest first, 50 at a time.",
                one::<experiments::History>(),
            ),
        at(
            Post,
            "/flags/{id_or_key}/explain",
            VIEWER,
            "A decision step by step",
        )
        .body(one::<User>())
        .answers(200, "Nothing is recorded.", one::<assign::Explanation>()),
        at(
            Post,
            "/flags/{id_or_key}/convert",
            EDITOR,
            "Turn it into an experiment",
        )
        .if_match()
        .body(one::<flags::Convert>())
        .answers(201, "Both.", one::<flags::Converted>()),
        at(Post, "/flags/{id_or_key}/copy", EDITOR, "Copy it to a project")
            .body(one::<experiments::CopyTo>())
            .answers(201, "The copy, switched off.", one::<Flag>()),
    ]
}

/// Deployments and their keys.
fn of_deployments() -> Vec<Line> {
    let at = |method: HttpMethod, path, access: Access, summary| {
        line(method, path, "deployments", access, summary)
    };
    vec![
        at(Get, "/deployments", VIEWER, "All deployments of the project").answers(
            200,
            "Sorted by name.",
            one::<deployments::DeploymentList>(),
        ),
        at(Post, "/deployments", ADMIN, "Create a deployment")
            .body(one::<deployments::CreateDeployment>())
            .answers(
                201,
                "With its key, which a server's is told only once.",
                one::<Deployment>(),
            ),
        at(Patch, "/deployments/{id_or_key}", ADMIN, "Rename it")
            .if_match()
            .body(one::<deployments::UpdateDeployment>())
            .answers(200, "The deployment.", one::<Deployment>()),
        at(
            Post,
            "/deployments/{id_or_key}/rotate",
            ADMIN,
            "Give it a new key",
        )
        .if_match()
        .body(one::<deployments::RotateKey>())
        .answers(200, "With its new key.", one::<Deployment>()),
        at(Post, "/deployments/{id_or_key}/revoke", ADMIN, "End all its keys")
            .if_match()
            .body(one::<deployments::RevokeKey>())
            .answers(200, "The deployment.", one::<Deployment>()),
    ]
}

/// The organization, its projects and their log.
fn of_projects() -> Vec<Line> {
    let at =
        |method: HttpMethod, path, access: Access, summary| line(method, path, "projects", access, summary);
    vec![
        at(Get, "/organization", VIEWER, "Whose server this is")
            .if_none_match()
            .answers(200, "The organization.", one::<projects::Organization>()),
        at(Patch, "/organization", ADMIN, "Rename the organization")
            .if_match()
            .body(one::<projects::UpdateOrganization>())
            .answers(200, "The organization.", one::<projects::Organization>()),
        at(
            Get,
            "/projects",
            VIEWER,
            "The projects in which the token has a role",
        )
        .answers(200, "Sorted by key.", one::<projects::ProjectList>()),
        at(Post, "/projects", ADMIN, "Create a project")
            .body(one::<projects::CreateProject>())
            .answers(201, "The project; the token administers it.", one::<Project>()),
        at(Get, "/projects/{id_or_key}", VIEWER, "One project")
            .if_none_match()
            .answers(200, "The project.", one::<projects::ProjectRow>()),
        at(
            Patch,
            "/projects/{id_or_key}",
            VIEWER,
            "Change a project that the token administers",
        )
        .if_match()
        .body(one::<projects::UpdateProject>())
        .answers(200, "The project.", one::<Project>()),
        at(Get, "/audit", VIEWER, "The audit log of the project")
            .query::<audit::AuditQuery>()
            .answers(
                200,
                "The newest first, 50 at a time.",
                one::<experiments::History>(),
            ),
    ]
}

/// Labs.
fn of_labs() -> Vec<Line> {
    let at = |method: HttpMethod, path, access: Access, summary| line(method, path, "labs", access, summary);
    vec![
        at(Get, "/labs", VIEWER, "All labs of the project").answers(
            200,
            "Sorted by key.",
            one::<projects::LabList>(),
        ),
        at(Post, "/labs", EDITOR, "Create a lab")
            .body(one::<projects::CreateLab>())
            .answers(201, "The lab.", one::<Lab>()),
        at(Get, "/labs/{id_or_key}", VIEWER, "One lab")
            .if_none_match()
            .answers(200, "The lab.", one::<Lab>()),
        at(Patch, "/labs/{id_or_key}", EDITOR, "Change a lab")
            .if_match()
            .body(one::<projects::UpdateLab>())
            .answers(200, "The lab.", one::<Lab>()),
    ]
}

/// Tokens.
fn of_tokens() -> Vec<Line> {
    let at =
        |method: HttpMethod, path, access: Access, summary| line(method, path, "tokens", access, summary);
    vec![
        at(
            Get,
            "/tokens",
            ADMIN,
            "Tokens of the projects that the token administers",
        )
        .answers(200, "The newest first.", one::<projects::TokenList>()),
        at(Post, "/tokens", ADMIN, "Make a token")
            .body(one::<projects::CreateToken>())
            .answers(
                201,
                "With the token itself, which is told only once.",
                one::<projects::TokenMade>(),
            ),
        at(Delete, "/tokens/{id_or_key}", ADMIN, "Revoke a token")
            .empty(204, "It is not taken any more.")
            .answers(
                200,
                "It has no role any more in projects that the caller administers, and is still taken in others.",
                one::<projects::TokenRow>(),
            ),
    ]
}
