//! Snippets that ask for a variant and attach the attribution to events: for an experiment or a flag, with its
//! real address and keys. Shared by the cockpit and `splitdeck experiments wiring`.

use uuid::Uuid;

use crate::api::deployments::DeploymentRow;
use crate::domain::{AssignmentMode, Deployment, DeploymentKind, Experiment, Flag, Variant};

/// The environment variable that snippets read a server's key from.
pub const KEY_VARIABLE: &str = "SPLITDECK_KEY";

/// A language or service.
#[derive(Debug, Clone, Copy, Eq, Hash, PartialEq)]
pub enum Way {
    /// A shell with curl.
    Curl,
    /// OpenFeature for JavaScript in a server.
    JsServer,
    /// OpenFeature for JavaScript in a browser.
    JsWeb,
    /// OpenFeature for Python.
    Python,
    /// OpenFeature for Go.
    Go,
    /// Amplitude's evaluation SDK for Node.
    AmplitudeNode,
    /// Amplitude's evaluation SDK for Python.
    AmplitudePython,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Curl,
        Self::JsServer,
        Self::JsWeb,
        Self::Python,
        Self::Go,
        Self::AmplitudeNode,
        Self::AmplitudePython,
    ];

    /// The name of its tab.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Curl => "curl",
            Self::JsServer => "JavaScript server",
            Self::JsWeb => "JavaScript web",
            Self::Python => "Python",
            Self::Go => "Go",
            Self::AmplitudeNode => "Amplitude Node",
            Self::AmplitudePython => "Amplitude Python",
        }
    }

    /// The word of the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Curl => "curl",
            Self::JsServer => "js-server",
            Self::JsWeb => "js-web",
            Self::Python => "python",
            Self::Go => "go",
            Self::AmplitudeNode => "amplitude-node",
            Self::AmplitudePython => "amplitude-python",
        }
    }
}

/// What a decision's value is.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
enum Value {
    /// On or off.
    Boolean,
    /// The key of the variant, or a payload that is a text.
    Text,
    /// A payload that is a number.
    Number,
    /// Any other payload.
    Object,
}

/// What is wired up.
#[derive(Debug, Clone)]
pub struct Wiring {
    api: String,
    /// What code asks for.
    flag: String,
    /// Id of the experiment, whose attribution events carry.
    experiment: Option<String>,
    /// What an event that converts is called.
    event: String,
    value: Value,
    /// The key of a client; none when it is read from the environment.
    key: Option<String>,
    mode: AssignmentMode,
}

impl Wiring {
    /// Of an experiment: its linked flag is asked for, or the experiment by its own key.
    #[must_use]
    pub fn of_experiment(api: &str, experiment: &Experiment, deployment: Option<&Deployment>) -> Self {
        let flag = experiment.linked_flag.as_ref().unwrap_or(&experiment.key);
        let metric = experiment.primary_metric.as_ref();
        Self {
            api: api.trim_end_matches('/').to_owned(),
            flag: flag.to_string(),
            experiment: Some(experiment.id.to_string()),
            event: metric.map_or_else(|| "purchase".to_owned(), |metric| metric.event.clone()),
            value: value_of(&experiment.variants),
            key: public_key(deployment),
            mode: experiment.assignment_mode,
        }
    }

    /// Of a flag by itself.
    #[must_use]
    pub fn of_flag(api: &str, flag: &Flag, deployment: Option<&Deployment>) -> Self {
        Self {
            api: api.trim_end_matches('/').to_owned(),
            flag: flag.key.to_string(),
            experiment: None,
            event: "purchase".to_owned(),
            value: if flag.is_boolean() {
                Value::Boolean
            } else {
                value_of(&flag.variants)
            },
            key: public_key(deployment),
            mode: AssignmentMode::Profile,
        }
    }

    /// The snippet, ready to run.
    #[must_use]
    pub fn snippet(&self, way: Way) -> String {
        match way {
            Way::Curl => self.curl(),
            Way::JsServer => self.js_server(),
            Way::JsWeb => self.js_web(),
            Way::Python => self.python(),
            Way::Go => self.go(),
            Way::AmplitudeNode => self.amplitude_node(),
            Way::AmplitudePython => self.amplitude_python(),
        }
    }

    /// Fields of the context beside the user's id, and of the event, as JSON without braces.
    fn subject(&self) -> (&'static str, &'static str) {
        match self.mode {
            AssignmentMode::Profile => ("", ""),
            AssignmentMode::Session => (", \"session_id\": \"s-1\"", ", \"sessionId\": \"s-1\""),
            AssignmentMode::Event => (", \"event_id\": \"e-1\"", ", \"id\": \"e-1\""),
        }
    }

    /// The key as an expression of a language, given how it reads the environment.
    fn key(&self, quote: char, environment: &str) -> String {
        match &self.key {
            Some(key) => format!("{quote}{key}{quote}"),
            None => environment.to_owned(),
        }
    }

    fn curl(&self) -> String {
        let Self { api, flag, event, .. } = self;
        let key = match &self.key {
            Some(key) => format!("KEY={key}\n"),
            None => format!("KEY=${{{KEY_VARIABLE}:?set it to the key of the deployment}}\n"),
        };
        let (context, field) = self.subject();
        let quoted = |text: &str| text.replace('"', "\\\"");
        let attribution = self.experiment.as_ref().map_or_else(String::new, |id| {
            format!("\\\"__experimentId\\\": \\\"{id}\\\", \\\"__variantId\\\": \\\"$VARIANT\\\"")
        });
        let field = quoted(field);
        format!(
            "# Ask for the variant.\n\
             API={api}\n\
             {key}\
             VARIANT=$(curl -fsS \"$API/ofrep/v1/evaluate/flags/{flag}\" \\\n\
             \x20 -H \"Authorization: Bearer $KEY\" -H 'Content-Type: application/json' \\\n\
             \x20 -d '{{\"context\": {{\"targetingKey\": \"u-1\"{context}}}}}' |\n\
             \x20 sed -n 's/.*\"variant\":\"\\([^\"]*\\)\".*/\\1/p')\n\
             echo \"u-1 sees $VARIANT\"\n\
             \n\
             # Attach the attribution to every event.\n\
             curl -fsS \"$API/track\" \\\n\
             \x20 -H \"Authorization: Bearer $KEY\" -H 'Content-Type: application/json' \\\n\
             \x20 -d \"{{\\\"name\\\": \\\"{event}\\\", \\\"profileId\\\": \\\"u-1\\\"{field}, \\\"properties\\\": {{{attribution}}}}}\"\n"
        )
    }

    /// The call of an OpenFeature client in camelCase, and the value for when nothing answers.
    fn js_call(&self) -> (&'static str, &'static str) {
        match self.value {
            Value::Boolean => ("getBooleanDetails", "false"),
            Value::Text => ("getStringDetails", "'off'"),
            Value::Number => ("getNumberDetails", "0"),
            Value::Object => ("getObjectDetails", "{}"),
        }
    }

    fn js_context(&self) -> &'static str {
        match self.mode {
            AssignmentMode::Profile => "{ targetingKey: 'u-1' }",
            AssignmentMode::Session => "{ targetingKey: 'u-1', session_id: 's-1' }",
            AssignmentMode::Event => "{ targetingKey: 'u-1', event_id: 'e-1' }",
        }
    }

    fn js_track(&self) -> String {
        let event = &self.event;
        let field = match self.mode {
            AssignmentMode::Profile => "",
            AssignmentMode::Session => "sessionId: user.session_id, ",
            AssignmentMode::Event => "id: user.event_id, ",
        };
        format!(
            "// Attach the attribution to every event.\n\
             await fetch(`${{api}}/track`, {{\n\
             \x20 method: 'POST',\n\
             \x20 headers: {{ Authorization: `Bearer ${{key}}`, 'Content-Type': 'application/json' }},\n\
             \x20 body: JSON.stringify({{\n\
             \x20   name: '{event}', profileId: user.targetingKey, {field}\n\
             \x20   properties: {{ ...decision.flagMetadata }},\n\
             \x20 }}),\n\
             }});\n"
        )
        .replace(", \n", ",\n")
    }

    fn js_server(&self) -> String {
        let Self { api, flag, .. } = self;
        let key = self.key('\'', &format!("process.env.{KEY_VARIABLE}"));
        let (call, fallback) = self.js_call();
        let context = self.js_context();
        let track = self.js_track();
        format!(
            "// npm install @openfeature/server-sdk @openfeature/core @openfeature/ofrep-provider\n\
             import {{ OpenFeature }} from '@openfeature/server-sdk';\n\
             import {{ OFREPProvider }} from '@openfeature/ofrep-provider';\n\
             \n\
             const api = '{api}';\n\
             const key = {key};\n\
             const headers = [['Authorization', `Bearer ${{key}}`]];\n\
             await OpenFeature.setProviderAndWait(new OFREPProvider({{ baseUrl: api, headers }}));\n\
             \n\
             const user = {context};\n\
             const decision = await OpenFeature.getClient().{call}('{flag}', {fallback}, user);\n\
             console.log(`${{user.targetingKey}} sees ${{decision.variant}}`, decision.value);\n\
             \n\
             {track}"
        )
    }

    fn js_web(&self) -> String {
        let Self { api, flag, .. } = self;
        // A page cannot keep a secret: only the key of a client belongs there.
        let key = self.key('\'', "'the key of a client deployment'");
        let (call, fallback) = self.js_call();
        let context = self.js_context();
        let track = self.js_track();
        format!(
            "// npm install @openfeature/web-sdk @openfeature/core @openfeature/ofrep-web-provider\n\
             import {{ OpenFeature }} from '@openfeature/web-sdk';\n\
             import {{ OFREPWebProvider }} from '@openfeature/ofrep-web-provider';\n\
             \n\
             const api = '{api}';\n\
             const key = {key};\n\
             const user = {context};\n\
             const headers = [['Authorization', `Bearer ${{key}}`]];\n\
             await OpenFeature.setContext(user);\n\
             await OpenFeature.setProviderAndWait(new OFREPWebProvider({{ baseUrl: api, headers }}));\n\
             \n\
             const decision = OpenFeature.getClient().{call}('{flag}', {fallback});\n\
             console.log(`${{user.targetingKey}} sees ${{decision.variant}}`, decision.value);\n\
             \n\
             {track}"
        )
    }

    fn python(&self) -> String {
        let Self { api, flag, event, .. } = self;
        let key = self.key('"', &format!("os.environ[\"{KEY_VARIABLE}\"]"));
        let (call, fallback) = match self.value {
            Value::Boolean => ("get_boolean_details", "False"),
            Value::Text => ("get_string_details", "\"off\""),
            Value::Number => ("get_float_details", "0.0"),
            Value::Object => ("get_object_details", "{}"),
        };
        let (context, field) = match self.mode {
            AssignmentMode::Profile => ("", ""),
            AssignmentMode::Session => (", {\"session_id\": \"s-1\"}", "\"sessionId\": \"s-1\", "),
            AssignmentMode::Event => (", {\"event_id\": \"e-1\"}", "\"id\": \"e-1\", "),
        };
        format!(
            "# pip install openfeature-sdk openfeature-provider-ofrep\n\
             import json, os, urllib.request\n\
             from openfeature import api as openfeature\n\
             from openfeature.contrib.provider.ofrep import OFREPProvider\n\
             from openfeature.evaluation_context import EvaluationContext\n\
             \n\
             api = \"{api}\"\n\
             headers = {{\"Authorization\": \"Bearer \" + {key}}}\n\
             openfeature.set_provider(OFREPProvider(api, headers_factory=lambda: headers))\n\
             \n\
             user = EvaluationContext(\"u-1\"{context})\n\
             decision = openfeature.get_client().{call}(\"{flag}\", {fallback}, user)\n\
             print(user.targeting_key, \"sees\", decision.variant, decision.value)\n\
             \n\
             # Attach the attribution to every event.\n\
             event = {{\"name\": \"{event}\", \"profileId\": \"u-1\", {field}\"properties\": dict(decision.flag_metadata)}}\n\
             request = urllib.request.Request(\n\
             \x20   api + \"/track\", json.dumps(event).encode(), {{**headers, \"Content-Type\": \"application/json\"}}\n\
             )\n\
             urllib.request.urlopen(request).close()\n"
        )
    }

    fn go(&self) -> String {
        let Self { api, flag, event, .. } = self;
        let key = self.key('"', &format!("os.Getenv(\"{KEY_VARIABLE}\")"));
        let os = if self.key.is_some() { "" } else { "\t\"os\"\n" };
        let (call, fallback) = match self.value {
            Value::Boolean => ("BooleanValueDetails", "false"),
            Value::Text => ("StringValueDetails", "\"off\""),
            Value::Number => ("FloatValueDetails", "0"),
            Value::Object => ("ObjectValueDetails", "map[string]any{}"),
        };
        let (context, field) = match self.mode {
            AssignmentMode::Profile => ("nil", ""),
            AssignmentMode::Session => (
                "map[string]any{\"session_id\": \"s-1\"}",
                "\"sessionId\": \"s-1\", ",
            ),
            AssignmentMode::Event => ("map[string]any{\"event_id\": \"e-1\"}", "\"id\": \"e-1\", "),
        };
        format!(
            "// go get github.com/open-feature/go-sdk github.com/open-feature/go-sdk-contrib/providers/ofrep\n\
             package main\n\
             \n\
             import (\n\
             \t\"bytes\"\n\
             \t\"context\"\n\
             \t\"encoding/json\"\n\
             \t\"fmt\"\n\
             \t\"net/http\"\n\
             {os}\
             \n\
             \t\"github.com/open-feature/go-sdk-contrib/providers/ofrep\"\n\
             \t\"github.com/open-feature/go-sdk/openfeature\"\n\
             )\n\
             \n\
             func main() {{\n\
             \tapi, key := \"{api}\", {key}\n\
             \tif err := openfeature.SetProviderAndWait(ofrep.NewProvider(api, ofrep.WithBearerToken(key))); err != nil {{\n\
             \t\tpanic(err)\n\
             \t}}\n\
             \tuser := openfeature.NewEvaluationContext(\"u-1\", {context})\n\
             \tdecision, err := openfeature.NewClient(\"app\").{call}(context.Background(), \"{flag}\", {fallback}, user)\n\
             \tif err != nil {{\n\
             \t\tpanic(err)\n\
             \t}}\n\
             \tfmt.Println(\"u-1 sees\", decision.Variant, decision.Value)\n\
             \n\
             \t// Attach the attribution to every event.\n\
             \tevent, _ := json.Marshal(map[string]any{{\n\
             \t\t\"name\": \"{event}\", \"profileId\": \"u-1\", {field}\"properties\": decision.FlagMetadata,\n\
             \t}})\n\
             \trequest, _ := http.NewRequest(\"POST\", api+\"/track\", bytes.NewReader(event))\n\
             \trequest.Header.Set(\"Authorization\", \"Bearer \"+key)\n\
             \trequest.Header.Set(\"Content-Type\", \"application/json\")\n\
             \tanswer, err := http.DefaultClient.Do(request)\n\
             \tif err != nil {{\n\
             \t\tpanic(err)\n\
             \t}}\n\
             \tanswer.Body.Close()\n\
             }}\n"
        )
    }

    fn amplitude_user(&self) -> &'static str {
        match self.mode {
            AssignmentMode::Profile => "user_id: 'u-1'",
            AssignmentMode::Session => "user_id: 'u-1', session_id: 's-1'",
            AssignmentMode::Event => "user_id: 'u-1', event_id: 'e-1'",
        }
    }

    fn amplitude_node(&self) -> String {
        let Self { api, flag, event, .. } = self;
        let key = self.key('\'', &format!("process.env.{KEY_VARIABLE}"));
        let user = self.amplitude_user();
        format!(
            "// npm install @amplitude/experiment-node-server\n\
             import {{ Experiment }} from '@amplitude/experiment-node-server';\n\
             \n\
             const api = '{api}';\n\
             const key = {key};\n\
             const experiment = Experiment.initializeRemote(key, {{ serverUrl: api }});\n\
             \n\
             const user = {{ {user} }};\n\
             const variant = (await experiment.fetchV2(user))['{flag}'];\n\
             console.log(`${{user.user_id}} sees ${{variant?.key}}`, variant?.payload);\n\
             \n\
             // The exposure, and what is to be counted.\n\
             const exposure = {{ flag_key: '{flag}', variant: variant?.key, experiment_key: variant?.expKey }};\n\
             await fetch(`${{api}}/2/httpapi`, {{\n\
             \x20 method: 'POST',\n\
             \x20 headers: {{ 'Content-Type': 'application/json' }},\n\
             \x20 body: JSON.stringify({{\n\
             \x20   api_key: key,\n\
             \x20   events: [\n\
             \x20     {{ event_type: '$exposure', ...user, insert_id: crypto.randomUUID(), event_properties: exposure }},\n\
             \x20     {{ event_type: '{event}', ...user, insert_id: crypto.randomUUID(),\n\
             \x20       event_properties: {{ ...variant?.metadata }} }},\n\
             \x20   ],\n\
             \x20 }}),\n\
             }});\n"
        )
    }

    fn amplitude_python(&self) -> String {
        let Self { api, flag, event, .. } = self;
        let key = self.key('"', &format!("os.environ[\"{KEY_VARIABLE}\"]"));
        format!(
            "# pip install amplitude-experiment\n\
             import json, os, urllib.request, uuid\n\
             from amplitude_experiment import Experiment, RemoteEvaluationConfig, User\n\
             \n\
             api, key = \"{api}\", {key}\n\
             experiment = Experiment.initialize_remote(key, RemoteEvaluationConfig(server_url=api))\n\
             variant = experiment.fetch_v2(User(user_id=\"u-1\")).get(\"{flag}\")\n\
             print(\"u-1 sees\", variant and variant.key)\n\
             \n\
             # The exposure, and what is to be counted.\n\
             def event(name, properties):\n\
             \x20   return {{\"event_type\": name, \"user_id\": \"u-1\", \"insert_id\": str(uuid.uuid4()), \"event_properties\": properties}}\n\
             \n\
             exposure = {{\"flag_key\": \"{flag}\", \"variant\": variant and variant.key}}\n\
             metadata = (variant and variant.metadata) or {{}}\n\
             body = {{\"api_key\": key, \"events\": [event(\"$exposure\", exposure), event(\"{event}\", metadata)]}}\n\
             request = urllib.request.Request(\n\
             \x20   api + \"/2/httpapi\", json.dumps(body).encode(), {{\"Content-Type\": \"application/json\"}}\n\
             )\n\
             urllib.request.urlopen(request).close()\n"
        )
    }
}

/// The deployments whose key can stand in a snippet: those that are named first, and of them those of clients,
/// whose key everybody may read; revoked ones not at all.
#[must_use]
pub fn usable<'a>(rows: &'a [DeploymentRow], named: &[Uuid]) -> Vec<&'a Deployment> {
    let mut usable: Vec<&Deployment> = rows
        .iter()
        .map(|row| &row.deployment)
        .filter(|d| d.revoked_at.is_none())
        .collect();
    usable.sort_by_key(|d| (!named.contains(&d.id), d.kind == DeploymentKind::Server));
    usable
}

/// The key, where everybody may read it.
fn public_key(deployment: Option<&Deployment>) -> Option<String> {
    deployment
        .filter(|d| d.kind == DeploymentKind::Client)
        .and_then(|d| d.key.clone())
}

/// What the answer's value is: the payload where there is one, else the variant's key.
fn value_of(variants: &[Variant]) -> Value {
    let mut kinds = variants.iter().filter(|v| !v.payload.is_null()).map(|v| {
        if v.payload.is_string() {
            Value::Text
        } else if v.payload.is_number() {
            Value::Number
        } else if v.payload.is_boolean() {
            Value::Boolean
        } else {
            Value::Object
        }
    });
    let Some(first) = kinds.next() else {
        return Value::Text;
    };
    if kinds.all(|kind| kind == first) {
        first
    } else {
        Value::Object
    }
}
