//! Amplitude's remote evaluation, `/sdk/v2/vardata` (`/sdk/vardata` of older clients), and flags for its local
//! evaluation, `/sdk/v2/flags`.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::api::amplitude::{self, Flag};
use crate::api::problem::{Code, Problem};
use crate::api::system::Role;
use crate::api::track::TrackEvent;
use crate::decide::Subject;
use crate::decide::flag::as_experiment;
use crate::domain::{
    AssignmentMode, DeploymentKind, EvaluationMode, FieldError, Key, OverrideSubject, SubjectType, User,
};
use crate::server::body::{SdkBody, mended};
use crate::server::error::ApiError;
use crate::server::evaluate::export::{self, Source};
use crate::server::evaluate::{Evaluated, Evaluator};
use crate::server::extract::{IdOrKey, Params};
use crate::server::ingest::{
    self, AMPLITUDE_EXPOSURE, Context, EXPOSURE, EXPOSURE_EXPERIMENT, EXPOSURE_FLAG, EXPOSURE_VARIANT,
    RELEASE,
};
use crate::server::middleware::auth::{Caller, Need};
use crate::server::middleware::limits::Metered;
use crate::server::registry::now;
use crate::server::served::Served;
use crate::server::snapshot::ProjectExperiments;
use crate::server::state::AppState;
use crate::server::store;

use super::track::stored;

/// Header with the user: JSON in base64.
const USER: HeaderName = HeaderName::from_static("x-amp-exp-user");
/// Header with the keys that are asked for: a JSON list in base64.
const FLAG_KEYS: HeaderName = HeaderName::from_static("x-amp-exp-flag-keys");
/// Header: `no-track` asks for no assignment event.
const TRACK: HeaderName = HeaderName::from_static("x-amp-exp-track");
/// Header: `track` asks for exposure events of what is answered.
const TRACK_EXPOSURE: HeaderName = HeaderName::from_static("x-amp-exp-exposure-track");
/// Header of an answer: keys of the flags that local evaluation cannot decide.
const LEFT_OUT: HeaderName = HeaderName::from_static("x-splitdeck-left-out");
/// Header of an answer: how many they are; the other one names as many as fit.
const LEFT_OUT_COUNT: HeaderName = HeaderName::from_static("x-splitdeck-left-out-count");
/// The most ways in which one request may write one key.
const MAX_SPELLINGS: usize = 4;
/// The most bytes of keys in a header: clients take 16 KiB of headers in all, or less.
const MAX_LEFT_OUT: usize = 4_096;

/// Parameters of a remote evaluation whose user is not in a header or a body.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct VardataParams {
    user_id: Option<String>,
    device_id: Option<String>,
    /// The rest of the user, as JSON.
    context: Option<String>,
    /// One key.
    flag_key: Option<String>,
    /// Several, with commas.
    flag_keys: Option<String>,
}

/// Variants of what was asked for, or of everything that the caller sees.
pub async fn vardata(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    Params(params): Params<VardataParams>,
    SdkBody(body): SdkBody,
) -> Result<Response, ApiError> {
    evaluate(&state, &caller, &headers, params, &body, |_| true).await
}

/// The same for clients from before `/sdk/v2`: they leave code with its own fallback where nothing is assigned, and
/// know that from the key not being there.
pub async fn former(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    Params(params): Params<VardataParams>,
    SdkBody(body): SdkBody,
) -> Result<Response, ApiError> {
    evaluate(&state, &caller, &headers, params, &body, |one| !one.is_default()).await
}

async fn evaluate(
    state: &AppState,
    caller: &Caller,
    headers: &HeaderMap,
    params: VardataParams,
    body: &[u8],
    answered: impl Fn(&Evaluated<'_>) -> bool,
) -> Result<Response, ApiError> {
    let keys = wanted(headers, &params)?;
    let user = user(headers, params, body)?;
    let given = |id: &Option<String>| id.as_deref().is_some_and(|id| !id.is_empty());
    if !given(&user.user_id) && !given(&user.device_id) {
        return Err(FieldError::new("user_id", "no id", "a user_id or a device_id that is not empty").into());
    }
    let exposes = headers.get(TRACK_EXPOSURE).is_some_and(|track| track == "track");
    if exposes {
        // It brings events, so that what holds for those that do holds for it.
        Need::deployment_or(Role::Editor).check(caller)?;
        state.limits().check(Metered::Track, caller)?;
    }
    let now = now();
    let (answer, exposures) = {
        let snapshot = state.registry().snapshot();
        let evaluator = Evaluator::new(&snapshot, caller);
        let asked = spellings(keys.iter().flatten())?;
        let served: Vec<Served<'_>> = match &keys {
            None => evaluator.all(),
            Some(_) => asked.keys().filter_map(|key| evaluator.find(key)).collect(),
        };
        let evaluated: Vec<Evaluated<'_>> = served
            .into_iter()
            .map(|s| Evaluated::new(state.sticky(), s, &user))
            .collect();
        if headers.get(TRACK).is_none_or(|track| track != "no-track") {
            state.assigned().note(caller.project.id, &user, &evaluated, now);
        }
        let exposures = if exposes {
            let events = evaluated.iter().filter_map(|e| exposure(&user, e));
            let events: Result<Vec<TrackEvent>, _> = events.map(ingest::checked_exposure).collect();
            let events = events.map_err(Problem::invalid)?;
            let context = Context {
                project_id: caller.project.id,
                now,
                experiments: &ProjectExperiments {
                    snapshot: &snapshot,
                    project: caller.project.id,
                },
                sender: None,
            };
            let (records, told) = ingest::decide(events, &context);
            state.ingest().note_unattributed(&told.unattributed);
            records
        } else {
            Vec::new()
        };
        // Under each key that was asked for, in which the client looks it up, whatever the case here.
        let mut answer = BTreeMap::new();
        for one in evaluated.iter().filter(|one| answered(one)) {
            let variant = one.to_amplitude();
            match asked.get(&one.key().to_ascii_lowercase()) {
                Some(asked) => answer.extend(asked.iter().map(|key| ((*key).to_owned(), variant.clone()))),
                None => {
                    answer.insert(one.key().to_owned(), variant);
                }
            }
        }
        (answer, exposures)
    };
    if let Err(refusal) = state.ingest().append(exposures).await {
        return stored(&refusal);
    }
    Ok(Json(answer).into_response())
}

/// The exposure that a client asks the server to tell for it; the same one once a day. None of who was assigned
/// nothing, and none in event mode: there the event itself is what was exposed.
fn exposure(user: &User, evaluated: &Evaluated<'_>) -> Option<TrackEvent> {
    let mode = evaluated.served.experiment().map(|e| e.assignment_mode);
    if evaluated.is_default() || mode == Some(AssignmentMode::Event) {
        return None;
    }
    let subject = match evaluated.served.prepared().subject(user) {
        Subject::Id(id) => Some(id),
        Subject::Random | Subject::Missing => None,
    };
    let variant = &evaluated.assignment.variant_id;
    let mut properties = Map::new();
    properties.insert(EXPOSURE_FLAG.to_owned(), evaluated.key().into());
    properties.insert(EXPOSURE_VARIANT.to_owned(), variant.as_str().into());
    if let Some(experiment) = evaluated.served.experiment() {
        properties.insert(EXPOSURE_EXPERIMENT.to_owned(), experiment.key.as_str().into());
        // Held back, forced or out of the experiment: none of them was drawn.
        let reason = evaluated.assignment.reason.as_str();
        properties.insert("__assignmentReason".to_owned(), reason.into());
        properties.insert("__cohort".to_owned(), evaluated.assignment.cohort.into());
        // Events are counted by the property of this name.
        if let (SubjectType::Named(name), Some(id)) = (&experiment.subject_type, &subject) {
            properties.insert(name.clone(), id.as_ref().into());
        }
    }
    if evaluated.served.experiment().is_none() {
        properties.insert("metadata".to_owned(), serde_json::json!({ "flagType": RELEASE }));
    }
    if !user.groups.is_empty()
        && let Ok(groups) = serde_json::to_value(&user.groups)
    {
        properties.insert("groups".to_owned(), groups);
    }
    let day = now().as_second().div_euclid(24 * 3_600);
    let id = serde_json::json!([
        EXPOSURE,
        day,
        user.user_id,
        user.device_id,
        evaluated.key(),
        variant,
        subject
    ]);
    Some(TrackEvent {
        // As the client would send it, so that the user's property is set as well.
        name: AMPLITUDE_EXPOSURE.to_owned(),
        properties,
        profile_id: user.user_id.clone(),
        device_id: user.device_id.clone(),
        session_id: user.session_id.clone(),
        timestamp: None,
        id: Some(id.to_string()),
    })
}

fn wrong(field: &str, given: &str, allowed: &str) -> ApiError {
    FieldError::new(field, given, allowed).into()
}

/// The keys that are asked for; none for all.
fn wanted(headers: &HeaderMap, params: &VardataParams) -> Result<Option<Vec<String>>, ApiError> {
    if let Some(sent) = headers.get(FLAG_KEYS) {
        let text = sent.to_str().unwrap_or_default();
        let list = decoded(text).and_then(|json| serde_json::from_slice(&json).ok());
        let list = list.ok_or_else(|| wrong(FLAG_KEYS.as_str(), text, "a JSON list of texts in base64"));
        return list.map(Some);
    }
    let several = params.flag_keys.iter().flat_map(|keys| keys.split(','));
    let keys: Vec<String> = several
        .chain(params.flag_key.as_deref())
        .map(str::trim)
        .filter(|key| !key.is_empty())
        .map(str::to_owned)
        .collect();
    Ok((!keys.is_empty()).then_some(keys))
}

/// The keys that are asked for, each once and as it is written here, with the ways in which it was written there:
/// asking for a key a thousand times is answered in the time of one.
///
/// # Errors
/// The refusal of a key in more spellings than [`MAX_SPELLINGS`]: each is answered with a payload of its own.
fn spellings<'a>(
    keys: impl IntoIterator<Item = &'a String>,
) -> Result<BTreeMap<String, BTreeSet<&'a str>>, FieldError> {
    let mut asked: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for key in keys {
        let spellings = asked.entry(key.to_ascii_lowercase()).or_default();
        spellings.insert(key);
        if spellings.len() > MAX_SPELLINGS {
            let allowed = format!("each key in at most {MAX_SPELLINGS} spellings");
            return Err(FieldError::new("flag_keys", key, allowed));
        }
    }
    Ok(asked)
}

/// The user: of the body, else of the header, else of the parameters.
fn user(headers: &HeaderMap, params: VardataParams, body: &[u8]) -> Result<User, ApiError> {
    let VardataParams {
        user_id,
        device_id,
        context,
        ..
    } = params;
    let mut fields = if !body.trim_ascii().is_empty() {
        let text = body.trim_ascii();
        let unpacked = if text.starts_with(b"{") {
            None
        } else {
            std::str::from_utf8(text).ok().and_then(decoded)
        };
        object("body", unpacked.as_deref().unwrap_or(text))?
    } else if let Some(sent) = headers.get(USER) {
        let text = sent.to_str().unwrap_or_default();
        let json = decoded(text);
        let json = json.ok_or_else(|| wrong(USER.as_str(), text, "a JSON object in base64"))?;
        object(USER.as_str(), &json)?
    } else if let Some(context) = context {
        object("context", context.as_bytes())?
    } else {
        Map::new()
    };
    for (name, id) in [("user_id", user_id), ("device_id", device_id)] {
        if let Some(id) = id.filter(|id| !id.is_empty()) {
            fields.insert(name.to_owned(), id.into());
        }
    }
    amplitude::user(fields).map_err(|fault| wrong(&fault.field, "another form", fault.allowed))
}

fn object(field: &str, json: &[u8]) -> Result<Map<String, Value>, ApiError> {
    match serde_json::from_slice(&mended(json)) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(wrong(field, "other JSON", "a JSON object")),
        Err(error) => Err(ApiError::new(
            Code::Malformed,
            format!("{field} is not JSON: {error}"),
        )),
    }
}

/// Base64 of either alphabet, with or without padding.
fn decoded(text: &str) -> Option<Vec<u8>> {
    const CONFIG: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let text = text.trim();
    let url = GeneralPurpose::new(&URL_SAFE, CONFIG).decode(text);
    url.or_else(|_| GeneralPurpose::new(&STANDARD, CONFIG).decode(text))
        .ok()
}

/// What is needed for an export, taken out of the snapshot: the store is asked for overrides meanwhile.
struct Exported {
    key: String,
    experiment: crate::domain::Experiment,
    is_flag: bool,
    overrides: u64,
}

impl Exported {
    fn new(served: Served<'_>) -> Self {
        let counts = served.overrides().counts();
        Self {
            key: served.key().to_string(),
            experiment: match served {
                Served::Experiment(entry) => crate::domain::Experiment::clone(&entry.experiment),
                Served::Flag(entry) => as_experiment(&entry.flag),
            },
            is_flag: served.flag().is_some(),
            overrides: counts.fixed + counts.manual,
        }
    }

    async fn export(&self, state: &AppState) -> Result<Result<Flag, Vec<String>>, ApiError> {
        let most = u32::try_from(export::MAX_OVERRIDES)
            .unwrap_or(u32::MAX)
            .saturating_add(1);
        let overrides: Vec<(OverrideSubject, String, Key)> = if self.overrides == 0 {
            Vec::new()
        } else {
            let page = store::overrides::page(state.registry().store(), self.experiment.id, None, None, most);
            let rows = page.await?.into_iter();
            rows.map(|o| (o.subject_type, o.subject_id, o.variant)).collect()
        };
        Ok(export::export(&Source {
            key: &self.key,
            experiment: &self.experiment,
            is_flag: self.is_flag,
            overrides: &overrides,
        }))
    }
}

/// What local evaluation is for: experiments, and the flags that say so.
fn is_local(served: &Served<'_>) -> bool {
    served
        .flag()
        .is_none_or(|flag| flag.evaluation_mode == EvaluationMode::Local)
}

/// Whether the caller's key stands in web pages and apps, where everybody can read it.
fn is_public(state: &AppState, caller: &Caller) -> bool {
    let snapshot = state.registry().snapshot();
    let deployment = caller
        .deployment
        .and_then(|id| snapshot.access.deployments.by_id(id));
    deployment.is_some_and(|stored| stored.deployment.kind == DeploymentKind::Client)
}

/// Why something is not told to a public key: the rules of experiments and the ids of people are for nobody's eyes. A
/// flag whose mode is `local` is meant for pages, its rules with it.
fn withheld(one: &Exported) -> Option<String> {
    let what = match (one.is_flag, one.overrides) {
        (false, _) => "an experiment's rules and overrides are not for everybody",
        (true, 1..) => "it has overrides, whose ids are not for everybody",
        (true, 0) => return None,
    };
    Some(format!(
        "{what}, and the key of a client deployment can be read by everybody; ask GET /sdk/v2/vardata, or evaluate \
         locally with the key of a server deployment"
    ))
}

/// As many keys, with commas, as fit into a header that every client reads.
fn fitting(keys: &[&str]) -> String {
    let mut text = String::new();
    for key in keys {
        if text.len() + 1 + key.len() > MAX_LEFT_OUT {
            break;
        }
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(key);
    }
    text
}

/// All that can be decided locally, in the form of Amplitude's SDKs.
pub async fn flags(State(state): State<AppState>, caller: Caller) -> Result<Response, ApiError> {
    let all: Vec<Exported> = {
        let snapshot = state.registry().snapshot();
        let served = Evaluator::new(&snapshot, &caller).all().into_iter();
        served.filter(is_local).map(Exported::new).collect()
    };
    let mut flags = Vec::with_capacity(all.len());
    let mut left_out = Vec::new();
    let public = is_public(&state, &caller);
    for one in &all {
        if public && withheld(one).is_some() {
            left_out.push(one.key.as_str());
            continue;
        }
        match one.export(&state).await? {
            Ok(flag) => flags.push(flag),
            Err(_) => left_out.push(one.key.as_str()),
        }
    }
    let mut response = Json(flags).into_response();
    if !left_out.is_empty() {
        let headers = response.headers_mut();
        headers.insert(LEFT_OUT_COUNT, HeaderValue::from(left_out.len()));
        if let Ok(keys) = HeaderValue::try_from(fitting(&left_out)) {
            headers.insert(LEFT_OUT, keys);
        }
    }
    Ok(response)
}

/// One of them; why it cannot be decided locally, where it cannot.
pub async fn flag(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(key): IdOrKey,
) -> Result<Json<Flag>, ApiError> {
    let one = {
        let snapshot = state.registry().snapshot();
        let served = Evaluator::new(&snapshot, &caller)
            .find(&key)
            .ok_or_else(|| ApiError::not_found("flag or experiment", &key))?;
        if !is_local(&served) {
            let detail = format!("{key} has the evaluationMode remote; set it to local to export it");
            return Err(ApiError::new(Code::NotExportable, detail));
        }
        Exported::new(served)
    };
    let hidden = if is_public(&state, &caller) {
        withheld(&one)
    } else {
        None
    };
    let exported = match hidden {
        Some(why) => Err(vec![why]),
        None => one.export(&state).await?,
    };
    exported.map(Json).map_err(|reasons| {
        let mut problem = Problem::new(
            Code::NotExportable,
            format!("{key} cannot be evaluated locally: {}", reasons.join("; ")),
        );
        problem.errors = reasons
            .iter()
            .map(|reason| FieldError::new("flag", &key, reason).into())
            .collect();
        problem.into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_names_as_many_as_clients_read() {
        assert_eq!(fitting(&["a", "b"]), "a,b");
        let many = vec!["a-key-of-some-length"; 10_000];
        let text = fitting(&many);
        assert!(text.len() <= MAX_LEFT_OUT && text.len() > 4_000);
        assert!(text.split(',').all(|key| key == "a-key-of-some-length"));
    }

    #[test]
    fn a_key_is_asked_for_once_however_often_it_is_named() {
        let keys = ["a", "B", "a", "A", "b", "a"].map(str::to_owned);
        let asked = spellings(&keys).expect("two spellings each");
        let expected = [("a", vec!["A", "a"]), ("b", vec!["B", "b"])];
        let expected = expected.map(|(key, ways)| (key.to_owned(), ways.into_iter().collect()));
        assert_eq!(asked, BTreeMap::from(expected));
        let many = ["ab", "Ab", "aB", "AB", "ab"].map(str::to_owned);
        assert_eq!(spellings(&many).expect("four")["ab"].len(), 4);
        let more: Vec<String> = ["abc", "Abc", "aBc", "abC", "ABC"].map(str::to_owned).into();
        let refused = spellings(&more).expect_err("five");
        assert_eq!((&*refused.field, &*refused.given), ("flag_keys", "ABC"));
    }
}
